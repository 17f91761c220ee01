//! Reads the text of a pattern segment by segment, and writes a segment as text.

use std::borrow::Cow;
use std::fmt;

use doorward_model::Path;

use super::error::PatternError;
use super::range::NumberRange;

/// One segment of a pattern, as the reader returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PatternPiece<'a> {
    /// `*`
    One,
    /// Literal text, and the range that it is where a number is expected.
    Text { text: Cow<'a, str>, range: Option<NumberRange> },
}

impl PatternPiece<'_> {
    /// Returns the segment that reaches exactly this text, or this number or range.
    pub(crate) fn text(text: String) -> Self {
        let range = NumberRange::read(&text);
        Self::Text { text: Cow::Owned(text), range }
    }
}

/// Reads the segments of a pattern's text.
pub(crate) struct PatternReader<'a> {
    rest: Option<&'a str>,
    /// Whether the pattern ends with `**`.
    pub(crate) open: bool,
}

impl<'a> PatternReader<'a> {
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

impl<'a> Iterator for PatternReader<'a> {
    type Item = Result<PatternPiece<'a>, PatternError>;

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

fn piece(text: &str) -> Result<PatternPiece<'_>, PatternError> {
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"*%,;|\"".contains(&byte);
    if text.bytes().all(plain) {
        let range = NumberRange::read(text);
        if let Some(NumberRange { first, last, .. }) =
            range.filter(|range| range.first > range.last)
        {
            return Err(PatternError::Backwards(first, last));
        }
        return Ok(PatternPiece::Text { text: Cow::Borrowed(text), range });
    }
    match text {
        "*" => return Ok(PatternPiece::One),
        "**" => return Err(PatternError::Inner),
        mixed if mixed.contains('*') => return Err(PatternError::Mixed(mixed.to_owned())),
        _ => {}
    }
    let bare = |c: &char| c.is_control() || c.is_whitespace() || matches!(c, ',' | ';' | '|' | '"');
    if let Some(c) = text.chars().find(bare) {
        return Err(PatternError::Bare(c));
    }
    // Text with an escape or a letter beyond ASCII is never a number.
    Ok(PatternPiece::Text { text: Cow::Owned(unescape(text)?), range: None })
}

impl fmt::Display for PatternPiece<'_> {
    /// Writes the segment as a rule does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, is_number) = match self {
            Self::One => return f.write_str("*"),
            Self::Text { range: Some(range), .. } => return range.fmt(f),
            // Text that could be read as a number is escaped, so that it is not.
            Self::Text { text, range: None } => (text, NumberRange::read(text).is_some()),
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
