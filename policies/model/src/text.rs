//! Text that is safe to show.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

/// Text for a terminal, a log line or an error message: characters that could move a cursor,
/// start a line or turn the reading direction are shown as `\u{…}`.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(&'a str);

/// Shows `text` with its dangerous characters escaped. See [`Escaped`].
#[must_use]
pub fn escape(text: &str) -> Escaped<'_> {
    Escaped(text)
}

/// The same for a text of several lines: each is shown with its dangerous characters escaped.
#[must_use]
pub fn escape_lines(text: &str) -> String {
    let lines: Vec<String> = text.trim_end().lines().map(|line| escape(line).to_string()).collect();
    lines.join("\n")
}

/// `; did you mean X?`, if one of `known` is what `text` may have been meant to be; else nothing.
#[must_use]
pub fn did_you_mean<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let small = text.to_lowercase();
    let near = |one: &&str| {
        let distance = strsim::damerau_levenshtein(&small, one);
        // A third of the letters may be wrong, so that short words are not all alike.
        (distance * 3 <= one.chars().count()).then_some(distance)
    };
    let found = known.into_iter().filter_map(|one| near(&one).map(|distance| (distance, one)));
    match found.min() {
        Some((_, one)) => format!("; did you mean {one}?"),
        None => String::new(),
    }
}

/// Whether `text` can be shown as it is: nothing in it is dangerous. See [`Escaped`].
#[must_use]
pub fn is_printable(text: &str) -> bool {
    !text.chars().any(is_unprintable)
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if c == '\\' {
                f.write_str("\\\\")?;
            } else if is_unprintable(c) {
                write!(f, "{}", c.escape_unicode())?;
            } else {
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}

/// Controls (C0, DEL, C1), line and paragraph separators, bidirectional and other invisible
/// formatting, and the tag and private-use characters that a font may draw as anything.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}'
            | '\u{E000}'..='\u{F8FF}' | '\u{E0000}'..='\u{E0FFF}' | '\u{F0000}'..='\u{10FFFF}')
}

/// What a peer said, as it is kept: at most [`PeerText::LIMIT`] bytes, raw in JSON, escaped
/// wherever a person may read it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PeerText(Box<str>);

impl PeerText {
    /// How many bytes of a peer's text are kept.
    pub const LIMIT: usize = 256;

    /// Keeps the first [`PeerText::LIMIT`] bytes of `text`, cut between characters.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let end = text.floor_char_boundary(Self::LIMIT);
        Self(text.get(..end).unwrap_or_default().into())
    }

    /// Keeps the first bytes of a peer's message; bytes that are not UTF-8 become U+FFFD.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let head = bytes.get(..Self::LIMIT).unwrap_or(bytes);
        Self::new(&String::from_utf8_lossy(head))
    }

    /// The text as the peer sent it. Only for JSON and comparisons; people get `Display`.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PeerText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escape(&self.0).fmt(f)
    }
}

impl fmt::Debug for PeerText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_shown_harmless() {
        let shown = escape("a\x1b[31m\r\nb\u{202e}c\u{85}\\").to_string();
        assert_eq!(shown, "a\\u{1b}[31m\\u{d}\\u{a}b\\u{202e}c\\u{85}\\\\");
        assert_eq!(escape("Grüße 温度").to_string(), "Grüße 温度");
    }

    #[test]
    fn kept_text_is_bounded_between_characters() {
        let long = "é".repeat(200);
        let kept = PeerText::new(&long);
        assert_eq!(kept.raw().len(), 256);
        assert_eq!(PeerText::new(&format!("x{long}")).raw().len(), 255);
        assert_eq!(PeerText::from_bytes(&[0xff, b'a']).raw(), "\u{fffd}a");
    }
}
