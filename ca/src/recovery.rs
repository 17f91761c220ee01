//! Recovery: a device whose certificate has expired gets a new one by proving possession of its
//! key.

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

/// An expired certificate that a client sends to recover its identity.
#[derive(Clone, Debug)]
pub struct ExpiredCertificate {
    der: Vec<u8>,
    serial: Serial,
    key: Vec<u8>,
    algorithm: Algorithm,
}

/// Why a recovery is refused. The peer is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RecoveryError {
    /// The text is not a certificate with an accepted kind of key.
    #[error("not a certificate with a key that can sign")]
    Malformed,
    /// The certificate's key did not sign for this connection and this request.
    #[error("the key of the certificate did not sign this")]
    NotSigned,
    /// This certificate was not issued, or it was revoked.
    #[error("no such certificate")]
    Unknown,
    /// The certificate ended too long ago.
    #[error("it ended too long ago")]
    TooLate,
}

impl RecoveryError {
    /// Returns the word by which refusals are counted.
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

impl ExpiredCertificate {
    /// Parses a leaf in PEM.
    ///
    /// # Errors
    /// Fails when it is not a certificate with an accepted kind of key.
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

    /// Returns the serial number.
    #[must_use]
    pub fn serial(&self) -> &Serial {
        &self.serial
    }

    /// Returns the certificate, DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Verifies the proof of possession: the certificate's key must have signed `exported`, which
    /// comes from this connection, and the SHA-256 of the new key's SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// Fails when the signature does not verify.
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

/// Checks whether a certificate that ended at `not_after` may still be recovered at `now`.
///
/// # Errors
/// Fails when it ended more than `within` ago.
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
