use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::{BufMut as _, Bytes, BytesMut};
use tokio::io::ReadBuf;
use tokio::sync::mpsc;

use super::pipe::Pipe;
use crate::message::Why;

/// The largest datagram, in bytes.
pub const LARGEST_DATAGRAM: usize = 65_535;

/// How many bytes of one flow may wait to be sent; what comes beyond is dropped, as on any
/// network.
pub const WAITING: usize = 256 * 1024;

/// How many datagrams of one flow may wait to be taken.
const QUEUE: usize = 192;

/// How many datagrams of one connection may wait for their flow to be known.
const EARLY: usize = 32;

/// A flow of datagrams.
///
/// Over QUIC they are datagrams of the connection (RFC 9221), with the number of the flow's
/// stream in front; one that is too large for that, and all over yamux, travel on the flow's
/// stream, each with two bytes of length.
#[derive(Debug)]
pub struct Datagrams {
    pipe: Pipe,
    loose: Option<Loose>,
    /// What has come of the stream's next one.
    coming: BytesMut,
    going: VecDeque<Bytes>,
    /// How much of the first of those has gone.
    gone: usize,
    waiting: usize,
    dropped: u64,
}

/// Those that travel by themselves, over QUIC.
#[derive(Debug)]
struct Loose {
    connection: quinn::Connection,
    queue: mpsc::Receiver<Bytes>,
    _place: Registered,
}

/// Who takes the datagrams of a QUIC connection.
#[derive(Debug, Default)]
pub(super) struct Router {
    flows: Mutex<Flows>,
}

#[derive(Debug, Default)]
struct Flows {
    known: HashMap<u64, mpsc::Sender<Bytes>>,
    /// Those of flows that are not known, the oldest first: a datagram may overtake the answer
    /// on its flow's stream.
    early: VecDeque<(u64, Bytes)>,
}

impl Flows {
    fn take(&mut self, flow: u64, datagram: Bytes) {
        if let Some(queue) = self.known.get(&flow) {
            // A full queue drops, as a network does.
            drop(queue.try_send(datagram));
            return;
        }
        if self.early.len() >= EARLY {
            self.early.pop_front();
        }
        self.early.push_back((flow, datagram));
    }

    fn register(&mut self, flow: u64) -> mpsc::Receiver<Bytes> {
        let (sender, queue) = mpsc::channel(QUEUE);
        self.early.retain(|(early, datagram)| {
            if *early == flow {
                // There are fewer than places.
                drop(sender.try_send(datagram.clone()));
            }
            *early != flow
        });
        self.known.insert(flow, sender);
        queue
    }
}

#[derive(Debug)]
struct Registered(Arc<Router>, u64);

impl Drop for Registered {
    fn drop(&mut self) {
        self.0.flows().known.remove(&self.1);
    }
}

impl Router {
    fn flows(&self) -> MutexGuard<'_, Flows> {
        self.flows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands the connection's datagrams to their flows, as long as it lives.
    pub(super) async fn run(self: Arc<Self>, connection: quinn::Connection) {
        while let Ok(datagram) = connection.read_datagram().await {
            let Some((flow, datagram)) = unmark(datagram) else { continue };
            self.flows().take(flow, datagram);
        }
    }
}

/// The number of a flow as QUIC writes integers (RFC 9000 section 16), and the datagram.
fn mark(flow: u64, datagram: &[u8]) -> Bytes {
    let mut marked = BytesMut::with_capacity(8 + datagram.len());
    match flow {
        0..0x40 => marked.put_u8(flow.to_be_bytes()[7]),
        0x40..0x4000 => marked.put_u16(0x4000 | u16::try_from(flow).unwrap_or_default()),
        0x4000..0x4000_0000 => {
            marked.put_u32(0x8000_0000 | u32::try_from(flow).unwrap_or_default());
        }
        _ => marked.put_u64(0xc000_0000_0000_0000 | flow),
    }
    marked.put_slice(datagram);
    marked.freeze()
}

