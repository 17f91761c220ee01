//! What people call a user or a device.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::text::is_printable;

/// What people call a user or a device, such as `John's phone`: it is shown beside the name, and
/// nothing is decided by it. It is printable UTF-8 without blanks at its ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Title(Box<str>);

/// Why a text is no [`Title`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "a title has 1 to {} bytes without control or invisible characters, and no blank at its ends",
    Title::LIMIT
)]
pub struct NotATitle;

impl Title {
    /// The longest title, in bytes.
    pub const LIMIT: usize = 128;
}

impl FromStr for Title {
    type Err = NotATitle;

    fn from_str(text: &str) -> Result<Self, NotATitle> {
        let fits = !text.is_empty() && text.len() <= Self::LIMIT && text.trim() == text;
        if fits && is_printable(text) { Ok(Self(text.into())) } else { Err(NotATitle) }
    }
}

impl fmt::Display for Title {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

crate::serde_as_text!(Title);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_printable_text_of_bounded_length() {
        let long = "é".repeat(64);
        for text in ["", " ", " a", "a\n", "a\tb", "\u{1b}[31m", "a\u{202e}b", &format!("{long}x")]
        {
            assert_eq!(text.parse::<Title>(), Err(NotATitle), "{text:?}");
        }
        for text in ["John's phone", "Kühlraum 2, \"links\"", "温度", &long] {
            assert_eq!(text.parse::<Title>().unwrap().to_string(), text);
        }
    }
}
