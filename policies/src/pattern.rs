//! The path column of a rule.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use doorward_model::{Path, Segment, escape};
use thiserror::Error;

/// The path column of a rule.
///
/// `*` is exactly one segment; `**`, last only, is zero or more; `a-b` is a range where the
/// protocol of the question types that segment as a number, and literal text elsewhere. The
/// literal characters `* % , ; | "`, space and controls are written `%XX`, and so may any
/// other be.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    segments: Box<[Part]>,
    open: bool,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Part {
    /// `*`
    One,
    /// Literal text, and what it means where a number is expected.
    Text { text: Box<str>, range: Option<Range> },
}

/// What the text of a segment means where a number is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Range {
    pub(crate) first: u16,
    pub(crate) last: u16,
    /// Written as one number: `7`, which is not the text `7-7`.
    pub(crate) single: bool,
}

impl Range {
    /// The one way to name Modbus's broadcast.
    pub(crate) const ZERO: Self = Self { first: 0, last: 0, single: true };

    /// Reads `N` or `N-M`: decimal digits without leading zeros, within 65535. Each range that is
    /// written has one text.
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

    fn contains(&self, first: u16, last: u16) -> bool {
        self.first <= first && last <= self.last
    }

    fn meets(&self, first: u16, last: u16) -> bool {
        self.first <= last && first <= self.last
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { first, single: true, .. } => write!(f, "{first}"),
            Self { first, last, .. } => write!(f, "{first}-{last}"),
        }
    }
}

/// Why a text is no [`Pattern`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PatternError {
    /// Nothing, or a slash at the start.
    #[error("a path begins with an interface's name, or * or **")]
    Empty,
    /// `**` before the end.
    #[error("** stands for all that follows, so it can only be the last segment")]
    Inner,
    /// A wildcard inside a segment.
    #[error("'{}' mixes * with text; a wildcard is a whole segment (write %2A for a literal *)", escape(.0))]
    Mixed(String),
    /// A character that must be written `%XX`.
    #[error("'{}' in a path is written %{:02X}", escape(&.0.to_string()), u32::from(*.0))]
    Bare(char),
    /// `%` without two hexadecimal digits, or bytes that are no text.
    #[error("'{}' is no %XX escape of text", escape(.0))]
    Escape(String),
    /// A range that runs backwards.
    #[error("{0}-{1} runs backwards; write {1}-{0}, or {0}%2D{1} for that text")]
    Backwards(u16, u16),
    /// More text than a path has.
    #[error("the path is longer than {} bytes", Path::LIMIT)]
    Length,
    /// More segments than a path has.
    #[error("the path has more than {} segments", Path::SEGMENTS)]
    TooLong,
}

impl Pattern {
    /// Whether the pattern reaches *every* path of the set that `path` names: what an allow
    /// rule needs.
    #[must_use]
    pub fn covers(&self, path: &Path) -> bool {
        let asked = path.segments();
        let enough = if self.open {
            self.segments.len() <= asked.len()
        } else {
            self.segments.len() == asked.len() && !path.is_open()
        };
        enough
            && asked.iter().enumerate().all(|(at, segment)| {
                let root = path.is_topic_root(at);
                self.segments.get(at).map_or(Shown::One, Part::shown).covers(segment, root)
            })
    }

    /// Whether the pattern reaches *any* path of the set that `path` names: what a deny rule
    /// needs.
    #[must_use]
    pub fn overlaps(&self, path: &Path) -> bool {
        let (asked, length) = (path.segments(), self.segments.len());
        let enough = length == asked.len()
            || (self.open && length < asked.len())
            || (path.is_open() && length > asked.len());
        enough
            && (0..length.max(asked.len())).all(|at| {
                let root = path.is_topic_root(at);
                let part = self.segments.get(at).map_or(Shown::One, Part::shown);
                // Past its end an open path has any level that a wildcard may meet.
                part.overlaps(asked.get(at).unwrap_or(&Segment::Any), root)
            })
    }
}

