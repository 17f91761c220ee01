//! Length-prefixed frames on a stream.

use std::io;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// The size of the length prefix, in bytes.
const HEAD: usize = 4;

/// Why bytes are not a frame. The peer is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// The length prefix exceeds the limit.
    #[error("a frame of {length} bytes, where {limit} are allowed")]
    TooLong {
        /// The length in the prefix.
        length: u32,
        /// The largest length allowed.
        limit: usize,
    },
}

/// A parser of frames: a four-byte big-endian length, then that many bytes. The input may be split
/// anywhere.
#[derive(Debug)]
pub struct Frames {
    limit: usize,
    waiting: Vec<u8>,
    /// How many bytes at the start of `waiting` belong to frames already returned.
    taken: usize,
}

impl Frames {
    /// Creates a parser of frames of at most `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, waiting: Vec::new(), taken: 0 }
    }

    fn rest(&self) -> &[u8] {
        self.waiting.get(self.taken..).unwrap_or_default()
    }

    /// Adds received bytes. Returns how many of them it took: it keeps at most one frame and its
    /// prefix until [`next`](Self::next) is called.
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        // The rest is moved once for all returned frames, not once for each.
        self.waiting.drain(..std::mem::take(&mut self.taken));
        let room = (self.limit + HEAD).saturating_sub(self.waiting.len());
        let taken = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        self.waiting.extend_from_slice(taken);
        taken.len()
    }

    /// Returns the next complete frame, or `None` when more bytes are needed.
    ///
    /// # Errors
    /// Fails when the length prefix exceeds the limit.
    #[expect(clippy::should_implement_trait, reason = "an iterator would end where this waits")]
    pub fn next(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        let Some(head) = self.rest().first_chunk::<HEAD>() else { return Ok(None) };
        let length = bounded(*head, self.limit)?;
        let Some(frame) = self.rest().get(HEAD..HEAD + length) else { return Ok(None) };
        let frame = frame.to_vec();
        self.taken += HEAD + length;
        Ok(Some(frame))
    }

    /// Returns whether a frame is incomplete. If the input ended now, it would truncate the frame.
    #[must_use]
    pub fn is_torn(&self) -> bool {
        !self.rest().is_empty()
    }
}

fn bounded(head: [u8; HEAD], limit: usize) -> Result<usize, FrameError> {
    let length = u32::from_be_bytes(head);
    match usize::try_from(length) {
        Ok(fits) if fits <= limit => Ok(fits),
        _ => Err(FrameError::TooLong { length, limit }),
    }
}

/// Returns a message with its length prefix.
#[must_use]
pub fn encode(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), message].concat()
}

/// Reads exactly one frame of at most `limit` bytes, and no byte after it.
///
/// # Errors
/// Fails when the frame is too long, or when the input ends or fails within it.
pub async fn read_frame<R>(from: &mut R, limit: usize) -> io::Result<Vec<u8>>
where
    R: AsyncRead + Unpin,
{
    let mut head = [0; HEAD];
    from.read_exact(&mut head).await?;
    let length = bounded(head, limit).map_err(|error| invalid(error.to_string()))?;
    // Memory grows with the bytes that arrive, not with the announced length.
    let mut frame = Vec::with_capacity(length.min(1024));
    from.take(length as u64).read_to_end(&mut frame).await?;
    if frame.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(frame)
}

/// Writes a message as one frame and flushes it.
///
/// # Errors
/// Fails when the other end is gone.
pub async fn write_frame<W>(to: &mut W, message: &[u8]) -> io::Result<()>
where
    W: AsyncWrite + Unpin,
{
    to.write_all(&encode(message)).await?;
    to.flush().await
}

pub(crate) fn invalid(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(limit: usize, pieces: &[Vec<u8>]) -> (Vec<Vec<u8>>, Option<FrameError>) {
        let (mut frames, mut found) = (Frames::new(limit), vec![]);
        for piece in pieces {
            let mut rest = piece.as_slice();
            loop {
                let taken = frames.push(rest);
                rest = &rest[taken..];
                loop {
                    match frames.next() {
                        Ok(Some(frame)) => found.push(frame),
                        Ok(None) => break,
                        Err(error) => return (found, Some(error)),
                    }
                }
                if rest.is_empty() {
                    break;
                }
            }
        }
        (found, None)
    }

    #[test]
    fn a_length_beyond_the_limit_ends_it_before_anything_is_kept_for_it() {
        let mut frames = Frames::new(16);
        frames.push(&[0xff; 1000]);
        assert!(frames.waiting.len() <= 20);
        let too_long = FrameError::TooLong { length: u32::MAX, limit: 16 };
        assert_eq!(frames.next(), Err(too_long));
    }

    #[test]
    fn many_small_frames_at_once_cost_by_their_bytes() {
        let mut frames = Frames::new(64 * 1024);
        let many = encode(b"x").repeat(13_000);
        assert_eq!(frames.push(&many), many.len());
        let place = frames.waiting.as_ptr();
        for _ in 0..13_000 {
            assert_eq!(frames.next(), Ok(Some(b"x".to_vec())));
            assert_eq!(frames.waiting.len(), many.len(), "nothing is moved for one frame");
        }
        assert_eq!((frames.next(), frames.is_torn()), (Ok(None), false));
        assert_eq!(frames.push(&many), many.len());
        assert_eq!(frames.waiting.as_ptr(), place, "the room is used again");
    }

    #[tokio::test]
    async fn a_frame_that_promises_more_than_it_brings_is_torn() {
        let mut bytes: &[u8] = &[0, 0, 0, 9, 1, 2, 3];
        let error = read_frame(&mut bytes, 16).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        let mut bytes: &[u8] = &[0, 0, 0, 17, 1, 2, 3];
        let error = read_frame(&mut bytes, 16).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    proptest! {
        #[test]
        fn frames_come_out_as_they_went_in_however_they_are_cut(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8),
            cuts in prop::collection::vec(1usize..9, 0..60),
        ) {
            let whole: Vec<u8> = messages.iter().flat_map(|message| encode(message)).collect();
            let (mut pieces, mut rest) = (vec![], whole.as_slice());
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece.to_vec());
                rest = after;
            }
            pieces.push(rest.to_vec());
            let (found, error) = split(40, &pieces);
            prop_assert_eq!(found, messages);
            prop_assert_eq!(error, None);
        }

        #[test]
        fn whatever_comes_is_bounded(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
            let (found, _) = split(64, std::slice::from_ref(&bytes));
            prop_assert!(found.iter().all(|frame| frame.len() <= 64));
        }
    }
}
