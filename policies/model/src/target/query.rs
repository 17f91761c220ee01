//! Parameters of HTTP queries: which of them belong to what is asked about (`operand=`), and whose
//! values the audit log does not get (`mask=`).

use std::fmt;

/// The longest name, in bytes.
const LONGEST: usize = 64;

/// Characters that nobody escapes in a query.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._".contains(&byte)
}

/// Whether a text is a name of such characters, with a letter or a digit among them.
fn is_name(text: &str, of: impl Fn(u8) -> bool) -> bool {
    let named = text.bytes().any(|byte| byte.is_ascii_alphanumeric());
    named && text.len() <= LONGEST && text.bytes().all(of)
}

/// A part of a request that belongs to its operand besides the path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Operand(Box<str>);

impl Operand {
    pub(super) fn of_word(word: &str) -> Option<Self> {
        let key = word.strip_prefix("query:")?;
        is_name(key, is_plain).then(|| Self(key.into()))
    }

    /// The name of the query's parameter whose value is the operand's last segment, written
    /// `@KEY=VALUE`. It has letters, digits, `-`, `.` and `_` only.
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

/// The name of a parameter whose value is a secret, in small letters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SecretParameter(Box<str>);

impl SecretParameter {
    pub(super) fn of_word(word: &str) -> Option<Self> {
        let mark = |byte: u8| is_plain(byte) || b"~[]:$@!*()".contains(&byte);
        is_name(word, mark).then(|| Self(word.to_ascii_lowercase().into()))
    }

    /// The name as text, in small letters.
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
