//! CoAP options, each with its number as a difference to the one before (RFC 7252, section 3.1).

/// The end of the options, if a payload follows.
pub(super) const MARKER: u8 = 0xff;

pub(super) const URI_HOST: u16 = 3;
pub(super) const OBSERVE: u16 = 6;
pub(super) const URI_PORT: u16 = 7;
pub(super) const URI_PATH: u16 = 11;
pub(super) const HOP_LIMIT: u16 = 16;
pub(super) const PROXY_URI: u16 = 35;
pub(super) const PROXY_SCHEME: u16 = 39;

/// The most options of a message. A path has at most 128 segments, and other options are few.
pub(super) const MOST: usize = 256;

/// An option of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CoapOption<'d> {
    pub(super) number: u16,
    pub(super) value: &'d [u8],
    /// Whether the option before has the same number.
    pub(super) again: bool,
}

impl CoapOption<'_> {
    /// Returns the value as an unsigned integer. It may have leading zeros (section 3.2); of more
    /// than eight bytes the last eight count.
    pub(super) fn uint(&self) -> u64 {
        self.value.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    }
}

/// The options of a message, the lowest number first. The iterator ends where no option can begin.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CoapOptions<'d> {
    rest: &'d [u8],
    number: u16,
    begun: bool,
}

impl<'d> CoapOptions<'d> {
    pub(super) fn new(bytes: &'d [u8]) -> Self {
        Self { rest: bytes, number: 0, begun: false }
    }

    /// Returns the bytes after the options. `None` if the options are malformed or more than
    /// [`MOST`].
    pub(super) fn end(mut self) -> Option<&'d [u8]> {
        let few = self.by_ref().take(MOST).count() < MOST || self.field().is_none();
        (few && matches!(self.rest, [] | [MARKER, ..])).then_some(self.rest)
    }

    fn field(&self) -> Option<(CoapOption<'d>, &'d [u8])> {
        let (&first, rest) = self.rest.split_first()?;
        if first == MARKER {
            return None;
        }
        let (delta, rest) = extended(first >> 4, rest)?;
        let (length, rest) = extended(first & 0xf, rest)?;
        let (value, rest) = rest.split_at_checked(length)?;
        let number = self.number.checked_add(u16::try_from(delta).ok()?)?;
        Some((CoapOption { number, value, again: self.begun && delta == 0 }, rest))
    }
}

impl<'d> Iterator for CoapOptions<'d> {
    type Item = CoapOption<'d>;

    fn next(&mut self) -> Option<CoapOption<'d>> {
        let (field, rest) = self.field()?;
        *self = Self { rest, number: field.number, begun: true };
        Some(field)
    }
}

/// Reads a difference or a length that begins with these four bits, and returns the rest. 15 is
/// reserved.
fn extended(nibble: u8, rest: &[u8]) -> Option<(usize, &[u8])> {
    match (nibble, rest) {
        (0..13, rest) => Some((nibble.into(), rest)),
        (13, &[low, ref rest @ ..]) => Some((usize::from(low) + 13, rest)),
        (14, &[high, low, ref rest @ ..]) => {
            Some((usize::from(u16::from_be_bytes([high, low])) + 269, rest))
        }
        _ => None,
    }
}

/// A writer of options. Each option has exactly one form, so options that were read and not changed
/// are written as they were.
pub(super) struct OptionWriter<'o> {
    out: &'o mut Vec<u8>,
    number: u16,
}

impl<'o> OptionWriter<'o> {
    pub(super) fn new(out: &'o mut Vec<u8>) -> Self {
        Self { out, number: 0 }
    }

    /// Writes an option. Its number must not be below the last one's.
    pub(super) fn option(&mut self, number: u16, value: &[u8]) {
        let (delta, delta_more) = nibble((number - self.number).into());
        let (length, length_more) = nibble(value.len());
        self.out.push(delta << 4 | length);
        for (nibble, [high, low]) in [(delta, delta_more), (length, length_more)] {
            match nibble {
                13 => self.out.push(low),
                14 => self.out.extend([high, low]),
                _ => {}
            }
        }
        self.out.extend_from_slice(value);
        self.number = number;
    }
}

/// Returns the four bits of a difference or a length, and the bytes that extend them. A length that
/// was read always fits.
fn nibble(number: usize) -> (u8, [u8; 2]) {
    let more = |base| u16::try_from(number - base).unwrap_or(u16::MAX).to_be_bytes();
    match number {
        0..13 => (u8::try_from(number).unwrap_or_default(), [0, 0]),
        13..269 => (13, more(13)),
        _ => (14, more(269)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn integers_are_read_with_zeros_before_them() {
        for (value, expected) in [
            (&[][..], 0),
            (&[0, 0, 0], 0),
            (&[0, 1], 1),
            (&[1, 0], 256),
            (&[9; 9], 0x909_0909_0909_0909),
        ] {
            assert_eq!(CoapOption { number: 6, value, again: false }.uint(), expected);
        }
    }

    #[test]
    fn a_message_has_so_many_options_and_no_more() {
        let options = |count| vec![0x10; count];
        for (bytes, sound) in [
            (options(MOST), true),
            ([options(MOST), vec![MARKER, 7]].concat(), true),
            (options(MOST + 1), false),
            ([options(MOST), vec![0xf0]].concat(), false),
            (options(60_000), false),
        ] {
            assert_eq!(CoapOptions::new(&bytes).end().is_some(), sound, "{}", bytes.len());
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_what_is_read_is_written_alike(
            mut numbers in prop::collection::vec(any::<u16>().prop_map(|n| n >> (n % 13)), 0..12),
            lengths in prop::collection::vec(prop_oneof![0..20usize, 260..280usize, 60_000..65_804usize], 12),
        ) {
            numbers.sort_unstable();
            let mut bytes = Vec::new();
            let mut writer = OptionWriter::new(&mut bytes);
            let values: Vec<Vec<u8>> = lengths.iter().map(|n| vec![7; *n]).collect();
            for (number, value) in numbers.iter().zip(&values) {
                writer.option(*number, value);
            }
            let read: Vec<CoapOption> = CoapOptions::new(&bytes).collect();
            prop_assert_eq!(read.len(), numbers.len());
            for (at, field) in read.iter().enumerate() {
                prop_assert_eq!((field.number, field.value), (numbers[at], &values[at][..]));
                prop_assert_eq!(field.again, at > 0 && numbers[at - 1] == numbers[at]);
            }
            prop_assert_eq!(CoapOptions::new(&bytes).end(), Some(&[][..]));
        }

        #[test]
        fn whatever_is_read_is_written_as_it_was(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut written = Vec::new();
            let mut writer = OptionWriter::new(&mut written);
            for field in CoapOptions::new(&bytes) {
                writer.option(field.number, field.value);
            }
            prop_assert!(bytes.starts_with(&written));
            if let Some(rest) = CoapOptions::new(&bytes).end() {
                prop_assert_eq!([&written, rest].concat(), bytes);
            }
        }
    }
}
