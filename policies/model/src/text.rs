//! Text that is safe to display.

use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

/// Text for a terminal, a log line or an error message. Characters that could move the cursor,
/// start a line or change the reading direction are displayed as `\u{…}`.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(&'a str);

/// Displays `text` with dangerous characters escaped. See [`Escaped`].
#[must_use]
pub fn escape(text: &str) -> Escaped<'_> {
    Escaped(text)
}

/// Escapes the dangerous characters of each line of a text.
#[must_use]
pub fn escape_lines(text: &str) -> String {
    let lines: Vec<String> = text.trim_end().lines().map(|line| escape(line).to_string()).collect();
    lines.join("\n")
}

/// Returns `; did you mean X?` if `text` is similar to one of `known`, and otherwise nothing.
#[must_use]
pub fn did_you_mean<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(text, known).map_or_else(String::new, |one| format!("; did you mean {one}?"))
}

/// Returns which of `known` the text is most similar to, if it is similar to one.
#[must_use]
pub fn nearest<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let small = text.to_lowercase();
    let near = |one: &&str| {
        let distance = strsim::damerau_levenshtein(&small, one);
        // At most a third of the letters may differ, so that not all short words are similar.
        (distance * 3 <= one.chars().count()).then_some(distance)
    };
    let found = known.into_iter().filter_map(|one| near(&one).map(|distance| (distance, one)));
    found.min().map(|(_, one)| one)
}

/// Returns whether `text` can be displayed as it is. See [`Escaped`].
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

/// Returns whether a character is a control (C0, DEL, C1), a line or paragraph separator,
/// bidirectional or other invisible formatting, or a tag or private-use character that a font may
/// draw as anything.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}'
            | '\u{E000}'..='\u{F8FF}' | '\u{E0000}'..='\u{E0FFF}' | '\u{F0000}'..='\u{10FFFF}')
}

/// Text from a peer: at most [`PeerText::LIMIT`] bytes, raw in JSON and escaped for people.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PeerText(Box<str>);

impl PeerText {
    /// The most bytes of a peer's text that are kept.
    pub const LIMIT: usize = 256;

    /// Keeps the first [`PeerText::LIMIT`] bytes of `text`, cut between characters.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let end = text.floor_char_boundary(Self::LIMIT);
        Self(text.get(..end).unwrap_or_default().into())
    }

    /// Keeps the first bytes of a peer's message. Bytes that are not UTF-8 become U+FFFD.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let head = bytes.get(..Self::LIMIT).unwrap_or(bytes);
        Self::new(&String::from_utf8_lossy(head))
    }

    /// Returns the text as the peer sent it. Only for JSON and comparisons; people get `Display`.
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
