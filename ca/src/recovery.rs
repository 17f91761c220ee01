//! The way back for whoever has slept past the end of its certificate: its key is still its own.

use std::time::Duration;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256,
    UnparsedPublicKey, VerificationAlgorithm,
};
use doorward_model::Serial;
use jiff::{SignedDuration, Timestamp};
use thiserror::Error;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use crate::csr::VerifiedCsr;
use crate::ports::Algorithm;

/// An expired certificate that is shown, with a proof that its key is held.
#[derive(Clone, Debug)]
pub struct Shown {
    der: Vec<u8>,
    serial: Serial,
    key: Vec<u8>,
    algorithm: Algorithm,
}

/// Why a recovery is refused. The peer's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecoveryError {
    /// It is no certificate of a kind that was ever issued.
    #[error("not a certificate with a key that can sign")]
    Malformed,
    /// The key did not sign for this connection and this request.
    #[error("the key of the certificate did not sign this")]
    NotSigned,
    /// It is not this certificate that was issued, or it was revoked.
    #[error("no such certificate")]
    Unknown,
    /// It ended longer ago than one may sleep.
    #[error("it ended too long ago")]
    TooLate,
}

impl RecoveryError {
    /// The word under which it is counted.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "recovery-malformed",
            Self::NotSigned => "recovery-not-signed",
            Self::Unknown => "recovery-unknown",
            Self::TooLate => "recovery-too-late",
        }
    }
}

impl Shown {
    /// Reads a leaf, PEM.
    ///
    /// # Errors
    /// When it is none with a key that can sign.
    pub fn read(text: &str) -> Result<Self, RecoveryError> {
        let wrong = RecoveryError::Malformed;
        if text.len() > VerifiedCsr::LIMIT {
            return Err(wrong);
        }
        let der = pem::parse(text).map_err(|_| wrong)?.into_contents();
        let Ok(([], certificate)) = X509Certificate::from_der(&der) else { return Err(wrong) };
        let spki = certificate.public_key();
        let algorithm = crate::csr::algorithm(spki).ok_or(wrong)?;
        let key = spki.subject_public_key.data.to_vec();
        let serial = Serial::new(certificate.raw_serial()).ok_or(wrong)?;
        Ok(Self { serial, key, algorithm, der: der.clone() })
    }

    /// Its serial number.
    #[must_use]
    pub fn serial(&self) -> &Serial {
        &self.serial
    }

    /// It itself, DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Whether its key signed for this connection, by what was exported from it, and for the
    /// new key: `exported`, then the SHA-256 of the new key's SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// When it did not.
    pub fn verify(
        &self,
        exported: &[u8; 32],
        csr: &VerifiedCsr,
        signature: &[u8],
    ) -> Result<(), RecoveryError> {
        let message = [exported.as_slice(), csr.key().as_bytes()].concat();
        let algorithm: &'static dyn VerificationAlgorithm = match self.algorithm {
            Algorithm::P256 => &ECDSA_P256_SHA256_ASN1,
            Algorithm::P384 => &ECDSA_P384_SHA384_ASN1,
            Algorithm::Ed25519 => &ED25519,
            Algorithm::Rsa => &RSA_PKCS1_2048_8192_SHA256,
        };
        let key = UnparsedPublicKey::new(algorithm, &self.key);
        key.verify(&message, signature).map_err(|_| RecoveryError::NotSigned)
    }
}

/// Whether whoever's certificate ended at `not_after` may still come back at `now`.
///
/// # Errors
/// When it ended more than `within` ago.
pub fn in_time(
    not_after: Timestamp,
    within: Duration,
    now: Timestamp,
) -> Result<(), RecoveryError> {
    let within = SignedDuration::try_from(within).unwrap_or(SignedDuration::MAX);
    match not_after.checked_add(within) {
        Ok(last) if now > last => Err(RecoveryError::TooLate),
        _ => Ok(()),
    }
}
