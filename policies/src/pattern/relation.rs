//! How patterns relate to each other, to an interface, and to the operands of a protocol.

use super::{NumberRange, Part, Pattern};

/// How a protocol reads segments that are written as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Numbers {
    /// As text: `10-19` is one name.
    Text,
    /// As numbers: `10-19` is ten registers, and 0 is Modbus's broadcast.
    Ranges,
    /// Nobody knows which: each question says what it answers then.
    Unknown,
}

impl Pattern {
    /// Returns whether the pattern reaches every path that `other` reaches. Where that depends on
    /// the protocol, the answer is no.
    pub(crate) fn includes(&self, other: &Self) -> bool {
        self.includes_as(other, Numbers::Unknown)
    }

    /// Returns whether the pattern reaches every path that `other` reaches, where numbers are read
    /// like that.
    pub(crate) fn includes_as(&self, other: &Self, numbers: Numbers) -> bool {
        let long_enough = if self.open {
            self.segments.len() <= other.segments.len()
        } else {
            !other.open && self.segments.len() == other.segments.len()
        };
        // The segments after the end of an open pattern are wildcards.
        let wide = self.segments.iter().chain(std::iter::repeat(&Part::One));
        long_enough
            && wide.zip(&other.segments).all(|(wide, narrow)| match (wide, narrow) {
                (Part::One, Part::One) => true,
                // A wildcard matches neither a topic's first level that begins with $ nor Modbus's
                // broadcast.
                (Part::One, Part::Text { text, range }) => {
                    let broadcast = *range == Some(NumberRange::ZERO);
                    !text.starts_with('$') && (numbers == Numbers::Text || !broadcast)
                }
                (Part::Text { .. }, Part::One) => false,
                (Part::Text { text: wide, range: wider }, Part::Text { text, range }) => {
                    let contains = |(wide, narrow): (&NumberRange, &NumberRange)| {
                        // The broadcast is in no range of units.
                        let broadcast = *narrow == NumberRange::ZERO && *wide != NumberRange::ZERO;
                        !broadcast && wide.contains(narrow.first, narrow.last)
                    };
                    wide == text
                        || numbers == Numbers::Ranges
                            && wider.as_ref().zip(range.as_ref()).is_some_and(contains)
                }
            })
    }

    /// Returns the pattern of what both patterns reach, where numbers are read like that. `None` if
    /// they reach nothing in common.
    pub(crate) fn common(&self, other: &Self, numbers: Numbers) -> Option<Self> {
        let (mine, others) = (self.segments.len(), other.segments.len());
        let long_enough =
            mine == others || (self.open && mine < others) || (other.open && others < mine);
        if !long_enough {
            return None;
        }
        let at = |pattern: &Self, at| pattern.segments.get(at).cloned().unwrap_or(Part::One);
        let both = (0..mine.max(others)).map(|index| match (at(self, index), at(other, index)) {
            (Part::One, part) | (part @ Part::Text { .. }, Part::One) => Some(part),
            (Part::Text { text, range }, Part::Text { text: other_text, range: other_range }) => {
                if text == other_text {
                    return Some(Part::Text { text, range });
                }
                let (one, other) = (range?, other_range?);
                let (first, last) = (one.first.max(other.first), one.last.min(other.last));
                let reads = numbers != Numbers::Text && first <= last;
                let range = NumberRange { first, last, single: first == last };
                reads.then(|| Part::Text { text: range.to_string().into(), range: Some(range) })
            }
        });
        Some(Self { segments: both.collect::<Option<_>>()?, open: self.open && other.open })
    }

    /// Returns whether some operation that one pattern of operands names meets one that the other
    /// names, where numbers are read like that: Modbus's broadcast meets every unit.
    pub(crate) fn meets(&self, other: &Self, numbers: Numbers) -> bool {
        let widened = |pattern: &Self| {
            let mut segments = pattern.segments.clone();
            if let Some(unit) = segments.first_mut()
                && numbers == Numbers::Ranges
                && matches!(unit, Part::Text { range: Some(NumberRange::ZERO), .. })
            {
                *unit = Part::One;
            }
            Self { segments, open: pattern.open }
        };
        widened(self).common(&widened(other), numbers).is_some()
    }

    /// Returns whether the pattern can reach something at an interface of that name.
    pub(crate) fn names(&self, interface: &str) -> bool {
        match self.segments.first() {
            None => self.open,
            Some(Part::One) => true,
            Some(Part::Text { text, .. }) => &**text == interface,
        }
    }

    /// Returns the pattern of no segment.
    pub(crate) fn nothing() -> Self {
        Self { segments: Box::default(), open: false }
    }

    /// Returns the pattern of any segments: `**`.
    pub(crate) fn everything() -> Self {
        Self { segments: Box::default(), open: true }
    }

    /// Returns the pattern of what follows the interface's name.
    pub(crate) fn operand(&self) -> Self {
        Self { segments: self.segments.get(1..).unwrap_or_default().into(), open: self.open }
    }
}
