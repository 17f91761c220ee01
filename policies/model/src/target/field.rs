//! Names of HTTP fields that are forwarded although similar fields are not (`keep=`).

use std::fmt;

/// The longest name, in bytes.
const LONGEST: usize = 64;
/// The prefix of fields that only the gateway sends.
const OWN: &str = "doorward-";

/// The name of a field, in lower case. It is never one of the gateway's own (`Doorward-*`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FieldName(Box<str>);

impl FieldName {
    pub(super) fn of_word(word: &str) -> Option<Self> {
        // A token (RFC 9110 section 5.6.2), without the characters that have a meaning in the URL.
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!$'*+-.^_`~".contains(&byte);
        let name = word.to_ascii_lowercase();
        let sound = (1..=LONGEST).contains(&name.len()) && name.bytes().all(token);
        // CGI and similar interfaces read every other character as a hyphen.
        let folded = name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        (sound && !folded.starts_with(OWN)).then(|| Self(name.into()))
    }

    /// Returns the name in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
