//! Codes for enrolment and claim, which people copy.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::certificate::Fingerprint;
use crate::secret::Secret;

/// What a [`Code`] is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// It gives the owner's identity.
    Claim,
    /// It gives the identity of a device or a person.
    Enrol,
}

/// A single-use code: everything that a device or a person needs to get an identity.
///
/// `dw1.<method>.<expiry>.<fingerprint>.<url>.<secret>.<check>`: expiry is in seconds since 1970;
/// fingerprint (SHA-256 of the gateway's trust anchor), URL and secret are base64url without
/// padding; check is the CRC-32 of everything before it, in hexadecimal. The check catches typing
/// errors; the secret keeps strangers out.
#[derive(Clone)]
pub struct Code {
    /// What it is for.
    pub method: Method,
    /// When it expires.
    pub expires: Timestamp,
    /// SHA-256 of the DER certificate that the gateway's chain must lead to.
    pub anchor: Fingerprint,
    /// The gateway, as `https://HOST:PORT`.
    pub url: String,
    /// At least 128 random bits.
    pub secret: Secret,
}

/// Why a text is no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CodeError {
    /// It does not begin with `dw1.`.
    #[error("a code begins with dw1.")]
    Prefix,
    /// It has too few or too many parts, is too long, or its check does not match.
    #[error("the code is incomplete or mistyped; copy the whole line")]
    Damaged,
}

impl Code {
    const PREFIX: &str = "dw1.";
    /// The longest code, in bytes.
    pub const LIMIT: usize = 1024;
    /// The shortest secret, in bytes: 128 bits.
    pub const SECRET: usize = 16;

    /// Returns the code as one string. Anyone who reads it can enrol, so it must go only to its
    /// owner.
    #[must_use]
    pub fn reveal(&self) -> String {
        let method = match self.method {
            Method::Claim => "claim",
            Method::Enrol => "enrol",
        };
        let body = format!(
            "{}{method}.{}.{}.{}.{}",
            Self::PREFIX,
            self.expires.as_second(),
            URL_SAFE_NO_PAD.encode(self.anchor.as_bytes()),
            URL_SAFE_NO_PAD.encode(&self.url),
            URL_SAFE_NO_PAD.encode(self.secret.expose()),
        );
        let check = crc32fast::hash(body.as_bytes());
        format!("{body}.{check:08x}")
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({:?} {} ***)", self.method, self.expires)
    }
}

impl FromStr for Code {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        let rest = text.strip_prefix(Self::PREFIX).ok_or(CodeError::Prefix)?;
        if text.len() > Self::LIMIT {
            return Err(CodeError::Damaged);
        }
        let parts: Vec<&str> = rest.split('.').collect();
        let &[method, expires, anchor, url, secret, check] = parts.as_slice() else {
            return Err(CodeError::Damaged);
        };
        let body = text.get(..text.len() - check.len() - 1).ok_or(CodeError::Damaged)?;
        if format!("{:08x}", crc32fast::hash(body.as_bytes())) != check {
            return Err(CodeError::Damaged);
        }
        let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| CodeError::Damaged);
        let expires = expires.parse().map_err(|_| CodeError::Damaged)?;
        let anchor: [u8; 32] = bytes(anchor)?.try_into().map_err(|_| CodeError::Damaged)?;
        let secret = bytes(secret)?;
        if secret.len() < Self::SECRET {
            return Err(CodeError::Damaged);
        }
        Ok(Self {
            method: match method {
                "claim" => Method::Claim,
                "enrol" => Method::Enrol,
                _ => return Err(CodeError::Damaged),
            },
            expires: Timestamp::from_second(expires).map_err(|_| CodeError::Damaged)?,
            anchor: Fingerprint::new(anchor),
            url: String::from_utf8(bytes(url)?).map_err(|_| CodeError::Damaged)?,
            secret: Secret::new(secret),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code() -> Code {
        Code {
            method: Method::Enrol,
            expires: Timestamp::from_second(1_800_000_000).unwrap(),
            anchor: Fingerprint::new([7; 32]),
            url: "https://10.0.0.1:8443".to_owned(),
            secret: Secret::new(vec![9; 20]),
        }
    }

    #[test]
    fn a_code_reads_back() {
        let text = code().reveal();
        let read: Code = text.parse().unwrap();
        assert_eq!(read.url, "https://10.0.0.1:8443");
        assert_eq!(read.secret.expose(), [9; 20]);
        assert_eq!(read.reveal(), text);
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)));
    }

    #[test]
    fn a_truncated_or_altered_code_is_refused() {
        let text = code().reveal();
        for end in 0..text.len() {
            assert!(text.get(..end).unwrap().parse::<Code>().is_err(), "{end}");
        }
        for at in 0..text.len() {
            let mut altered = text.clone().into_bytes();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).unwrap();
            assert!(altered.parse::<Code>().is_err(), "{altered}");
        }
        assert!(format!("{text} ").parse::<Code>().is_err());
    }

    #[test]
    fn a_code_does_not_print_its_secret() {
        assert!(format!("{:?}", code()).contains("***"));
        assert_eq!(code().secret.to_string(), "***");
    }
}
