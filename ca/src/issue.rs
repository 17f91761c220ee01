//! Builds certificates and checks them before they are signed.

use doorward_model::{CertificateId, Fingerprint, Serial, SpiffeId, Subject};
use jiff::Timestamp;
use rcgen::CertificateParams;
use thiserror::Error;

use crate::lint::LintError;
use crate::ports::KeyError;

/// A certificate that is ready to be signed: built, signed by a throwaway key, read back and
/// found right. Spent by [`Authority::redeem`](crate::Authority::redeem), once.
#[must_use]
pub struct Prepared {
    pub(crate) params: CertificateParams,
    /// The bytes that were linted; the real signature must cover the same.
    pub(crate) tbs: Vec<u8>,
    pub(crate) spki: Vec<u8>,
    pub(crate) facts: Facts,
}

#[derive(Clone)]
pub(crate) struct Facts {
    pub(crate) id: CertificateId,
    pub(crate) name: SpiffeId,
    pub(crate) key: Fingerprint,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
}

impl Prepared {
    /// Which certificate it will be: what the log says before the signature is made.
    #[must_use]
    pub fn id(&self) -> &CertificateId {
        &self.facts.id
    }

    /// Whom it will identify.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        self.facts.name.subject()
    }

    /// Whose key it will certify: SHA-256 of the SubjectPublicKeyInfo.
    #[must_use]
    pub fn key(&self) -> Fingerprint {
        self.facts.key
    }
}

/// A signed certificate, not yet anyone's: it identifies its subject once its row is stored.
#[must_use]
pub struct Issued {
    pub(crate) der: Vec<u8>,
    pub(crate) facts: Facts,
}

impl Issued {
    /// The certificate, DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Which certificate it is.
    #[must_use]
    pub fn id(&self) -> &CertificateId {
        &self.facts.id
    }

    /// Its serial number.
    #[must_use]
    pub fn serial(&self) -> &Serial {
        &self.facts.id.serial
    }

    /// Whom it identifies.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        self.facts.name.subject()
    }

    /// SHA-256 of its SubjectPublicKeyInfo.
    #[must_use]
    pub fn key(&self) -> Fingerprint {
        self.facts.key
    }

    /// From when it is valid, included.
    #[must_use]
    pub fn not_before(&self) -> Timestamp {
        self.facts.not_before
    }

    /// Until when it is valid, included.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.facts.not_after
    }
}

/// Why a certificate was not issued.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IssueError {
    /// The issuing authority ends too soon. The operator's to mend.
    #[error("the issuing authority ends at {0}; rotate it before issuing more")]
    AuthorityEnds(Timestamp),
    /// A host name that no certificate can carry. The operator's to mend.
    #[error("'{0}' cannot stand in a certificate")]
    Name(String),
    /// What was built is not what was meant. Ours.
    #[error(transparent)]
    Lint(#[from] LintError),
    /// The key refused.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The certificate could not be built. Ours.
    #[error("the certificate cannot be built: {0}")]
    Build(#[from] rcgen::Error),
}