impl Pattern {
    /// The pattern of these segments.
    pub(crate) fn of<'a>(pieces: impl Iterator<Item = Piece<'a>>, open: bool) -> Self {
        let part = |piece| match piece {
            Piece::One => Part::One,
            Piece::Text { text, range } => Part::Text { text: text.into(), range },
        };
        Self { segments: pieces.map(part).collect(), open }
    }

    /// The segments as they are meant, and whether more may follow.
    pub(crate) fn pieces(&self) -> (impl Iterator<Item = Piece<'_>>, bool) {
        (self.segments.iter().map(Part::piece), self.open)
    }

    /// The text of the first segment, if it is text.
    pub(crate) fn first(&self) -> Option<&str> {
        match self.segments.first() {
            Some(Part::Text { text, .. }) => Some(text),
            _ => None,
        }
    }

    /// The text of each segment; `None` where it is `*`.
    pub(crate) fn texts(&self) -> impl Iterator<Item = Option<&str>> {
        self.segments.iter().map(|part| match part {
            Part::One => None,
            Part::Text { text, .. } => Some(&**text),
        })
    }

    /// Whether the pattern reaches every path that `other` reaches. Where that depends on the
    /// protocol, the answer is no.
    pub(crate) fn includes(&self, other: &Self) -> bool {
        let long_enough = if self.open {
            self.segments.len() <= other.segments.len()
        } else {
            !other.open && self.segments.len() == other.segments.len()
        };
        // What follows an open pattern is met by wildcards.
        let wide = self.segments.iter().chain(std::iter::repeat(&Part::One));
        long_enough
            && wide.zip(&other.segments).all(|(wide, narrow)| {
                match (wide, narrow) {
                    (Part::One, Part::One) => true,
                    // A topic's first level that begins with $, and Modbus's broadcast, are not met.
                    (Part::One, Part::Text { text, range }) => {
                        !text.starts_with('$') && *range != Some(Range::ZERO)
                    }
                    (Part::Text { .. }, Part::One) => false,
                    (wide, narrow) => wide == narrow,
                }
            })
    }
}

impl Part {
    fn piece(&self) -> Piece<'_> {
        match self {
            Self::One => Piece::One,
            Self::Text { text, range } => Piece::Text { text: Cow::Borrowed(text), range: *range },
        }
    }

    fn shown(&self) -> Shown<'_> {
        match self {
            Self::One => Shown::One,
            Self::Text { text, range } => Shown::Text { text, range: *range },
        }
    }
}

/// One segment of a pattern, wherever it is kept.
#[derive(Clone, Copy)]
pub(crate) enum Shown<'a> {
    /// `*`
    One,
    /// Literal text, and what it means where a number is expected.
    Text { text: &'a str, range: Option<Range> },
    /// Literal text that is a range where a number is expected.
    Range(Range),
}

impl Shown<'_> {
    /// What it means where a number is expected.
    fn range(&self) -> Option<Range> {
        match self {
            Self::One => None,
            Self::Text { range, .. } => *range,
            Self::Range(range) => Some(*range),
        }
    }

    fn is_text(&self, asked: &str) -> bool {
        match self {
            Self::One => false,
            Self::Text { text, .. } => *text == asked,
            // Each range has one text.
            Self::Range(range) => Range::read(asked) == Some(*range),
        }
    }

    fn covers(&self, asked: &Segment, topic_root: bool) -> bool {
        match (self, asked) {
            (Self::One, Segment::Text(text)) => !(topic_root && text.starts_with('$')),
            (Self::One, Segment::Any | Segment::Range(..)) => true,
            // Unit 0 reaches every unit, so a rule must name it.
            (Self::One, Segment::Unit(unit)) => *unit != 0,
            (text, Segment::Text(asked)) => text.is_text(asked),
            (_, Segment::Any) => false,
            (text, Segment::Unit(0)) => text.range() == Some(Range::ZERO),
            (text, Segment::Unit(unit)) => {
                text.range().is_some_and(|range| range.contains((*unit).into(), (*unit).into()))
            }
            (text, Segment::Range(from, to)) => {
                text.range().is_some_and(|range| range.contains(*from, *to))
            }
        }
    }

    /// Whether it reaches any of what `asked` names.
    pub(crate) fn overlaps(&self, asked: &Segment, topic_root: bool) -> bool {
        match (self, asked) {
            (Self::Text { text, .. }, Segment::Any) => !(topic_root && text.starts_with('$')),
            (Self::Range(_), Segment::Any) | (_, Segment::Unit(0)) => true,
            (Self::Text { .. } | Self::Range(_), Segment::Range(from, to)) => {
                self.range().is_some_and(|range| range.meets(*from, *to))
            }
            // The rest are single values, or reached whole.
            (part, asked) => part.covers(asked, topic_root),
        }
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let pieces = Pieces::of(text)?;
        let open = pieces.open;
        let pieces = pieces.collect::<Result<Vec<_>, _>>()?;
        Ok(Self::of(pieces.into_iter(), open))
    }
}

