//! Parameters of HTTP queries: which of them belong to what is asked about (`operand=`), and whose
//! values the audit log does not get (`mask=`).

use std::fmt;

/// The longest name, in bytes.
const LONGEST: usize = 64;

/// Characters that need no escape in a URL (RFC 3986 section 2.3).
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// A part of a request that belongs to its operand besides the path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Operand(Box<str>);

impl Operand {
    pub(super) fn of_word(word: &str) -> Option<Self> {
        let key = word.strip_prefix("query:")?;
        let sound = (1..=LONGEST).contains(&key.len()) && key.bytes().all(is_unreserved);
        sound.then(|| Self(key.into()))
    }

    /// The name of the query's parameter whose value is the operand's last segment, written
    /// `@KEY=VALUE`. It has letters, digits, `-`, `.`, `_` and `~` only.
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
        let plain = |byte: u8| is_unreserved(byte) || b"[]:$@!*()".contains(&byte);
        let sound = (1..=LONGEST).contains(&word.len()) && word.bytes().all(plain);
        sound.then(|| Self(word.to_ascii_lowercase().into()))
    }

    /// Whether `name` is this name, in capitals or small letters.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.0.eq_ignore_ascii_case(name)
    }
}

impl fmt::Display for SecretParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