fn unmark(mut marked: Bytes) -> Option<(u64, Bytes)> {
    let first = *marked.first()?;
    let length = 1usize << (first >> 6);
    let head = marked.get(..length)?;
    let number =
        head.iter().fold(0u64, |number, byte| (number << 8) | u64::from(*byte));
    let mask = u64::MAX >> (66 - 8 * length);
    let datagram = marked.split_off(length);
    Some((number & mask, datagram))
}

impl Datagrams {
    pub(super) fn new(pipe: Pipe, loose: Option<(quinn::Connection, Arc<Router>)>) -> Self {
        let loose = loose.map(|(connection, router)| {
            let id = pipe.id();
            let queue = router.flows().register(id);
            Loose { connection, queue, _place: Registered(router, id) }
        });
        Self {
            pipe,
            loose,
            coming: BytesMut::new(),
            going: VecDeque::new(),
            gone: 0,
            waiting: 0,
            dropped: 0,
        }
    }

    /// The number of the flow's stream.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.pipe.id()
    }

    /// How many were dropped for want of room, or because they were too large.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Sends one. It does not wait: what finds no room is dropped. What has not left yet,
    /// leaves when [`poll_receive`](Self::poll_receive) or [`receive`](Self::receive) is asked.
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
        let mut whole = BytesMut::with_capacity(2 + datagram.len());
        whole.put_u16(u16::try_from(datagram.len()).unwrap_or_default());
        whole.put_slice(datagram);
        self.waiting += datagram.len();
        self.going.push_back(whole.freeze());
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

    /// The next one that has come; `None` when the flow is over. Sends on the way what waits.
    ///
    /// # Errors
    /// When the flow was cut.
    pub fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        self.poll_going(cx)?;
        if let Some(loose) = &mut self.loose
            && let Poll::Ready(Some(datagram)) = loose.queue.poll_recv(cx)
        {
            return Poll::Ready(Ok(Some(datagram)));
        }
        loop {
            if let Some(head) = self.coming.first_chunk::<2>() {
                let length = usize::from(u16::from_be_bytes(*head));
                if self.coming.len() >= 2 + length {
                    let mut datagram = self.coming.split_to(2 + length).freeze();
                    return Poll::Ready(Ok(Some(datagram.split_off(2))));
                }
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
            self.coming.extend_from_slice(into.filled());
        }
    }

    /// The next one that has come; `None` when the flow is over.
    ///
    /// # Errors
    /// When the flow was cut.
    pub async fn receive(&mut self) -> io::Result<Option<Bytes>> {
        poll_fn(|cx| self.poll_receive(cx)).await
    }

    /// Ends the flow. Datagrams know no proper end.
    pub fn close(self, why: Why) {
        self.pipe.cut(why);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_that_overtakes_its_flows_answer_is_not_lost() {
        let mut flows = Flows::default();
        flows.take(4, Bytes::from_static(b"one"));
        flows.take(8, Bytes::from_static(b"of another"));
        flows.take(4, Bytes::from_static(b"two"));
        let mut queue = flows.register(4);
        flows.take(4, Bytes::from_static(b"three"));
        for text in [&b"one"[..], b"two", b"three"] {
            assert_eq!(queue.try_recv().as_deref(), Ok(text));
        }
        assert_eq!(flows.early.len(), 1);
        for flow in 0..1000 {
            flows.take(100 + flow, Bytes::new());
        }
        assert_eq!(flows.early.len(), EARLY);
    }

    #[test]
    fn numbers_are_written_as_quic_writes_them() {
        // The examples of RFC 9000, appendix A.1.
        for (number, bytes) in [
            (37u64, vec![0x25u8]),
            (15_293, vec![0x7b, 0xbd]),
            (494_878_333, vec![0x9d, 0x7f, 0x3e, 0x7d]),
            (151_288_809_941_952_652, vec![0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c]),
        ] {
            let marked = mark(number, b"x");
            assert_eq!(&marked[..marked.len() - 1], bytes.as_slice());
            assert_eq!(unmark(marked), Some((number, Bytes::from_static(b"x"))));
        }
        assert_eq!(unmark(Bytes::new()), None);
        assert_eq!(unmark(Bytes::from_static(&[0x40])), None);
    }
}