/// One segment of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// `*`
    One,
    /// Literal text, and what it means where a number is expected.
    Text { text: Cow<'a, str>, range: Option<Range> },
}

/// The segments of a pattern's text, read one by one.
pub(crate) struct Pieces<'a> {
    rest: Option<&'a str>,
    /// Whether `**` follows them.
    pub(crate) open: bool,
}

impl<'a> Pieces<'a> {
    pub(crate) fn of(text: &'a str) -> Result<Self, PatternError> {
        if text.is_empty() || text.starts_with('/') {
            return Err(PatternError::Empty);
        }
        if text.len() > Path::LIMIT {
            return Err(PatternError::Length);
        }
        let (rest, open) = match (text, text.strip_suffix("/**")) {
            ("**", _) => (None, true),
            (_, Some(before)) => (Some(before), true),
            _ => (Some(text), false),
        };
        let slashes = rest.map_or(0, |rest| rest.bytes().filter(|byte| *byte == b'/').count());
        if slashes >= Path::SEGMENTS {
            return Err(PatternError::TooLong);
        }
        Ok(Self { rest, open })
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Result<Piece<'a>, PatternError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take()?;
        match rest.split_once('/') {
            None => Some(piece(rest)),
            Some((segment, more)) => {
                self.rest = Some(more);
                Some(piece(segment))
            }
        }
    }
}

fn piece(text: &str) -> Result<Piece<'_>, PatternError> {
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"*%,;|\"".contains(&byte);
    if text.bytes().all(plain) {
        let range = Range::read(text);
        if let Some(Range { first, last, .. }) = range.filter(|range| range.first > range.last) {
            return Err(PatternError::Backwards(first, last));
        }
        return Ok(Piece::Text { text: Cow::Borrowed(text), range });
    }
    match text {
        "*" => return Ok(Piece::One),
        "**" => return Err(PatternError::Inner),
        mixed if mixed.contains('*') => return Err(PatternError::Mixed(mixed.to_owned())),
        _ => {}
    }
    let bare = |c: &char| c.is_control() || c.is_whitespace() || matches!(c, ',' | ';' | '|' | '"');
    if let Some(c) = text.chars().find(bare) {
        return Err(PatternError::Bare(c));
    }
    // With an escape, or a letter beyond ASCII, it is no number.
    Ok(Piece::Text { text: Cow::Owned(unescape(text)?), range: None })
}

impl fmt::Display for Piece<'_> {
    /// The segment as a rule writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, is_number) = match self {
            Self::One => return f.write_str("*"),
            Self::Text { range: Some(range), .. } => return range.fmt(f),
            // Text that would read as a number is written so that it does not.
            Self::Text { text, range: None } => (text, Range::read(text).is_some()),
        };
        for (at, c) in text.char_indices() {
            let special = c.is_control() || c.is_whitespace() || "*%,;|\"/".contains(c);
            if special || (is_number && at == 0) {
                let mut bytes = [0; 4];
                for byte in c.encode_utf8(&mut bytes).bytes() {
                    write!(f, "%{byte:02X}")?;
                }
            } else {
                write!(f, "{c}")?;
            }
        }
        Ok(())
    }
}

