//! SPIFFE IDs of a gateway.

use std::fmt;

use thiserror::Error;

use crate::domain::Domain;
use crate::subject::Subject;

/// A SPIFFE ID of this gateway's grammar: `spiffe://<trust-domain>/<kind>/<name>`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SpiffeId {
    domain: Domain,
    subject: Subject,
}

/// Why a URI is no identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SpiffeError {
    /// It does not begin with `spiffe://`, is too long, or has a byte that a SPIFFE ID cannot have.
    #[error("not a SPIFFE ID")]
    Syntax,
    /// The trust domain is no domain, or not the expected one.
    #[error("a foreign trust domain")]
    TrustDomain,
    /// The path is not `/<kind>/<name>`.
    #[error("the path names no subject")]
    Subject,
}

impl SpiffeId {
    /// Returns the ID of `subject` under `domain`.
    #[must_use]
    pub fn new(domain: Domain, subject: Subject) -> Self {
        Self { domain, subject }
    }

    /// Reads `uri`, which must be an ID of `domain`, byte for byte: no other case, no
    /// percent-encoding, no port, user, query or fragment (SPIFFE-ID section 2).
    ///
    /// # Errors
    /// When the URI is anything else.
    pub fn parse(uri: &str, domain: &Domain) -> Result<Self, SpiffeError> {
        if uri.len() > 2048 || !uri.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(SpiffeError::Syntax);
        }
        let rest = uri.strip_prefix("spiffe://").ok_or(SpiffeError::Syntax)?;
        let (trust_domain, path) = rest.split_once('/').ok_or(SpiffeError::Subject)?;
        if trust_domain != domain.as_str() {
            return Err(SpiffeError::TrustDomain);
        }
        let subject = path.parse().map_err(|_| SpiffeError::Subject)?;
        Ok(Self { domain: domain.clone(), subject })
    }

    /// Returns the subject that the ID names.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spiffe://{}/{}", self.domain, self.subject)
    }
}

impl fmt::Debug for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_form_is_an_identity() {
        let domain: Domain = "doorward.home.arpa".parse().unwrap();
        let id = SpiffeId::parse("spiffe://doorward.home.arpa/user/alice", &domain).unwrap();
        assert_eq!(id.subject().to_string(), "user/alice");
        assert_eq!(id.to_string(), "spiffe://doorward.home.arpa/user/alice");
        for (uri, why) in [
            ("https://doorward.home.arpa/user/alice", SpiffeError::Syntax),
            ("SPIFFE://doorward.home.arpa/user/alice", SpiffeError::Syntax),
            ("spiffe://doorward.home.arpa/user/al\0ice", SpiffeError::Syntax),
            ("spiffe://doorward.home.arpa/user/alice\r\n", SpiffeError::Syntax),
            ("spiffe://doorward.home.arpa", SpiffeError::Subject),
            ("spiffe://other.home.arpa/user/alice", SpiffeError::TrustDomain),
            ("spiffe://Doorward.home.arpa/user/alice", SpiffeError::TrustDomain),
            ("spiffe://doorward.home.arpa:1/user/alice", SpiffeError::TrustDomain),
            ("spiffe://a@doorward.home.arpa/user/alice", SpiffeError::TrustDomain),
            ("spiffe://doorward.home.arpa//user/alice", SpiffeError::Subject),
            ("spiffe://doorward.home.arpa/user/alice/", SpiffeError::Subject),
            ("spiffe://doorward.home.arpa/user/../alice", SpiffeError::Subject),
            ("spiffe://doorward.home.arpa/user/%61lice", SpiffeError::Subject),
            ("spiffe://doorward.home.arpa/user/alice?x", SpiffeError::Subject),
            ("spiffe://doorward.home.arpa/role/owner", SpiffeError::Subject),
        ] {
            assert_eq!(SpiffeId::parse(uri, &domain), Err(why), "{uri:?}");
        }
    }
}
