//! The range of numbers that a segment of a pattern can stand for.

use std::fmt;

/// The range that the text of a segment is where a number is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NumberRange {
    pub(crate) first: u32,
    pub(crate) last: u32,
    /// Whether it is written as one number: `7` is not the same text as `7-7`.
    pub(crate) single: bool,
}

impl NumberRange {
    /// Modbus's broadcast, which is written `0` and not otherwise.
    pub(crate) const ZERO: Self = Self { first: 0, last: 0, single: true };

    /// The largest number of a range, which is Modbus's largest address. Text with a larger number
    /// is literal.
    pub(crate) const LARGEST: u32 = 65_535;

    /// Reads `N` or `N-M`: decimal digits without leading zeros, up to [`Self::LARGEST`]. So each
    /// range has exactly one text.
    pub(crate) fn read(text: &str) -> Option<Self> {
        if !text.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        match text.split_once('-') {
            None => number(text).map(|n| Self { first: n, last: n, single: true }),
            Some((first, last)) => {
                let (first, last) = (number(first)?, number(last)?);
                Some(Self { first, last, single: false })
            }
        }
    }

    pub(super) fn contains(&self, first: u32, last: u32) -> bool {
        self.first <= first && last <= self.last
    }

    pub(super) fn meets(&self, first: u32, last: u32) -> bool {
        self.first <= last && first <= self.last
    }
}

impl fmt::Display for NumberRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { first, single: true, .. } => write!(f, "{first}"),
            Self { first, last, .. } => write!(f, "{first}-{last}"),
        }
    }
}

fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let zeros = text.len() > 1 && text.starts_with('0');
    if !digits || zeros {
        return None;
    }
    text.parse().ok().filter(|number| *number <= NumberRange::LARGEST)
}