fn number(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let zeros = text.len() > 1 && text.starts_with('0');
    if digits && !zeros { text.parse().ok() } else { None }
}

fn unescape(text: &str) -> Result<String, PatternError> {
    let wrong = || PatternError::Escape(text.to_owned());
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|b| char::from(b).to_digit(16));
        let (Some(high), Some(low)) = (digit(), digit()) else { return Err(wrong()) };
        out.push(u8::try_from(high << 4 | low).map_err(|_| wrong())?);
    }
    String::from_utf8(out).map_err(|_| wrong())
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

#[cfg(test)]
mod tests {
    use super::*;
    use doorward_model::{Action, Protocol};

    fn reach(pattern: &str, protocol: Protocol, action: Action, path: &str) -> (bool, bool) {
        let pattern: Pattern = pattern.parse().unwrap();
        let path = Path::parse(protocol, action, path).unwrap();
        (pattern.covers(&path), pattern.overlaps(&path))
    }

    const NO: (bool, bool) = (false, false);
    const PART: (bool, bool) = (false, true);
    const ALL: (bool, bool) = (true, true);

    #[test]
    fn text_is_reached_segment_by_segment() {
        for (pattern, path, expected) in [
            ("web", "web", ALL),
            ("web", "web/a", NO),
            ("web/**", "web", ALL),
            ("web/**", "web/a/b", ALL),
            ("**", "web", ALL),
            ("*", "web/a", NO),
            ("web/*", "web", NO),
            ("web/*", "web/a", ALL),
            ("web/*", "web/", ALL),
            ("web/a", "web/a/", NO),
            ("web/a/", "web/a/", ALL),
            ("web/*/b/**", "web/a/b", ALL),
            ("web/*/b/**", "web/a/c", NO),
            ("web/0-99", "web/7", NO),
            ("web/0-99", "web/0-99", ALL),
            ("web/a%2Ab%2C%20%25", "web/a*b, %", ALL),
            ("web/a*b".replace('*', "%2a").as_str(), "web/a*b", ALL),
        ] {
            assert_eq!(
                reach(pattern, Protocol::Http, Action::Get, path),
                expected,
                "{pattern} {path}"
            );
        }
    }

    #[test]
    fn numbers_are_covered_whole_and_overlapped_in_part() {
        for (pattern, path, expected) in [
            ("m/1/holding/0-99", "m/1/holding/7", ALL),
            ("m/1/holding/0-99", "m/1/holding/90-99", ALL),
            ("m/1/holding/0-99", "m/1/holding/90-100", PART),
            ("m/1/holding/0-99", "m/1/holding/100-110", NO),
            ("m/1/holding/0%2D99", "m/1/holding/7", NO),
            ("m/*/holding/*", "m/1/holding/0-65535", ALL),
            ("m/1-3/holding/*", "m/3/holding/1", ALL),
            ("m/1-3/holding/*", "m/4/holding/1", NO),
            ("m/*/coil/*", "m/1/holding/1", NO),
            // Broadcast: an allow rule must name unit 0, and every deny rule meets it.
            ("m/*/holding/*", "m/0/holding/1", PART),
            ("m/**", "m/0/holding/1", PART),
            ("m/0-9/holding/*", "m/0/holding/1", PART),
            ("m/5/holding/*", "m/0/holding/1", PART),
            ("m/0/holding/*", "m/0/holding/1", ALL),
            ("m/0-0/holding/*", "m/0/holding/1", PART),
            ("m/%30/holding/*", "m/0/holding/1", PART),
            ("m/0/holding/*", "m/5/holding/1", NO),
        ] {
            assert_eq!(
                reach(pattern, Protocol::Modbus, Action::Read, path),
                expected,
                "{pattern} {path}"
            );
        }
    }

