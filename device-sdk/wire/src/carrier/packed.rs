//! Datagrams on a stream: a two-byte big-endian length, then that many bytes. Without I/O.

use bytes::{BufMut as _, Bytes, BytesMut};

/// A parser of datagrams on a stream.
#[derive(Debug, Default)]
pub(crate) struct Packed(BytesMut);

impl Packed {
    /// Adds received bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Returns the next complete datagram.
    pub(crate) fn next(&mut self) -> Option<Bytes> {
        let length = 2 + usize::from(u16::from_be_bytes(*self.0.first_chunk::<2>()?));
        if self.0.len() < length {
            return None;
        }
        let mut datagram = self.0.split_to(length).freeze();
        Some(datagram.split_off(2))
    }

    /// Returns how many bytes wait for the rest of their datagram.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn waiting(&self) -> usize {
        self.0.len()
    }
}

/// Encodes a datagram of at most 65535 bytes for a stream.
pub(crate) fn pack(datagram: &[u8]) -> Bytes {
    let mut whole = BytesMut::with_capacity(2 + datagram.len());
    whole.put_u16(u16::try_from(datagram.len()).unwrap_or_default());
    whole.put_slice(datagram);
    whole.freeze()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_datagram_is_waited_for_until_it_is_whole() {
        let mut packed = Packed::default();
        let stream = [pack(b"one"), pack(b""), pack(b"two")].concat();
        let (mut found, mut waited) = (vec![], 0);
        for byte in stream {
            packed.push(&[byte]);
            while let Some(datagram) = packed.next() {
                found.push(datagram);
            }
            waited = waited.max(packed.waiting());
        }
        assert_eq!(found, [&b"one"[..], b"", b"two"]);
        assert_eq!(waited, 4);
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked_in_its_order(
            datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..400), 0..8),
            cut in 1usize..100,
        ) {
            let stream = datagrams.iter().map(|one| pack(one)).collect::<Vec<_>>().concat();
            let (mut packed, mut found) = (Packed::default(), vec![]);
            for piece in stream.chunks(cut) {
                packed.push(piece);
                found.extend(std::iter::from_fn(|| packed.next()));
            }
            prop_assert_eq!(found, datagrams);
            prop_assert_eq!(packed.waiting(), 0);
        }
    }
}
