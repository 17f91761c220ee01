//! The chunk format for bytes over yamux, without I/O. A chunk is a two-byte big-endian length
//! and that many bytes; a chunk of length 0 is the end of the stream. Yamux needs chunks because
//! its readers cannot tell a reset from an end.

/// The longest chunk that this side writes.
pub(crate) const CHUNK: usize = 16 * 1024;

/// A parser of chunks. The result does not depend on how the input is split.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    /// How many data bytes of the current chunk have not been taken yet.
    left: usize,
    /// The first byte of a length whose second byte has not arrived.
    half: Option<u8>,
    ended: bool,
}

impl Chunks {
    /// Reads chunk lengths at the start of `bytes`. Returns how many bytes they take; the caller
    /// skips that many before it calls [`data`](Self::data).
    pub(crate) fn pass(&mut self, bytes: &[u8]) -> usize {
        let mut passed = 0;
        for byte in bytes {
            if self.left > 0 || self.ended {
                break;
            }
            passed += 1;
            match self.half.take() {
                None => self.half = Some(*byte),
                Some(high) => {
                    self.left = usize::from(u16::from_be_bytes([high, *byte]));
                    self.ended = self.left == 0;
                }
            }
        }
        passed
    }

    /// Returns the part of `bytes` that is data of the current chunk.
    pub(crate) fn data<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        bytes.get(..bytes.len().min(self.left)).unwrap_or_default()
    }

    /// Counts `amount` bytes of the current chunk as taken.
    pub(crate) fn advance(&mut self, amount: usize) {
        self.left = self.left.saturating_sub(amount);
    }

    /// Returns whether the last chunk has arrived. An end of input before it means a cut.
    pub(crate) fn ended(&self) -> bool {
        self.ended
    }
}

/// Appends `bytes`, at most [`CHUNK`] of them, to `into` as one chunk. Empty `bytes` mark the end.
pub(crate) fn put_chunk(bytes: &[u8], into: &mut Vec<u8>) {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    into.extend_from_slice(&length.to_be_bytes());
    into.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Returns the data in `stream`, and whether the stream ended properly.
    fn read(mut stream: &[u8]) -> (Vec<u8>, bool) {
        let (mut chunks, mut read) = (Chunks::default(), vec![]);
        while !chunks.ended() && !stream.is_empty() {
            stream = &stream[chunks.pass(stream)..];
            let data = chunks.data(stream);
            read.extend_from_slice(data);
            chunks.advance(data.len());
            stream = &stream[data.len()..];
        }
        (read, chunks.ended())
    }

    #[test]
    fn an_end_without_the_last_chunk_is_a_cut() {
        let mut stream = vec![];
        for text in ["one", "two", ""] {
            put_chunk(text.as_bytes(), &mut stream);
        }
        assert_eq!(read(&stream), (b"onetwo".to_vec(), true));
        for cut in 0..stream.len() {
            assert!(!read(&stream[..cut]).1, "{cut}");
        }
        stream.extend(b"what follows the end is nothing");
        assert_eq!(read(&stream), (b"onetwo".to_vec(), true));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_torn_anywhere_it_is_a_cut(
            written in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..400), 0..6),
            torn in any::<prop::sample::Index>(),
        ) {
            let mut stream = vec![];
            written.iter().for_each(|bytes| put_chunk(bytes, &mut stream));
            put_chunk(&[], &mut stream);
            prop_assert_eq!(read(&stream), (written.concat(), true));
            let (part, ended) = read(&stream[..torn.index(stream.len())]);
            prop_assert!(!ended && written.concat().starts_with(&part));
        }
    }
}
