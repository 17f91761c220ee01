//! Certificates before and after they are signed.

use doorward_model::{CertificateId, Fingerprint, Serial, SpiffeId, Subject};
use jiff::Timestamp;
use rcgen::CertificateParams;
use thiserror::Error;

use crate::lint::LintError;
use crate::ports::KeyError;

/// A certificate that is ready to be signed: built, signed by a throwaway key, parsed and linted.
/// [`Authority::redeem`](crate::Authority::redeem) consumes it.
#[must_use]
pub struct Prepared {
    pub(crate) params: CertificateParams,
    /// The linted bytes, which the real signature must cover.
    pub(crate) tbs: Vec<u8>,
    pub(crate) spki: Vec<u8>,
    pub(crate) facts: LeafFacts,
}

#[derive(Clone)]
pub(crate) struct LeafFacts {
    pub(crate) id: CertificateId,
    pub(crate) name: SpiffeId,
    pub(crate) key: Fingerprint,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
}

impl Prepared {
    /// Returns the certificate's id, which the audit log records before the signature.
    #[must_use]
    pub fn id(&self) -> &CertificateId {
        &self.facts.id
    }

    /// Returns the subject that the certificate will identify.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        self.facts.name.subject()
    }

    /// Returns the SHA-256 of the SubjectPublicKeyInfo that it will certify.
    #[must_use]
    pub fn key(&self) -> Fingerprint {
        self.facts.key
    }
}

/// A signed certificate. It identifies its subject only once its row is stored.
#[must_use]
pub struct Issued {
    pub(crate) der: Vec<u8>,
    pub(crate) facts: LeafFacts,
}

impl Issued {
    /// Returns the certificate, DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Returns the certificate's id.
    #[must_use]
    pub fn id(&self) -> &CertificateId {
        &self.facts.id
    }

    /// Returns the serial number.
    #[must_use]
    pub fn serial(&self) -> &Serial {
        &self.facts.id.serial
    }

    /// Returns the subject that the certificate identifies.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        self.facts.name.subject()
    }

    /// Returns the SHA-256 of its SubjectPublicKeyInfo.
    #[must_use]
    pub fn key(&self) -> Fingerprint {
        self.facts.key
    }

    /// Returns the first instant of its validity.
    #[must_use]
    pub fn not_before(&self) -> Timestamp {
        self.facts.not_before
    }

    /// Returns the last instant of its validity.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.facts.not_after
    }
}

/// Why a certificate was not issued.
#[derive(Debug, Error)]
pub enum IssueError {
    /// The issuing authority ends too soon. The operator can correct it.
    #[error("the issuing authority ends at {0}; rotate it before issuing more")]
    AuthorityEnds(Timestamp),
    /// A certificate cannot contain this host name. The operator can correct it.
    #[error("a certificate cannot contain the name '{0}'")]
    Name(String),
    /// The built certificate is not as intended. The fault of this program.
    #[error(transparent)]
    Lint(#[from] LintError),
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The certificate could not be built. The fault of this program.
    #[error("the certificate cannot be built: {0}")]
    Build(#[from] rcgen::Error),
}