    #[test]
    fn filters_are_covered_whole_and_overlapped_in_part() {
        for (pattern, path, expected) in [
            ("b/**", "b/#", ALL),
            ("b/*/**", "b/#", PART),
            ("b/a/**", "b/#", PART),
            ("b/a/**", "b/a/#", ALL),
            ("b/a/*/**", "b/a/#", PART),
            ("b/a", "b/a/#", PART),
            ("b/a/*", "b/a/+", ALL),
            ("b/a/x", "b/a/+", PART),
            ("b/secrets/**", "b/+/x", PART),
            ("b/secrets/**", "b/+", PART),
            ("b/secrets/*/**", "b/+", NO),
            ("b/a/b/c", "b/+/+", NO),
            // A wildcard at the first level does not meet a level that begins with $.
            ("b/**", "b/$SYS/x", NO),
            ("b/*/x", "b/$SYS/x", NO),
            ("b/$SYS/**", "b/#", NO),
            ("b/$SYS/**", "b/+/x", NO),
            ("b/$SYS/**", "b/$SYS/#", ALL),
            ("b/a/*", "b/a/$x", ALL),
            ("b/**", "b/$share/g/a/#", ALL),
        ] {
            assert_eq!(
                reach(pattern, Protocol::Mqtt, Action::Subscribe, path),
                expected,
                "{pattern} {path}"
            );
        }
    }

    #[test]
    fn a_pattern_is_written_as_it_reads() {
        for (text, written) in [
            ("web/**", "web/**"),
            ("**", "**"),
            ("m/*/holding/0-99", "m/*/holding/0-99"),
            ("m/0%2D99/7/7-7", "m/%30-99/7/7-7"),
            ("web//a/", "web//a/"),
            ("web/a%2ab%2C%20%25", "web/a%2Ab%2C%20%25"),
            ("web/%c3%a4/\u{e4}", "web/\u{e4}/\u{e4}"),
            ("web/%2F", "web/%2F"),
        ] {
            let pattern: Pattern = text.parse().unwrap();
            assert_eq!(pattern.to_string(), written, "{text}");
            assert_eq!(written.parse::<Pattern>().unwrap(), pattern, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_pattern() {
        use PatternError as E;
        for (text, why) in [
            ("", E::Empty),
            ("/a", E::Empty),
            ("**/a", E::Inner),
            ("a/**/b", E::Inner),
            ("a/b*", E::Mixed("b*".into())),
            ("a/***", E::Mixed("***".into())),
            ("a/b c", E::Bare(' ')),
            ("a/b|c", E::Bare('|')),
            ("a/b\"", E::Bare('"')),
            ("a/\u{1b}", E::Bare('\u{1b}')),
            ("a/%4", E::Escape("%4".into())),
            ("a/%zz", E::Escape("%zz".into())),
            ("a/%ff", E::Escape("%ff".into())),
            ("a/9-1", E::Backwards(9, 1)),
            (&"a".repeat(Path::LIMIT + 1), E::Length),
            (&"a/".repeat(Path::SEGMENTS), E::TooLong),
        ] {
            assert_eq!(text.parse::<Pattern>(), Err(why), "{text:?}");
        }
    }

    #[test]
    fn includes_says_no_where_a_wildcard_may_not_reach() {
        for (wide, narrow, includes) in [
            ("b/**", "b/x/**", true),
            ("**", "b/x", true),
            ("b/*", "b/x", true),
            ("b/x", "b/*", false),
            ("b/**", "b", true),
            ("b/*/c", "b/x/**", false),
            // A topic that begins with $, and Modbus's broadcast, must be named.
            ("b/**", "b/$SYS/**", false),
            ("**", "b/$SYS/x", false),
            ("m/**", "m/0/holding/*", false),
            ("m/*/holding/*", "m/0/holding/*", false),
            ("m/0/**", "m/0/holding/7", true),
        ] {
            let read = |text: &str| text.parse::<Pattern>().unwrap();
            assert_eq!(read(wide).includes(&read(narrow)), includes, "{wide} {narrow}");
        }
    }
}
