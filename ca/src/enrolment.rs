//! Codes, with which a subject gets its identity.
//!
//! A code is redeemed by one public key. The transaction that consumes a code also stores the
//! certificate, so a crash before the commit leaves the code unused. Until the code expires, the
//! same code with the same key returns the same certificate.

use std::time::Duration;

use doorward_model::{Fingerprint, Secret};
use jiff::Timestamp;
use thiserror::Error;

use crate::random::random;
use crate::x509::sha256;

/// How long a claim code is valid.
pub const CLAIM_LIFE: Duration = Duration::from_secs(3600);

/// The longest validity of a code.
pub const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// A code as it is stored, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeRow {
    /// The SHA-256 of the secret. The secret has 160 random bits, so no salt is needed.
    pub digest: Fingerprint,
    /// When the code expires.
    pub expires: Timestamp,
    /// The key that has redeemed the code, if one has.
    pub redeemed_by: Option<Fingerprint>,
    /// Whether the code was cancelled.
    pub cancelled: bool,
}

/// What a valid code allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeVerdict {
    /// A certificate may be issued, within the same transaction.
    Fresh,
    /// This key has redeemed the code before, so the same certificate is returned.
    Again,
}

/// Why a code is refused. The client is told only that it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CodeRefused {
    /// There is no such code.
    #[error("no such code")]
    Unknown,
    /// The code has expired.
    #[error("the code has expired")]
    Expired,
    /// Another key has redeemed the code.
    #[error("the code has been used")]
    Used,
    /// The code was cancelled, or its subject is gone or disabled.
    #[error("the code was cancelled")]
    Cancelled,
}

impl CodeRefused {
    /// Returns the word for audit records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown-code",
            Self::Expired => "expired-code",
            Self::Used => "used-code",
            Self::Cancelled => "cancelled-code",
        }
    }
}

/// Returns a new secret of 160 random bits.
///
/// # Errors
/// Fails when the system has no random bytes.
pub fn new_secret() -> Result<Secret, aws_lc_rs::error::Unspecified> {
    Ok(Secret::new(random::<20>()?.to_vec()))
}

/// Returns the digest by which a secret is looked up.
#[must_use]
pub fn digest_of(secret: &[u8]) -> Fingerprint {
    sha256(secret)
}

/// Returns what the code in `row` allows the holder of `key` at `now`.
///
/// # Errors
/// Fails when the code is refused.
pub fn judge(row: &CodeRow, key: Fingerprint, now: Timestamp) -> Result<CodeVerdict, CodeRefused> {
    if row.cancelled {
        return Err(CodeRefused::Cancelled);
    }
    if now >= row.expires {
        return Err(CodeRefused::Expired);
    }
    match row.redeemed_by {
        None => Ok(CodeVerdict::Fresh),
        Some(first) if first == key => Ok(CodeVerdict::Again),
        Some(_) => Err(CodeRefused::Used),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_one_keys_until_it_expires() {
        let (one, other) = (Fingerprint::new([1; 32]), Fingerprint::new([2; 32]));
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut row = CodeRow {
            digest: digest_of(b"secret"),
            expires: at(100),
            redeemed_by: None,
            cancelled: false,
        };
        assert_eq!(judge(&row, one, at(100)), Err(CodeRefused::Expired));
        assert_eq!(judge(&row, one, at(99)), Ok(CodeVerdict::Fresh));
        row.redeemed_by = Some(one);
        assert_eq!(judge(&row, other, at(99)), Err(CodeRefused::Used));
        assert_eq!(judge(&row, one, at(99)), Ok(CodeVerdict::Again));
        assert_eq!(judge(&row, one, at(100)), Err(CodeRefused::Expired));
        row.cancelled = true;
        assert_eq!(judge(&row, one, at(99)), Err(CodeRefused::Cancelled));
    }

    #[test]
    fn secrets_have_160_bits_and_differ() {
        let secrets: std::collections::HashSet<Vec<u8>> =
            (0..1000).map(|_| new_secret().unwrap().expose().to_vec()).collect();
        assert_eq!(secrets.len(), 1000);
        assert!(secrets.iter().all(|secret| secret.len() == 20));
    }
}
