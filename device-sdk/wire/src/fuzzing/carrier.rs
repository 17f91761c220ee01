//! Fuzz targets for chunks, datagrams and buffers.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::{Feed, pieces, vectors};
use crate::carrier::chunks::{CHUNK, Chunks, put_chunk};
use crate::carrier::flow_queues::{EARLY, FlowQueues, QUEUE};
use crate::carrier::marks::{mark, unmark};
use crate::carrier::packed::{Packed, pack};
use crate::{Buffer, encode};

/// Checks chunks: splitting the input anywhere changes nothing, no data is lost or invented, and
/// a missing last chunk is a cut. Written chunks are read back.
pub fn chunks(bytes: &[u8]) {
    let mut feed = Feed::new(bytes);
    let cuts = feed.bytes(16);
    let bytes = feed.rest();

    let (data, ended, rest) = read_chunks(&[bytes]);
    let cut = read_chunks(&pieces(bytes, cuts));
    assert_eq!(cut, (data.clone(), ended, rest));
    assert!(data.len() + rest <= bytes.len());
    assert!(ended || rest == 0);

    let (mut stream, mut lengths) = (vec![], cuts.iter().copied().cycle());
    let mut left = bytes;
    while !left.is_empty() {
        let length = lengths.next().map_or(CHUNK, |cut| usize::from(cut).max(1));
        let (chunk, after) = left.split_at(length.min(left.len()));
        put_chunk(chunk, &mut stream);
        left = after;
    }
    assert_eq!(read_chunks(&[&stream]), (bytes.to_vec(), false, 0));
    put_chunk(&[], &mut stream);
    assert_eq!(read_chunks(&pieces(&stream, cuts)), (bytes.to_vec(), true, 0));
    // Cutting the stream anywhere is detected, and the data before the cut is correct.
    let torn = usize::from(cuts.first().copied().unwrap_or(1)) % stream.len();
    let (part, ended, _) = read_chunks(&[&stream[..torn]]);
    assert!(!ended && bytes.starts_with(&part));
}

/// Returns the data, whether it ended properly, and how many bytes follow the end.
fn read_chunks(pieces: &[&[u8]]) -> (Vec<u8>, bool, usize) {
    let (mut chunks, mut data, mut rest) = (Chunks::default(), vec![], 0);
    for piece in pieces {
        let mut piece = *piece;
        while !chunks.ended() && !piece.is_empty() {
            let passed = chunks.pass(piece);
            piece = &piece[passed..];
            // Takes only half, since a reader may take the data in parts.
            let shown = chunks.data(piece);
            let part = &shown[..shown.len().div_ceil(2)];
            assert!(passed > 0 || !part.is_empty(), "each step makes progress");
            chunks.advance(part.len());
            data.extend_from_slice(part);
            piece = &piece[part.len()..];
        }
        rest += piece.len();
    }
    (data, chunks.ended(), rest)
}

/// Checks datagrams on a stream: splitting the input anywhere changes nothing, and at most one
/// datagram waits. Packed datagrams are unpacked again.
pub fn datagrams(bytes: &[u8]) {
    let mut feed = Feed::new(bytes);
    let cuts = feed.bytes(16);
    let bytes = feed.rest();

    let (found, waits) = unpack(&[bytes]);
    assert_eq!(unpack(&pieces(bytes, cuts)), (found.clone(), waits));
    let again: Vec<u8> = found.iter().flat_map(|datagram| pack(datagram)).collect();
    assert!(bytes.starts_with(&again));
    assert_eq!(again.len() + waits, bytes.len());

    let stream: Vec<u8> = pieces(bytes, cuts).iter().flat_map(|one| pack(one)).collect();
    let (found, waits) = unpack(&pieces(&stream, &[7]));
    assert_eq!((found.concat(), waits), (bytes.to_vec(), 0));
}

fn unpack(pieces: &[&[u8]]) -> (Vec<Bytes>, usize) {
    let (mut packed, mut found) = (Packed::default(), vec![]);
    for piece in pieces {
        packed.push(piece);
        while let Some(datagram) = packed.next() {
            found.push(datagram);
        }
        assert!(packed.waiting() < 2 + usize::from(u16::MAX));
    }
    (found, packed.waiting())
}

