//! Parameters of HTTP queries: those that are decided (`operand=`), and those whose values the
//! audit log leaves out (`mask=`).

use std::fmt;

/// The longest name, in bytes.
const LONGEST: usize = 64;

/// Returns whether no program escapes this character in a query.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._".contains(&byte)
}

/// Returns whether a text is a name of such characters, with a letter or digit among them.
fn is_name(text: &str, of: impl Fn(u8) -> bool) -> bool {
    let named = text.bytes().any(|byte| byte.is_ascii_alphanumeric());
    named && text.len() <= LONGEST && text.bytes().all(of)
}

/// A parameter of the query that is decided with the path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Operand(Box<str>);

impl Operand {
    pub(super) fn of_word(word: &str) -> Option<Self> {
        let key = word.strip_prefix("query:")?;
        is_name(key, is_plain).then(|| Self(key.into()))
    }

    /// Returns the parameter's name, of letters, digits, `-`, `.` and `_`. Its value is the last
    /// segment of the operand, written `@KEY=VALUE`.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "query:{}", self.0)
    }
}

/// The name of a parameter with a secret value, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SecretParameter(Box<str>);

impl SecretParameter {
    pub(super) fn of_word(word: &str) -> Option<Self> {
        let mark = |byte: u8| is_plain(byte) || b"~[]:$@!*()".contains(&byte);
        is_name(word, mark).then(|| Self(word.to_ascii_lowercase().into()))
    }

    /// Returns the name in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SecretParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
