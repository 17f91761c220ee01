//! A range of numbers as nodes and rules store it: in six bytes, since a bundle has up to millions of
//! them.

use crate::pattern::NumberRange;

/// A [`NumberRange`]: the first number and whether it is written as one number, then the last number,
/// three bytes each. Packed ranges are in the order of their first numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PackedRange {
    /// Twice the first number, and 1 more for a single number.
    start: [u8; 3],
    last: [u8; 3],
}

const _: () = assert!(NumberRange::LARGEST < 1 << 23, "a number and one more bit are three bytes");

impl PackedRange {
    pub(super) fn of(range: NumberRange) -> Self {
        let NumberRange { first, last, single } = range;
        Self { start: packed(first << 1 | u32::from(single)), last: packed(last) }
    }

    pub(super) fn range(self) -> NumberRange {
        let start = unpacked(self.start);
        NumberRange { first: start >> 1, last: unpacked(self.last), single: start & 1 == 1 }
    }
}

fn packed(number: u32) -> [u8; 3] {
    let [_, high, middle, low] = number.to_be_bytes();
    [high, middle, low]
}

fn unpacked([high, middle, low]: [u8; 3]) -> u32 {
    u32::from_be_bytes([0, high, middle, low])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_the_same_after_packing() {
        let ends = [0, 1, 255, 256, 40_000, NumberRange::LARGEST];
        for (first, last) in ends.iter().flat_map(|first| ends.map(|last| (*first, last))) {
            for single in [false, true] {
                let range = NumberRange { first, last, single };
                assert_eq!(PackedRange::of(range).range(), range);
            }
        }
    }
}
