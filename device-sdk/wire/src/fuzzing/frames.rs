//! A fuzz target for frames.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::{Feed, pieces, vectors};
use crate::{FrameError, Frames, encode, read_frame};

/// Checks frames: splitting the input anywhere changes nothing, no more than the limit is kept,
/// and the frames found are those in the input.
pub fn frames(bytes: &[u8]) {
    let mut feed = Feed::new(bytes);
    let limit = usize::from(feed.byte());
    let cuts = feed.bytes(16);
    let bytes = feed.rest();

    let (found, error) = split(limit, &[bytes]);
    assert_eq!(split(limit, &pieces(bytes, cuts)), (found.clone(), error));
    assert!(found.iter().all(|frame| frame.len() <= limit));
    let again: Vec<u8> = found.iter().flat_map(|frame| encode(frame)).collect();
    assert!(bytes.starts_with(&again));
    if let Some(FrameError::TooLong { length, limit: allowed }) = error {
        assert!(length as usize > limit && allowed == limit);
        assert!(bytes[again.len()..].starts_with(&length.to_be_bytes()));
    }
    one_by_one(bytes, limit, &found);
}

fn split(limit: usize, pieces: &[&[u8]]) -> (Vec<Vec<u8>>, Option<FrameError>) {
    let (mut frames, mut found): (_, Vec<Vec<u8>>) = (Frames::new(limit), vec![]);
    let mut took = 0;
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() {
            let taken = frames.push(rest);
            assert!(taken > 0, "after all frames are taken there is room for more");
            let done: usize = found.iter().map(|frame| frame.len() + 4).sum();
            assert!(took + taken - done <= limit + 4, "at most one frame is kept");
            took += taken;
            rest = &rest[taken..];
            loop {
                match frames.next() {
                    Ok(Some(frame)) => found.push(frame),
                    Ok(None) => break,
                    Err(error) => return (found, Some(error)),
                }
            }
            let whole: usize = found.iter().map(|frame| frame.len() + 4).sum();
            assert_eq!(frames.is_torn(), took > whole);
            assert!(took - whole < limit + 4, "at most one frame waits");
        }
    }
    (found, None)
}

/// Checks that `read_frame` finds the same frames.
fn one_by_one(bytes: &[u8], limit: usize, found: &[Vec<u8>]) {
    let mut stream = bytes;
    for frame in found {
        assert_eq!(&read(&mut stream, limit).unwrap(), frame);
    }
    assert!(read(&mut stream, limit).is_err());
}

fn read(stream: &mut &[u8], limit: usize) -> std::io::Result<Vec<u8>> {
    let reading = pin!(read_frame(stream, limit));
    match reading.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(read) => read,
        Poll::Pending => panic!("a read from memory never waits"),
    }
}

pub(super) fn corpus() -> Vec<Vec<u8>> {
    let head = [96, 3, 0, 1, 5, 2];
    let one = |message: &Vec<u8>| [&head[..], &encode(message)].concat();
    let mut corpus: Vec<Vec<u8>> = vectors().iter().map(one).collect();
    let all: Vec<u8> = vectors().iter().flat_map(|message| encode(message)).collect();
    corpus.push([&head[..], &all].concat());
    corpus
}
