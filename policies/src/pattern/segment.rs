//! One segment of a pattern, and which segments of a path it reaches.

use doorward_model::{Path, Segment};

use super::range::NumberRange;

/// One segment of a pattern, borrowed from a rule or from the compiled form.
#[derive(Clone, Copy)]
pub(crate) enum PatternSegment<'a> {
    /// `*`
    One,
    /// Literal text, and the range that it is where a number is expected.
    Text { text: &'a str, range: Option<NumberRange> },
    /// Literal text that is a range where a number is expected.
    Range(NumberRange),
}

impl PatternSegment<'_> {
    /// Returns the range that the segment is where a number is expected.
    fn range(&self) -> Option<NumberRange> {
        match self {
            Self::One => None,
            Self::Text { range, .. } => *range,
            Self::Range(range) => Some(*range),
        }
    }

    fn is_text(&self, asked: &str, any_case: bool) -> bool {
        match self {
            Self::One => false,
            Self::Text { text, .. } if any_case => text.eq_ignore_ascii_case(asked),
            Self::Text { text, .. } => *text == asked,
            // Each range has exactly one text.
            Self::Range(range) => NumberRange::read(asked) == Some(*range),
        }
    }

    /// Returns whether the segment reaches all of what the segment `at` of `path` names.
    pub(super) fn covers(&self, path: &Path, at: usize) -> bool {
        let (topic_root, any_case) = (path.is_topic_root(at), path.is_in_any_case(at));
        match (self, asked(path, at)) {
            (Self::One, Segment::Text(text)) => !(topic_root && text.starts_with('$')),
            (Self::One, Segment::Any | Segment::Range(..) | Segment::OneOf(_)) => true,
            // Unit 0 reaches every unit, so a rule must name it.
            (Self::One, Segment::Unit(unit)) => *unit != 0,
            (text @ (Self::Text { .. } | Self::Range(_)), asked) => match asked {
                Segment::Text(asked) => text.is_text(asked, any_case),
                // One text is not all of several.
                Segment::Any | Segment::OneOf(_) => false,
                Segment::Unit(0) => text.range() == Some(NumberRange::ZERO),
                Segment::Unit(unit) => {
                    text.range().is_some_and(|range| range.contains((*unit).into(), (*unit).into()))
                }
                Segment::Range(from, to) => {
                    text.range().is_some_and(|range| range.contains(*from, *to))
                }
            },
        }
    }

    /// Returns whether the segment reaches some of what the segment `at` of `path` names. After its
    /// last segment, an open path has any levels that a wildcard matches.
    pub(crate) fn overlaps(&self, path: &Path, at: usize) -> bool {
        let (topic_root, any_case) = (path.is_topic_root(at), path.is_in_any_case(at));
        match (self, asked(path, at)) {
            (Self::Text { text, .. }, Segment::Any) => !(topic_root && text.starts_with('$')),
            (Self::Range(_), Segment::Any)
            | (Self::One | Self::Text { .. } | Self::Range(_), Segment::Unit(0)) => true,
            (Self::Text { .. } | Self::Range(_), Segment::Range(from, to)) => {
                self.range().is_some_and(|range| range.meets(*from, *to))
            }
            (text @ (Self::Text { .. } | Self::Range(_)), Segment::OneOf(texts)) => {
                texts.iter().any(|asked| text.is_text(asked, any_case))
            }
            // All others are single values, or are reached whole or not at all.
            (
                Self::One,
                Segment::Text(_)
                | Segment::Unit(_)
                | Segment::Range(..)
                | Segment::Any
                | Segment::OneOf(_),
            )
            | (Self::Text { .. } | Self::Range(_), Segment::Text(_) | Segment::Unit(_)) => {
                self.covers(path, at)
            }
        }
    }
}

/// Returns the segment `at` of a path.
fn asked(path: &Path, at: usize) -> &Segment {
    path.segments().get(at).unwrap_or(&Segment::Any)
}
