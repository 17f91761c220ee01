//! The connections of one flow to its backend.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::leased_stream::{LeasedStream, OwnPermit};
use super::upload::Upload;
use super::{HEAD, HEAD_FIELDS, PARTING};
use crate::dial::BackendConnection;
use crate::pipeline::held::HeldLeases;

/// How many connections to its backend one flow may have; more requests wait.
const CONNECTIONS: usize = 16;

/// The connections of one flow to its backend.
#[derive(Debug)]
pub(super) struct ConnectionPool {
    idle: Mutex<Vec<HttpConnection>>,
    room: Arc<Semaphore>,
    tasks: TaskTracker,
}

/// A connection that speaks HTTP/1.1, and is nobody else's. Dropped, it is reset.
#[derive(Debug)]
pub(super) struct HttpConnection {
    pub(super) send: SendRequest<Upload>,
    /// Whether it has carried a request before.
    pub(super) is_used: bool,
    /// The lease that it was dialed under, unless that is the flow's.
    lease: Option<HeldLeases>,
    busy: Arc<AtomicBool>,
    end: oneshot::Sender<()>,
    room: Option<OwnedSemaphorePermit>,
}

impl ConnectionPool {
    pub(super) fn new() -> Self {
        let (idle, room) = (Mutex::default(), Arc::new(Semaphore::new(CONNECTIONS)));
        Self { idle, room, tasks: TaskTracker::new() }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<HttpConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Room for one more request that is on its way.
    pub(super) async fn room(&self) -> io::Result<OwnedSemaphorePermit> {
        Arc::clone(&self.room).acquire_owned().await.map_err(io::Error::other)
    }

    /// A connection that has nothing to do, if there is one.
    pub(super) async fn take_idle(&self) -> Option<HttpConnection> {
        loop {
            let mut connection = self.idle().pop()?;
            let gone = connection.busy.swap(true, Ordering::SeqCst);
            let cut = connection.lease.as_ref().is_some_and(|lease| lease.cause().is_some());
            // It may just have been closed by the backend.
            if !gone && !cut && connection.send.ready().await.is_ok() {
                return Some(connection);
            }
        }
    }

    /// A new connection, for one request first.
    pub(super) async fn begin(
        &self,
        backend: BackendConnection,
        flow: HeldLeases,
        own: Option<OwnPermit>,
    ) -> hyper::Result<HttpConnection> {
        let lease = own.as_ref().map(|own| own.lease.clone());
        let io = TokioIo::new(LeasedStream::new(backend, flow, own));
        let mut builder = http1::Builder::new();
        builder.max_buf_size(HEAD).max_headers(HEAD_FIELDS);
        let (send, connection) = builder.handshake::<_, Upload>(io).await?;
        let (end, ended) = oneshot::channel();
        let busy = Arc::new(AtomicBool::new(true));
        self.tasks.spawn(run(connection, lease.clone(), Arc::clone(&busy), ended));
        Ok(HttpConnection { send, is_used: false, lease, busy, end, room: None })
    }

    /// Gives a connection back on which a request has been answered in full.
    pub(super) fn give_back(&self, mut connection: HttpConnection) {
        if connection.lease.as_ref().is_some_and(|lease| lease.cause().is_some()) {
            return;
        }
        connection.is_used = true;
        // Whoever waits for the room is to find the connection, and not to dial one more.
        let room = connection.room.take();
        connection.busy.store(false, Ordering::SeqCst);
        self.idle().push(connection);
        drop(room);
    }

    /// Ends all that have nothing to do, and waits until none is open.
    pub(super) async fn ended(&self) {
        self.room.close();
        let idle = std::mem::take(&mut *self.idle());
        idle.into_iter().for_each(HttpConnection::part);
        self.tasks.close();
        // Each is reset after a second at the latest.
        drop(timeout(PARTING + Duration::from_secs(1), self.tasks.wait()).await);
    }
}

impl HttpConnection {
    /// The same, with its place among those that are in use.
    pub(super) fn with_room(mut self, room: OwnedSemaphorePermit) -> Self {
        self.room = Some(room);
        self
    }

    /// Ends it properly.
    pub(super) fn part(self) {
        let Self { send, end, .. } = self;
        drop(send);
        if end.send(()).is_err() {
            tracing::trace!("a connection to a backend had ended by itself");
        }
    }
}

/// Has a connection speak until it is over: nobody has a use for it any more, or its lease is cut
/// while it has nothing to do. A request that is on its way then has a lease of its own.
async fn run(
    connection: http1::Connection<TokioIo<LeasedStream>, Upload>,
    lease: Option<HeldLeases>,
    busy: Arc<AtomicBool>,
    ended: oneshot::Receiver<()>,
) {
    let mut connection = std::pin::pin!(connection.with_upgrades());
    let cut = async {
        if let Some(lease) = lease {
            lease.over().await;
            if !busy.swap(true, Ordering::SeqCst) {
                return;
            }
        }
        std::future::pending().await
    };
    tokio::select! {
        spoken = connection.as_mut() => if let Err(error) = spoken {
            tracing::debug!(%error, "a connection to a backend broke off");
        },
        properly = ended => if properly.is_ok() {
            drop(timeout(PARTING, connection).await);
        },
        () = cut => {}
    }
}
