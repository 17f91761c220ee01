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
use super::limits::{HEAD, HEAD_FIELDS, PARTING};
use super::upload::Upload;
use crate::dial::BackendConnection;
use crate::pipeline::held::HeldLeases;

/// The most connections of one flow to its backend. Further requests wait.
const CONNECTIONS: usize = 16;

/// The connections of one flow to its backend.
#[derive(Debug)]
pub(super) struct ConnectionPool {
    idle: Mutex<Vec<HttpConnection>>,
    slots: Arc<Semaphore>,
    tasks: TaskTracker,
}

/// A connection that speaks HTTP/1.1, for one request at a time. A drop resets it.
#[derive(Debug)]
pub(super) struct HttpConnection {
    pub(super) send: SendRequest<Upload>,
    /// Whether the connection has carried a request before.
    pub(super) is_used: bool,
    /// The lease of the connection, unless it is the flow's.
    lease: Option<HeldLeases>,
    busy: Arc<AtomicBool>,
    end: oneshot::Sender<()>,
    slot: Option<OwnedSemaphorePermit>,
}

impl ConnectionPool {
    pub(super) fn new() -> Self {
        let (idle, slots) = (Mutex::default(), Arc::new(Semaphore::new(CONNECTIONS)));
        Self { idle, slots, tasks: TaskTracker::new() }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<HttpConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a slot for one more request.
    pub(super) async fn slot(&self) -> io::Result<OwnedSemaphorePermit> {
        Arc::clone(&self.slots).acquire_owned().await.map_err(io::Error::other)
    }

    /// Returns an idle connection, if there is one.
    pub(super) async fn take_idle(&self) -> Option<HttpConnection> {
        loop {
            let mut connection = self.idle().pop()?;
            let gone = connection.busy.swap(true, Ordering::SeqCst);
            let cut = connection.lease.as_ref().is_some_and(|lease| lease.cause().is_some());
            // The backend may just have closed the connection.
            if !gone && !cut && connection.send.ready().await.is_ok() {
                return Some(connection);
            }
        }
    }

    /// Starts HTTP on a new connection, and returns it for its first request.
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
        Ok(HttpConnection { send, is_used: false, lease, busy, end, slot: None })
    }

    /// Returns a connection to the pool after its request was answered in full.
    pub(super) fn give_back(&self, mut connection: HttpConnection) {
        if connection.lease.as_ref().is_some_and(|lease| lease.cause().is_some()) {
            return;
        }
        connection.is_used = true;
        // A request that waits for the slot must find this connection, so the slot is freed last.
        let slot = connection.slot.take();
        connection.busy.store(false, Ordering::SeqCst);
        self.idle().push(connection);
        drop(slot);
    }

    /// Ends all idle connections, and waits until none is open.
    pub(super) async fn ended(&self) {
        self.slots.close();
        let idle = std::mem::take(&mut *self.idle());
        idle.into_iter().for_each(HttpConnection::end);
        self.tasks.close();
        // Each is reset after a second at the latest.
        drop(timeout(PARTING + Duration::from_secs(1), self.tasks.wait()).await);
    }
}

impl HttpConnection {
    /// Returns the connection with its slot among those in use.
    pub(super) fn with_slot(mut self, slot: OwnedSemaphorePermit) -> Self {
        self.slot = Some(slot);
        self
    }

    /// Ends the connection properly.
    pub(super) fn end(self) {
        let Self { send, end, .. } = self;
        drop(send);
        if end.send(()).is_err() {
            tracing::trace!("a connection to a backend had ended by itself");
        }
    }
}

/// Drives a connection until it is over: until the flow no longer needs it, or its lease is cut
/// while it is idle. A running request has a lease of its own.
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
