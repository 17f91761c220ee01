//! The datagrams of one flow.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::ReadBuf;
use tokio::sync::mpsc;

use super::flow_queues::FlowQueues;
use super::marks::{mark, unmark};
use super::packed::{Packed, pack};
use super::pipe::Pipe;
use crate::message::Why;

/// The largest datagram, in bytes.
pub const LARGEST_DATAGRAM: usize = 65_535;

/// How many bytes of one flow may wait to be sent. Further datagrams are dropped.
pub const WAITING: usize = 256 * 1024;

/// A flow of datagrams.
///
/// Over QUIC it sends DATAGRAM frames (RFC 9221) that begin with the number of the flow's stream.
/// Datagrams too large for such a frame, and all datagrams over yamux, travel on the flow's
/// stream, each after a two-byte length.
#[derive(Debug)]
pub struct FlowDatagrams {
    pipe: Pipe,
    loose: Option<Loose>,
    coming: Packed,
    going: VecDeque<Bytes>,
    /// How many bytes of the first datagram in `going` have been written.
    gone: usize,
    waiting: usize,
    dropped: u64,
}

/// What a flow needs to send and receive QUIC DATAGRAM frames.
#[derive(Debug)]
struct Loose {
    connection: quinn::Connection,
    queue: mpsc::Receiver<Bytes>,
    _place: Registered,
}

/// Passes the datagrams of one QUIC connection to its flows.
#[derive(Debug, Default)]
pub(super) struct Router {
    queues: Mutex<FlowQueues>,
}

#[derive(Debug)]
struct Registered(Arc<Router>, u64);

impl Drop for Registered {
    fn drop(&mut self) {
        self.0.queues().forget(self.1);
    }
}

impl Router {
    fn queues(&self) -> MutexGuard<'_, FlowQueues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the connection's datagrams and passes them to their flows until the connection ends.
    pub(super) async fn run(self: Arc<Self>, connection: quinn::Connection) {
        while let Ok(datagram) = connection.read_datagram().await {
            let Some((flow, datagram)) = unmark(datagram) else { continue };
            self.queues().deliver(flow, datagram);
        }
    }
}

impl FlowDatagrams {
    pub(super) fn new(pipe: Pipe, loose: Option<(quinn::Connection, Arc<Router>)>) -> Self {
        let loose = loose.map(|(connection, router)| {
            let id = pipe.id();
            let queue = router.queues().register(id);
            Loose { connection, queue, _place: Registered(router, id) }
        });
        Self {
            pipe,
            loose,
            coming: Packed::default(),
            going: VecDeque::new(),
            gone: 0,
            waiting: 0,
            dropped: 0,
        }
    }

    /// Returns the number of the flow's stream.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.pipe.id()
    }

    /// Returns how many datagrams this side dropped: too large, or no room in the queue.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Sends a datagram without waiting, or drops it when there is no room. A queued datagram is
    /// written when the caller polls [`poll_receive`](Self::poll_receive) or
    /// [`receive`](Self::receive).
    pub fn send(&mut self, datagram: &[u8]) {
        if datagram.len() > LARGEST_DATAGRAM {
            self.dropped += 1;
            return;
        }
        if let Some(loose) = &self.loose {
            let marked = mark(self.pipe.id(), datagram);
            let fits = loose.connection.max_datagram_size().is_some_and(|max| marked.len() <= max);
            if fits {
                if loose.connection.datagram_send_buffer_space() < marked.len()
                    || loose.connection.send_datagram(marked).is_err()
                {
                    self.dropped += 1;
                }
                return;
            }
        }
        if self.waiting + datagram.len() > WAITING {
            self.dropped += 1;
            return;
        }
        self.waiting += datagram.len();
        self.going.push_back(pack(datagram));
    }

    fn poll_going(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        while let Some(first) = self.going.front() {
            let rest = first.get(self.gone..).unwrap_or_default();
            match self.pipe.poll_write_raw(cx, rest) {
                Poll::Pending => return Ok(()),
                Poll::Ready(written) => {
                    self.gone += written?;
                    if self.gone >= first.len() {
                        self.waiting = self.waiting.saturating_sub(first.len() - 2);
                        self.gone = 0;
                        self.going.pop_front();
                    }
                }
            }
        }
        match self.pipe.poll_flush_raw(cx) {
            Poll::Ready(flushed) => flushed,
            Poll::Pending => Ok(()),
        }
    }

    /// Writes queued datagrams. Then returns the next received one, or `None` if the flow is over.
    ///
    /// # Errors
    /// Fails when the flow was cut.
    pub fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        self.poll_going(cx)?;
        if let Some(loose) = &mut self.loose
            && let Poll::Ready(Some(datagram)) = loose.queue.poll_recv(cx)
        {
            return Poll::Ready(Ok(Some(datagram)));
        }
        loop {
            if let Some(datagram) = self.coming.next() {
                return Poll::Ready(Ok(Some(datagram)));
            }
            let mut bytes = [0; 8 * 1024];
            let mut into = ReadBuf::new(&mut bytes);
            match self.pipe.poll_read_raw(cx, &mut into) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(read) => read?,
            }
            if into.filled().is_empty() {
                return Poll::Ready(Ok(None));
            }
            self.coming.push(into.filled());
        }
    }

    /// Returns the next received datagram, or `None` when the flow is over.
    ///
    /// # Errors
    /// Fails when the flow was cut.
    pub async fn receive(&mut self) -> io::Result<Option<Bytes>> {
        poll_fn(|cx| self.poll_receive(cx)).await
    }

    /// Ends the flow with `why`. A flow of datagrams has no proper end.
    pub fn close(self, why: Why) {
        self.pipe.cut(why);
    }
}
