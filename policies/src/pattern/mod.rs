//! The path column of a rule: which paths the rule reaches.

mod error;
mod range;
mod reader;
mod reading;
mod relation;
mod segment;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use doorward_model::Path;

pub use error::PatternError;
pub(crate) use range::NumberRange;
pub(crate) use reader::{PatternPiece, PatternReader};
pub(crate) use relation::Numbers;
pub(crate) use segment::PatternSegment;

/// The path column of a rule.
///
/// `*` is exactly one segment. `**` stands only at the end and is zero or more segments. `a-b` is a
/// range if the protocol of the question reads that segment as a number; otherwise it is literal
/// text. The literal characters `* % , ; | "`, spaces and control characters are written `%XX`. So
/// may any other character be.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    segments: Box<[Part]>,
    open: bool,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Part {
    /// `*`
    One,
    /// Literal text, and the range that it is where a number is expected.
    Text { text: Box<str>, range: Option<NumberRange> },
}

impl Pattern {
    /// Returns whether the pattern reaches *every* path of the set that `path` names, as an allow
    /// rule must.
    #[must_use]
    pub fn covers(&self, path: &Path) -> bool {
        let asked = path.segments();
        let enough = if self.open {
            self.segments.len() <= asked.len()
        } else {
            self.segments.len() == asked.len() && !path.is_open()
        };
        enough
            && (0..asked.len()).all(|at| {
                self.segments.get(at).map_or(PatternSegment::One, Part::segment).covers(path, at)
            })
    }

    /// Returns whether the pattern reaches *some* path of the set that `path` names, which is
    /// enough for a deny rule.
    #[must_use]
    pub fn overlaps(&self, path: &Path) -> bool {
        let (asked, length) = (path.segments(), self.segments.len());
        let enough = length == asked.len()
            || (self.open && length < asked.len())
            || (path.is_open() && length > asked.len());
        enough
            && (0..length.max(asked.len())).all(|at| {
                self.segments.get(at).map_or(PatternSegment::One, Part::segment).overlaps(path, at)
            })
    }
}

impl Pattern {
    /// Returns the pattern of these segments.
    pub(crate) fn of<'a>(pieces: impl Iterator<Item = PatternPiece<'a>>, open: bool) -> Self {
        let part = |piece| match piece {
            PatternPiece::One => Part::One,
            PatternPiece::Text { text, range } => Part::Text { text: text.into(), range },
        };
        Self { segments: pieces.map(part).collect(), open }
    }

    /// Returns the segments, and whether the pattern ends with `**`.
    pub(crate) fn pieces(&self) -> (impl Iterator<Item = PatternPiece<'_>>, bool) {
        (self.segments.iter().map(Part::piece), self.open)
    }

    /// Returns the text of the first segment, if it is text.
    pub(crate) fn first(&self) -> Option<&str> {
        match self.segments.first() {
            Some(Part::Text { text, .. }) => Some(text),
            Some(Part::One) | None => None,
        }
    }

    /// Yields the text of each segment; `None` where it is `*`.
    pub(crate) fn texts(&self) -> impl Iterator<Item = Option<&str>> {
        self.segments.iter().map(|part| match part {
            Part::One => None,
            Part::Text { text, .. } => Some(&**text),
        })
    }
}

impl Part {
    fn piece(&self) -> PatternPiece<'_> {
        match self {
            Self::One => PatternPiece::One,
            Self::Text { text, range } => {
                PatternPiece::Text { text: Cow::Borrowed(text), range: *range }
            }
        }
    }

    fn segment(&self) -> PatternSegment<'_> {
        match self {
            Self::One => PatternSegment::One,
            Self::Text { text, range } => PatternSegment::Text { text, range: *range },
        }
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let pieces = PatternReader::of(text)?;
        let open = pieces.open;
        let pieces = pieces.collect::<Result<Vec<_>, _>>()?;
        Ok(Self::of(pieces.into_iter(), open))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (pieces, open) = self.pieces();
        let mut slash = "";
        for piece in pieces {
            write!(f, "{slash}{piece}")?;
            slash = "/";
        }
        if open { write!(f, "{slash}**") } else { Ok(()) }
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
