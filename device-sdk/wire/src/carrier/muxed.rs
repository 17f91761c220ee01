//! A yamux connection over TLS, driven by a task of its own.

use std::any::Any;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt as _};

use super::pipe::Pipe;
use super::settings::{LinkEnd, STREAM_WINDOW, STREAMS};
use super::unread_frames::{FrameCounting, UnreadFrames};
use crate::paced::Paced;

/// Reserves room for one more stream. Returns `None` when there is none.
pub type Admit = Box<dyn FnMut() -> Option<Box<dyn Any + Send + Sync>> + Send>;

/// The handle of a yamux connection that a task drives.
#[derive(Debug)]
pub(super) struct Muxed {
    open_requests: mpsc::Sender<oneshot::Sender<io::Result<Pipe>>>,
    inbound: Mutex<mpsc::Receiver<Pipe>>,
    stop: watch::Sender<bool>,
    over: watch::Receiver<Option<String>>,
}

impl Muxed {
    pub(super) fn new<T>(stream: T, side: LinkEnd, admit: Admit) -> Arc<Self>
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let mut config = yamux::Config::default();
        config.set_max_num_streams(STREAMS);
        // The sum of the streams' initial windows, so that no window grows.
        config.set_max_connection_receive_window(Some(STREAMS * STREAM_WINDOW as usize));
        let mode = match side {
            LinkEnd::Client => yamux::Mode::Client,
            LinkEnd::Gateway => yamux::Mode::Server,
        };
        let unread = UnreadFrames::default();
        let stream = Paced::new(FrameCounting::new(stream, unread.clone())).compat();
        let connection = yamux::Connection::new(stream, config, mode);
        let (open_requests, requests) = mpsc::channel(16);
        let (arrivals, inbound) = mpsc::channel(STREAMS);
        let (stop, stopping) = watch::channel(false);
        let (ended, over) = watch::channel(None);
        tokio::spawn(async move {
            let arrivals = Arrivals { queue: arrivals, admit, is_first: true };
            let why = drive(connection, requests, (arrivals, unread), stopping).await;
            ended.send_replace(Some(why));
        });
        Arc::new(Self { open_requests, inbound: Mutex::new(inbound), stop, over })
    }

    pub(super) async fn open(&self) -> io::Result<Pipe> {
        let (answer, opened) = oneshot::channel();
        self.open_requests.send(answer).await.map_err(|_| gone())?;
        opened.await.map_err(|_| gone())?
    }

    pub(super) async fn accept(&self) -> io::Result<Pipe> {
        self.inbound.lock().await.recv().await.ok_or_else(gone)
    }

    pub(super) fn close(&self) {
        self.stop.send_replace(true);
    }

    pub(super) async fn closed(&self) -> String {
        let mut over = self.over.clone();
        match over.wait_for(Option::is_some).await {
            Ok(why) => why.clone().unwrap_or_default(),
            Err(_) => String::new(),
        }
    }
}

impl Drop for Muxed {
    fn drop(&mut self) {
        self.close();
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the connection is over")
}

/// The queue of streams that the other end has opened and nobody has accepted yet.
struct Arrivals {
    queue: mpsc::Sender<Pipe>,
    admit: Admit,
    is_first: bool,
}

impl Arrivals {
    fn push(&mut self, mut pipe: Pipe) {
        // The first stream is for control. Its room belongs to the connection.
        let mut may_wait = std::mem::take(&mut self.is_first);
        if !may_wait && let Some(room) = (self.admit)() {
            pipe.keep(room);
            may_wait = true;
        }
        // With an empty queue, a stream without room may wait to be refused. Others are reset.
        if may_wait || self.queue.capacity() == self.queue.max_capacity() {
            // The queue holds STREAMS, and yamux never opens more.
            drop(self.queue.try_send(pipe));
        }
    }
}

type OpenRequests = mpsc::Receiver<oneshot::Sender<io::Result<Pipe>>>;

/// Drives the connection until it ends. Returns the reason.
async fn drive<T>(
    mut connection: yamux::Connection<Compat<T>>,
    mut open_requests: OpenRequests,
    (mut arrivals, unread): (Arrivals, UnreadFrames),
    mut stopping: watch::Receiver<bool>,
) -> String
where
    T: AsyncRead + AsyncWrite + Send + Unpin,
{
    let mut pending: Option<oneshot::Sender<io::Result<Pipe>>> = None;
    let pipe = |stream: yamux::Stream| {
        let counted = unread.register(stream.id().val());
        Pipe::yamux(stream, counted)
    };
    let moved = poll_fn(|cx| {
        loop {
            if pending.is_none()
                && let Poll::Ready(next) = open_requests.poll_recv(cx)
            {
                match next {
                    Some(next) => pending = Some(next),
                    None => return Poll::Ready("closed".to_owned()),
                }
            }
            if pending.is_some()
                && let Poll::Ready(opened) = connection.poll_new_outbound(cx)
                && let Some(answer) = pending.take()
            {
                // The caller may have stopped waiting.
                drop(answer.send(opened.map(pipe).map_err(io::Error::other)));
                continue;
            }
            match connection.poll_next_inbound(cx) {
                Poll::Ready(Some(Ok(stream))) => arrivals.push(pipe(stream)),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(error.to_string()),
                Poll::Ready(None) => return Poll::Ready("closed".to_owned()),
                Poll::Pending => return Poll::Pending,
            }
        }
    });
    let why = tokio::select! {
        why = moved => why,
        _ = stopping.wait_for(|stop| *stop) => "closed".to_owned(),
    };
    // Flushes what the pipes have written, for at most one second.
    let close = poll_fn(|cx| connection.poll_close(cx));
    drop(tokio::time::timeout(std::time::Duration::from_secs(1), close).await);
    why
}
