//! Names of users, devices, interfaces, roles and groups.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

use crate::text::escape;

/// The name of a user, device, interface, role or group: `[a-z0-9]([a-z0-9-]{0,28}[a-z0-9])?`
/// without `--`.
///
/// Two names joined by `--` fit into one DNS label of 63 bytes, so every interface has a host name.
/// `gateway` and `xn` are reserved: `gateway` is the gateway itself, and `xn` would make a label
/// look like an internationalised name (`xn--…`, RFC 5890 section 2.3.1).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

impl Name {
    /// The longest name, in bytes.
    pub const LIMIT: usize = 30;

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the text without copying it.
    pub(crate) fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

/// Why a text is no [`Name`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// It is empty.
    #[error("a name is needed: a-z, 0-9 and single hyphens, at most 30 characters")]
    Empty,
    /// It is longer than [`Name::LIMIT`].
    #[error("the name has {0} characters; at most 30 fit")]
    TooLong(usize),
    /// It has a character that names cannot have.
    #[error("'{}' cannot be in a name; use a-z, 0-9 and single hyphens", escape(&.0.to_string()))]
    Character(char),
    /// It has a hyphen first, last or twice in a row.
    #[error("a hyphen may only stand alone between two letters or digits")]
    Hyphen,
    /// It is `gateway` or `xn`.
    #[error("'{0}' is reserved; choose another name")]
    Reserved(&'static str),
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        let length = text.chars().count();
        if length > Self::LIMIT {
            return Err(NameError::TooLong(length));
        }
        let stranger = |c: &char| !matches!(c, 'a'..='z' | '0'..='9' | '-');
        if let Some(c) = text.chars().find(stranger) {
            return Err(NameError::Character(c));
        }
        if text.starts_with('-') || text.ends_with('-') || text.contains("--") {
            return Err(NameError::Hyphen);
        }
        match text {
            "gateway" => Err(NameError::Reserved("gateway")),
            "xn" => Err(NameError::Reserved("xn")),
            _ => Ok(Self(text.into())),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

crate::serde_as_text!(Name);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_is_no_name() {
        for (text, why) in [
            ("", NameError::Empty),
            ("a".repeat(31).as_str(), NameError::TooLong(31)),
            ("Alice", NameError::Character('A')),
            ("a b", NameError::Character(' ')),
            ("a\u{202e}b", NameError::Character('\u{202e}')),
            ("a/b", NameError::Character('/')),
            ("-a", NameError::Hyphen),
            ("a-", NameError::Hyphen),
            ("a--b", NameError::Hyphen),
            ("gateway", NameError::Reserved("gateway")),
            ("xn", NameError::Reserved("xn")),
        ] {
            assert_eq!(text.parse::<Name>(), Err(why), "{text:?}");
        }
    }

    #[test]
    fn accepts_names() {
        for text in ["a", "7", "thermostat-7", "a-b-c", "a".repeat(30).as_str()] {
            assert_eq!(text.parse::<Name>().unwrap().as_str(), text);
        }
    }
}