/// Checks the prefixes and queues of a QUIC connection's datagrams: each reaches only its own
/// flow, queues are bounded, and each flow keeps its order.
pub fn marks(bytes: &[u8]) {
    if let Some((flow, datagram)) = unmark(Bytes::copy_from_slice(bytes)) {
        assert!(flow < 1 << 62 && bytes.ends_with(&datagram));
        let again = mark(flow, &datagram);
        assert!(again.len() <= bytes.len(), "the prefix is as short as possible");
        assert_eq!(unmark(again), Some((flow, datagram)));
    }
    let mut feed = Feed::new(bytes);
    let (mut flows, mut model) = (FlowQueues::default(), Model::default());
    let mut queues = BTreeMap::new();
    let mut serial = 0u64;
    // Longer inputs reach no new states.
    for _ in 0..64 {
        if feed.is_empty() {
            break;
        }
        let flow = u64::from(feed.byte() % 8);
        match feed.byte() % 8 {
            0 => {
                if let Entry::Vacant(place) = queues.entry(flow) {
                    place.insert(flows.register(flow));
                    model.register(flow);
                }
            }
            1 => {
                if queues.remove(&flow).is_some() {
                    flows.forget(flow);
                    model.known.remove(&flow);
                }
            }
            2 => {
                if let Some(queue) = queues.get_mut(&flow) {
                    assert_eq!(next(queue), model.known.get_mut(&flow).unwrap().pop_front());
                }
            }
            times => {
                // Sends up to 64 at once, so that queues fill up.
                for _ in 0..1 << (times % 4 * 2) {
                    serial += 1;
                    let marked = mark(flow, &serial.to_be_bytes());
                    let (flow, datagram) = unmark(marked).unwrap();
                    flows.deliver(flow, datagram);
                    model.deliver(flow, serial);
                }
            }
        }
    }
    for (flow, mut queue) in queues {
        while let Some(waiting) = model.known.get_mut(&flow).unwrap().pop_front() {
            assert_eq!(next(&mut queue), Some(waiting));
        }
        assert_eq!(next(&mut queue), None);
    }
}

fn next(queue: &mut mpsc::Receiver<Bytes>) -> Option<u64> {
    let datagram = queue.try_recv().ok()?;
    Some(u64::from_be_bytes(datagram.as_ref().try_into().unwrap()))
}

/// A reference model of [`FlowQueues`], with numbers instead of datagrams.
#[derive(Default)]
struct Model {
    known: BTreeMap<u64, VecDeque<u64>>,
    early: VecDeque<(u64, u64)>,
}

impl Model {
    fn deliver(&mut self, flow: u64, number: u64) {
        match self.known.get_mut(&flow) {
            Some(queue) if queue.len() < QUEUE => queue.push_back(number),
            Some(_) => {}
            None => {
                self.early.push_back((flow, number));
                if self.early.len() > EARLY {
                    self.early.pop_front();
                }
            }
        }
    }

    fn register(&mut self, flow: u64) {
        let (mine, others) = self.early.drain(..).partition(|(early, _)| *early == flow);
        self.early = others;
        let mine: VecDeque<(u64, u64)> = mine;
        self.known.insert(flow, mine.into_iter().map(|(_, number)| number).collect());
    }
}

/// Checks that a buffer returns the bytes that were put in, for all sizes of reads.
pub fn buffer(bytes: &[u8]) {
    let mut feed = Feed::new(bytes);
    let cuts = feed.bytes(16);
    let mut source = feed.rest();
    let all = source;
    let mut cuts = cuts.iter().map(|cut| usize::from(*cut)).cycle();
    let mut buffer = Buffer::default();
    let (mut taken, mut context) = (vec![], Context::from_waker(Waker::noop()));
    loop {
        let was_empty = buffer.is_empty();
        let cut = cuts.next().unwrap_or(3);
        let filled = buffer.poll_fill(&mut context, |_, into| {
            assert!(was_empty, "a buffer that holds bytes is not filled again");
            if cut == 0 {
                return Poll::Pending;
            }
            let (piece, rest) = source.split_at(cut.min(source.len()).min(into.remaining()));
            into.put_slice(piece);
            source = rest;
            Poll::Ready(Ok(()))
        });
        assert_eq!(filled.is_pending(), was_empty && cut == 0);
        if filled.is_pending() && cuts.clone().take(16).all(|cut| cut == 0) {
            break;
        }
        if filled.is_ready() && buffer.is_empty() {
            break;
        }
        let shown = buffer.shown();
        let amount = cut.min(shown.len());
        taken.extend_from_slice(&shown[..amount]);
        // Consuming more than the buffer holds empties it.
        buffer.consume(if amount == shown.len() { usize::MAX } else { amount });
        if amount == 0 && !buffer.is_empty() {
            buffer.consume(1);
            taken.push(all[taken.len()]);
        }
    }
    assert!(all.starts_with(&taken));
    assert_eq!(taken.len() + source.len() + buffer.shown().len(), all.len());
}

pub(super) fn corpus() -> Vec<Vec<u8>> {
    let head = [3, 0, 1, 5, 2];
    let mut corpus: Vec<Vec<u8>> = vectors().into_iter().map(|one| encode(&one)).collect();
    let mut chunks = head.to_vec();
    for one in vectors() {
        put_chunk(&one, &mut chunks);
    }
    corpus.push(chunks.clone());
    put_chunk(&[], &mut chunks);
    corpus.push(chunks);
    for flow in [5, 500, 500_000, 5_000_000_000] {
        corpus.push(mark(flow, b"a datagram").to_vec());
    }
    // Datagrams before and after their flow is registered, until its queue is full.
    corpus.push(vec![1, 3, 2, 3, 1, 7, 1, 0, 1, 7, 1, 2, 1, 7, 1, 7, 1, 7, 1, 2, 1, 1, 1, 3, 1, 0]);
    corpus
}
