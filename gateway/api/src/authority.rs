//! The authority's certificates.

use doorward_model::{Domain, Fingerprint};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The chain that the gateway issues from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorityView {
    /// The domain of the identities.
    pub domain: Domain,
    /// The trust anchor.
    pub root: AuthorityCertificate,
    /// Certificates between the anchor and the issuing one.
    pub intermediates: Vec<AuthorityCertificate>,
    /// The certificate whose key signs identities.
    pub issuing: AuthorityCertificate,
}

/// One certificate of the authority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorityCertificate {
    /// The common name.
    pub name: String,
    /// The SHA-256 of the certificate.
    pub fingerprint: Fingerprint,
    /// The SHA-256 of its public key.
    pub key: Fingerprint,
    /// When it begins.
    pub not_before: Timestamp,
    /// When it ends.
    pub not_after: Timestamp,
    /// The certificate, PEM.
    pub pem: String,
}
