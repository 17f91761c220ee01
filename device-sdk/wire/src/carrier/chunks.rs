//! How bytes travel over yamux, whose reset reads like an end: in chunks of two bytes of length,
//! big-endian, and so many bytes; a chunk of length 0 is the end. Without I/O.

/// The longest chunk that we write.
pub(crate) const CHUNK: usize = 16 * 1024;

/// Where in the chunks that come in one is. However they are cut, it comes to the same.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    /// What is left of the chunk that is being read.
    left: usize,
    /// The first byte of a length whose second has not come.
    half: Option<u8>,
    ended: bool,
}

impl Chunks {
    /// How many of `bytes`, which come next, say how long a chunk is: they are to be passed over
    /// before what [`data`](Self::data) shows.
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

    /// Those of `bytes`, which come next, that belong to the chunk.
    pub(crate) fn data<'b>(&self, bytes: &'b [u8]) -> &'b [u8] {
        bytes.get(..bytes.len().min(self.left)).unwrap_or_default()
    }

    /// So many bytes of the chunk were taken.
    pub(crate) fn took(&mut self, amount: usize) {
        self.left = self.left.saturating_sub(amount);
    }

    /// Whether the last chunk has come. If not, an end of the bytes is a cut.
    pub(crate) fn ended(&self) -> bool {
        self.ended
    }
}

/// Puts `bytes`, at most [`CHUNK`] of them, behind `into` as one chunk. None are the end.
pub(crate) fn put_chunk(bytes: &[u8], into: &mut Vec<u8>) {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    into.extend_from_slice(&length.to_be_bytes());
    into.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is read of a stream, and whether its end was proper.
    fn read(mut stream: &[u8]) -> (Vec<u8>, bool) {
        let (mut chunks, mut read) = (Chunks::default(), vec![]);
        while !chunks.ended() && !stream.is_empty() {
            stream = &stream[chunks.pass(stream)..];
            let data = chunks.data(stream);
            read.extend_from_slice(data);
            chunks.took(data.len());
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
