//! Frames of Modbus on a serial line.

use crc::{CRC_16_MODBUS, Crc};

use super::pdu::LONGEST;

/// The longest frame on a serial line, in bytes: unit, PDU and checksum (Modbus over Serial Line
/// 1.02, section 2.5.1).
pub const RTU_FRAME: usize = 1 + LONGEST + 2;
const CHECK: Crc<u16> = Crc::<u16>::new(&CRC_16_MODBUS);

/// Returns the frame of a PDU for `unit` on a serial line.
#[must_use]
pub fn rtu(unit: u8, pdu: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(1 + pdu.len() + 2);
    frame.push(unit);
    frame.extend_from_slice(pdu);
    let check = CHECK.checksum(&frame);
    frame.extend_from_slice(&check.to_le_bytes());
    frame
}

/// The state of an answer that is being read from a serial line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RtuAnswer<'b> {
    /// More bytes must come.
    More,
    /// More bytes may come: only silence ends this answer.
    Silence,
    /// The whole answer of a unit: its PDU.
    Answer(u8, &'b [u8]),
    /// The bytes can be no answer, or were garbled.
    Garbled,
}

/// Reads an answer from a serial line. `silent` says that no bytes have come for as long as ends a
/// frame (section 2.5.1.1).
#[must_use]
pub fn read_rtu_answer(bytes: &[u8], silent: bool) -> RtuAnswer<'_> {
    match expected(bytes) {
        Expected::Length(length) if bytes.len() >= length => whole(bytes.get(..length)),
        Expected::Length(_) | Expected::More if silent => RtuAnswer::Garbled,
        Expected::Length(length) if length > RTU_FRAME => RtuAnswer::Garbled,
        Expected::Length(_) | Expected::More => RtuAnswer::More,
        Expected::Unknown if silent => whole(Some(bytes)),
        Expected::Unknown if bytes.len() > RTU_FRAME => RtuAnswer::Garbled,
        Expected::Unknown => RtuAnswer::Silence,
    }
}

fn whole(frame: Option<&[u8]>) -> RtuAnswer<'_> {
    let Some((covered, &[low, high])) = frame.and_then(<[u8]>::split_last_chunk) else {
        return RtuAnswer::Garbled;
    };
    match covered.split_first() {
        Some((unit, pdu))
            if (1..=LONGEST).contains(&pdu.len())
                && CHECK.checksum(covered) == u16::from_le_bytes([low, high]) =>
        {
            RtuAnswer::Answer(*unit, pdu)
        }
        _ => RtuAnswer::Garbled,
    }
}

enum Expected {
    /// The length in bytes.
    Length(usize),
    /// The byte that tells the length has not come.
    More,
    /// Nothing tells the length.
    Unknown,
}

/// Returns the length of an answer, by its function.
fn expected(bytes: &[u8]) -> Expected {
    let &[_, function, ref rest @ ..] = bytes else { return Expected::More };
    // Unit, function and checksum, and this many bytes in between.
    let between = |count: usize| Expected::Length(4 + count);
    let counted = |count: Option<&u8>| match count {
        Some(count) => between(1 + usize::from(*count)),
        None => Expected::More,
    };
    match function {
        128.. => between(1),
        1..=4 | 12 | 17 | 20 | 21 | 23 => counted(rest.first()),
        5 | 6 | 11 | 15 | 16 => between(4),
        7 => between(1),
        22 => between(6),
        24 => match *rest {
            [high, low, ..] => between(2 + usize::from(u16::from_be_bytes([high, low]))),
            _ => Expected::More,
        },
        _ => Expected::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        // The example of section 6.2.2: 02 07 gives 41 12 on the line.
        assert_eq!(rtu(2, &[7]), [2, 7, 0x41, 0x12]);
    }

    #[test]
    fn an_answer_ends_where_its_function_says_or_in_silence() {
        let read = rtu(1, &[3, 2, 0, 7]);
        for end in 0..read.len() {
            assert_eq!(read_rtu_answer(&read[..end], false), RtuAnswer::More, "{end}");
            assert_eq!(read_rtu_answer(&read[..end], true), RtuAnswer::Garbled, "{end}");
        }
        assert_eq!(read_rtu_answer(&read, false), RtuAnswer::Answer(1, &[3, 2, 0, 7]));
        let own = rtu(1, &[90, 1, 2, 3]);
        assert_eq!(read_rtu_answer(&own, false), RtuAnswer::Silence);
        assert_eq!(read_rtu_answer(&own, true), RtuAnswer::Answer(1, &[90, 1, 2, 3]));
        let exception = rtu(1, &[0x83, 2]);
        assert_eq!(read_rtu_answer(&exception, false), RtuAnswer::Answer(1, &[0x83, 2]));
        let fifo = rtu(1, &[24, 0, 6, 0, 2, 1, 2, 3, 4]);
        assert_eq!(
            read_rtu_answer(&fifo, false),
            RtuAnswer::Answer(1, &[24, 0, 6, 0, 2, 1, 2, 3, 4])
        );
        // Lengths that are too large.
        assert_eq!(read_rtu_answer(&[1, 24, 255, 255], false), RtuAnswer::Garbled);
        assert_eq!(read_rtu_answer(&[1, 90].repeat(RTU_FRAME), false), RtuAnswer::Garbled);
        let mut wrong = read.clone();
        wrong[4] ^= 1;
        assert_eq!(read_rtu_answer(&wrong, false), RtuAnswer::Garbled);
    }

    proptest! {
        #[test]
        fn one_changed_bit_is_noticed(
            pdu in prop::collection::vec(any::<u8>(), 1..LONGEST), at in any::<prop::sample::Index>(),
            bit in 0..8u8,
        ) {
            let mut frame = rtu(7, &pdu);
            let at = at.index(frame.len());
            frame[at] ^= 1 << bit;
            let found = read_rtu_answer(&frame, true);
            prop_assert!(!matches!(found, RtuAnswer::Answer(_, found) if found.len() == pdu.len()), "{found:?}");
        }

        #[test]
        fn whatever_comes_is_bounded(bytes in prop::collection::vec(any::<u8>(), 0..600), silent: bool) {
            match read_rtu_answer(&bytes, silent) {
                RtuAnswer::Answer(_, pdu) => prop_assert!((1..=LONGEST).contains(&pdu.len())),
                RtuAnswer::More | RtuAnswer::Silence => {
                    prop_assert!(!silent && bytes.len() <= RTU_FRAME);
                }
                RtuAnswer::Garbled => {}
            }
        }
    }
}
