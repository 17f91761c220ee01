//! The prefix by which a datagram of a QUIC connection names its flow.

use bytes::{BufMut as _, Bytes, BytesMut};

/// Returns `datagram` with the flow's number in front, encoded as a QUIC variable-length integer
/// (RFC 9000 section 16).
pub(crate) fn mark(flow: u64, datagram: &[u8]) -> Bytes {
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

/// Splits a datagram of the connection into the flow's number and the flow's datagram.
pub(crate) fn unmark(mut marked: Bytes) -> Option<(u64, Bytes)> {
    let first = *marked.first()?;
    let length = 1usize << (first >> 6);
    let head = marked.get(..length)?;
    let number = head.iter().fold(0u64, |number, byte| (number << 8) | u64::from(*byte));
    let mask = u64::MAX >> (66 - 8 * length);
    let datagram = marked.split_off(length);
    Some((number & mask, datagram))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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

    proptest! {
        #[test]
        fn what_is_marked_is_found(
            flow in any::<u64>(), wide in 2u32..64, datagram in prop::collection::vec(any::<u8>(), 0..9),
        ) {
            let flow = flow >> wide;
            let found = unmark(mark(flow, &datagram));
            prop_assert_eq!(found, Some((flow, Bytes::from(datagram))));
        }
    }
}
