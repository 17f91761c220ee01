//! Targets for fuzzers: chunks and datagrams.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::{Feed, pieces, vectors};
use crate::carrier::chunks::{CHUNK, Chunks, put_chunk};
use crate::carrier::flows::{EARLY, Flows, QUEUE};
use crate::carrier::marks::{mark, unmark};
use crate::carrier::packed::{Packed, pack};
use crate::{Buffer, encode};

/// The chunks of a stream over yamux: where the bytes are cut changes nothing, nothing is kept
/// of them, and without the last chunk their end is a cut. What is written is read.
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
    // Torn anywhere, it is a cut, and what has come of it is true.
    let torn = usize::from(cuts.first().copied().unwrap_or(1)) % stream.len();
    let (part, ended, _) = read_chunks(&[&stream[..torn]]);
    assert!(!ended && bytes.starts_with(&part));
}

/// What is read, whether the end was proper, and how many bytes follow it.
fn read_chunks(pieces: &[&[u8]]) -> (Vec<u8>, bool, usize) {
    let (mut chunks, mut data, mut rest) = (Chunks::default(), vec![], 0);
    for piece in pieces {
        let mut piece = *piece;
        while !chunks.ended() && !piece.is_empty() {
            let passed = chunks.pass(piece);
            piece = &piece[passed..];
            // It may be taken in parts.
            let shown = chunks.data(piece);
            let part = &shown[..shown.len().div_ceil(2)];
            assert!(passed > 0 || !part.is_empty(), "it goes on");
            chunks.took(part.len());
            data.extend_from_slice(part);
            piece = &piece[part.len()..];
        }
        rest += piece.len();
    }
    (data, chunks.ended(), rest)
}

/// Datagrams on a stream: where the bytes are cut changes nothing, and no more waits than one
/// datagram. What is packed is unpacked.
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

/// Datagrams of a QUIC connection: their marks, and who takes them. None goes to a flow that it
/// is not for; what waits is bounded; those of one flow keep their order.
pub fn marks(bytes: &[u8]) {
    if let Some((flow, datagram)) = unmark(Bytes::copy_from_slice(bytes)) {
        assert!(flow < 1 << 62 && bytes.ends_with(&datagram));
        let again = mark(flow, &datagram);
        assert!(again.len() <= bytes.len(), "it is written as short as can be");
        assert_eq!(unmark(again), Some((flow, datagram)));
    }
    let mut feed = Feed::new(bytes);
    let (mut flows, mut model) = (Flows::default(), Model::default());
    let mut queues = BTreeMap::new();
    let mut serial = 0u64;
    // Longer inputs show nothing more.
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
                // Often enough that a queue is full.
                for _ in 0..1 << (times % 4 * 2) {
                    serial += 1;
                    let marked = mark(flow, &serial.to_be_bytes());
                    let (flow, datagram) = unmark(marked).unwrap();
                    flows.take(flow, datagram);
                    model.take(flow, serial);
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

/// What [`Flows`] should do, with numbers in the place of datagrams.
#[derive(Default)]
struct Model {
    known: BTreeMap<u64, VecDeque<u64>>,
    early: VecDeque<(u64, u64)>,
}

impl Model {
    fn take(&mut self, flow: u64, number: u64) {
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

/// A buffer that is filled and taken from in any pieces gives what was put in.
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
            assert!(was_empty, "what is in it is not read over");
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
        // More than there is, is all.
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
    // Datagrams before and after their flow is known, until its queue is full.
    corpus.push(vec![1, 3, 2, 3, 1, 7, 1, 0, 1, 7, 1, 2, 1, 7, 1, 7, 1, 7, 1, 2, 1, 1, 1, 3, 1, 0]);
    corpus
}
