//! Finds the subject of a verified certificate.

use doorward_model::{
    CertificateId, Domain, Fingerprint, Serial, SpiffeError, SpiffeId, Subject, SubjectId,
};
use doorward_policies::{Proof, Snapshot};
use jiff::Timestamp;
use thiserror::Error;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer as _;

use crate::trust::{Anchor, key_fingerprint};

/// Why a certificate whose chain verifies identifies nobody.
///
/// A TLS library validates chains, not identities. It accepts a certificate with two names, one
/// with none, and an authority's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum IdentityError {
    /// The bytes are not exactly one certificate.
    #[error("the certificate cannot be read")]
    Malformed,
    /// The certificate says CA:TRUE, or has a path length.
    #[error("an authority's certificate identifies nobody")]
    Authority,
    /// The certificate has not exactly one URI name.
    #[error("{0} URI names where there must be one")]
    Names(usize),
    /// The URI is not an identity of this gateway.
    #[error("the certificate's name is {0}")]
    Name(#[from] SpiffeError),
    /// The key usage or extended key usage does not allow client authentication.
    #[error("the certificate does not allow client authentication")]
    Usage,
    /// An extension occurs twice.
    #[error("an extension occurs twice in the certificate")]
    Repeated,
    /// No authority of this gateway issued it.
    #[error("another authority issued the certificate")]
    Issuer,
    /// There is no issuance row, or the row has another key.
    #[error("this gateway did not issue the certificate")]
    NotIssued,
    /// The certificate is revoked, expired or not valid yet.
    #[error("the certificate is revoked, expired or not valid yet")]
    NotLive,
    /// The subject was removed, or its name now belongs to another subject.
    #[error("the certificate's subject was removed")]
    Gone,
    /// The subject is disabled.
    #[error("the certificate's subject is disabled")]
    Disabled,
}

impl IdentityError {
    /// Returns the word under which the refusal is counted.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "certificate-malformed",
            Self::Authority => "certificate-of-authority",
            Self::Names(_) => "certificate-names",
            Self::Name(_) => "certificate-name",
            Self::Usage => "certificate-usage",
            Self::Repeated => "certificate-repeated-extension",
            Self::Issuer => "certificate-issuer",
            Self::NotIssued => "certificate-not-issued",
            Self::NotLive => "certificate-not-live",
            Self::Gone => "subject-gone",
            Self::Disabled => "subject-disabled",
        }
    }
}

/// An identity that was proven, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VerifiedIdentity {
    pub(crate) subject: Subject,
    pub(crate) id: SubjectId,
    pub(crate) proof: Proof,
    pub(crate) not_after: Timestamp,
}

/// The fields of a leaf, strictly read (X509-SVID sections 2 to 5).
#[derive(Debug, PartialEq, Eq)]
struct Leaf {
    name: SpiffeId,
    serial: Serial,
    key: Fingerprint,
    issuer_name: Vec<u8>,
    issuer_key_id: Vec<u8>,
}

/// Finds the one subject that the leaf of a verified chain identifies at `now`.
pub(crate) fn identify(
    leaf: &[u8],
    anchors: &[Anchor],
    snapshot: &Snapshot,
    now: Timestamp,
) -> Result<VerifiedIdentity, IdentityError> {
    let leaf = read(leaf, snapshot.domain())?;
    let issuer = anchors
        .iter()
        .find(|anchor| anchor.key_id == leaf.issuer_key_id && anchor.name == leaf.issuer_name)
        .ok_or(IdentityError::Issuer)?;
    let certificate = CertificateId { issuer: issuer.key, serial: leaf.serial };
    let row = snapshot.certificate(&certificate).ok_or(IdentityError::NotIssued)?;
    if row.key != leaf.key {
        return Err(IdentityError::NotIssued);
    }
    if now < row.not_before || now > row.not_after {
        return Err(IdentityError::NotLive);
    }
    let member = snapshot.member(leaf.name.subject()).ok_or(IdentityError::Gone)?;
    if member.id != row.subject {
        return Err(IdentityError::Gone);
    }
    if !member.enabled {
        return Err(IdentityError::Disabled);
    }
    Ok(VerifiedIdentity {
        subject: leaf.name.subject().clone(),
        id: row.subject,
        proof: certificate.into(),
        not_after: row.not_after,
    })
}

fn read(der: &[u8], domain: &Domain) -> Result<Leaf, IdentityError> {
    let Ok(([], certificate)) = X509Certificate::from_der(der) else {
        return Err(IdentityError::Malformed);
    };
    let (mut uris, mut key_id, mut constraints) = (vec![], None, false);
    let (mut signs, mut client) = (false, false);
    let mut seen = std::collections::BTreeSet::new();
    for extension in certificate.extensions() {
        if !seen.insert(extension.oid.to_id_string()) {
            return Err(IdentityError::Repeated);
        }
        #[expect(clippy::wildcard_enum_match_arm, reason = "no other extension bears on who it is")]
        match extension.parsed_extension() {
            ParsedExtension::BasicConstraints(found) => {
                if found.ca || found.path_len_constraint.is_some() {
                    return Err(IdentityError::Authority);
                }
                constraints = true;
            }
            ParsedExtension::KeyUsage(usage) => {
                if usage.key_cert_sign() || usage.crl_sign() {
                    return Err(IdentityError::Authority);
                }
                signs = usage.digital_signature();
            }
            ParsedExtension::ExtendedKeyUsage(usage) => client = usage.client_auth,
            ParsedExtension::SubjectAlternativeName(names) => {
                for name in &names.general_names {
                    if let GeneralName::URI(uri) = name {
                        uris.push(*uri);
                    } else if matches!(name, GeneralName::Invalid(..)) {
                        return Err(IdentityError::Malformed);
                    }
                }
            }
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                key_id = id.key_identifier.as_ref().map(|id| id.0.to_vec());
            }
            ParsedExtension::ParseError { .. } => return Err(IdentityError::Malformed),
            _ => {}
        }
    }
    if !constraints {
        return Err(IdentityError::Authority);
    }
    if !signs || !client {
        return Err(IdentityError::Usage);
    }
    let [uri] = uris.as_slice() else { return Err(IdentityError::Names(uris.len())) };
    Ok(Leaf {
        name: SpiffeId::parse(uri, domain)?,
        serial: Serial::new(certificate.raw_serial()).ok_or(IdentityError::Malformed)?,
        key: key_fingerprint(certificate.public_key().raw),
        issuer_name: certificate.issuer().as_raw().to_vec(),
        issuer_key_id: key_id.ok_or(IdentityError::Issuer)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{
        CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, IsCa, KeyPair,
        KeyUsagePurpose, SanType,
    };

    fn sound() -> CertificateParams {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.subject_alt_names = vec![uri("spiffe://doorward.home.arpa/user/alice")];
        params.use_authority_key_identifier_extension = true;
        params
    }

    fn uri(text: &str) -> SanType {
        SanType::URI(text.to_owned().try_into().unwrap())
    }

    fn outcome(change: impl FnOnce(&mut CertificateParams)) -> Result<Leaf, IdentityError> {
        let mut params = sound();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        read(certificate.der(), &"doorward.home.arpa".parse().unwrap())
    }

    /// Makes a subject alternative name that rcgen would not write: raw bytes as one URI.
    fn raw_uri(bytes: &[u8]) -> CustomExtension {
        let mut name = vec![0x86, u8::try_from(bytes.len()).unwrap()];
        name.extend(bytes);
        let mut names = vec![0x30, u8::try_from(name.len()).unwrap()];
        names.extend(name);
        CustomExtension::from_oid_content(&[2, 5, 29, 17], names)
    }

    #[test]
    fn a_sound_leaf_names_its_subject() {
        let leaf = outcome(|_| {}).unwrap();
        assert_eq!(leaf.name.subject().to_string(), "user/alice");
    }

    #[test]
    fn whatever_else_a_library_accepts_is_refused() {
        use IdentityError as E;
        let id = "spiffe://doorward.home.arpa/user/alice";
        let cases: Vec<(&str, Result<Leaf, E>, E)> = vec![
            ("no name", outcome(|p| p.subject_alt_names.clear()), E::Names(0)),
            (
                "only a DNS name",
                outcome(|p| {
                    p.subject_alt_names = vec![SanType::DnsName("alice".try_into().unwrap())];
                }),
                E::Names(0),
            ),
            (
                "two SPIFFE URIs",
                outcome(|p| {
                    p.subject_alt_names.push(uri("spiffe://doorward.home.arpa/user/owner"));
                }),
                E::Names(2),
            ),
            ("the same URI twice", outcome(|p| p.subject_alt_names.push(uri(id))), E::Names(2)),
            (
                "a second URI of another scheme",
                outcome(|p| p.subject_alt_names.push(uri("https://example.org"))),
                E::Names(2),
            ),
            (
                "a foreign trust domain",
                outcome(|p| p.subject_alt_names = vec![uri("spiffe://evil.home.arpa/user/alice")]),
                E::Name(SpiffeError::TrustDomain),
            ),
            (
                "NUL in the name",
                outcome(|p| {
                    p.subject_alt_names.clear();
                    p.custom_extensions = vec![raw_uri(b"spiffe://doorward.home.arpa/user/a\0b")];
                }),
                E::Name(SpiffeError::Syntax),
            ),
            (
                "CR LF in the name",
                outcome(|p| {
                    p.subject_alt_names.clear();
                    p.custom_extensions =
                        vec![raw_uri(b"spiffe://doorward.home.arpa/user/alice\r\n")];
                }),
                E::Name(SpiffeError::Syntax),
            ),
            (
                "CA:TRUE",
                outcome(|p| p.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained)),
                E::Authority,
            ),
            ("no basic constraints", outcome(|p| p.is_ca = IsCa::NoCa), E::Authority),
            (
                "keyCertSign",
                outcome(|p| p.key_usages.push(KeyUsagePurpose::KeyCertSign)),
                E::Authority,
            ),
            ("no key usage", outcome(|p| p.key_usages.clear()), E::Usage),
            (
                "a server's certificate",
                outcome(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]),
                E::Usage,
            ),
            (
                "a second list of names",
                outcome(|p| p.custom_extensions = vec![raw_uri(id.as_bytes())]),
                E::Repeated,
            ),
            (
                "no issuer's key",
                outcome(|p| p.use_authority_key_identifier_extension = false),
                E::Issuer,
            ),
        ];
        for (name, outcome, why) in cases {
            // The parser may refuse some of these first.
            match outcome {
                Err(found) => assert!(found == why || found == E::Malformed, "{name}: {found:?}"),
                Ok(leaf) => panic!("{name} was taken for {:?}", leaf.name),
            }
        }
    }

    #[test]
    fn bytes_after_the_certificate_are_refused() {
        let key = KeyPair::generate().unwrap();
        let mut der = sound().self_signed(&key).unwrap().der().to_vec();
        let domain = "doorward.home.arpa".parse().unwrap();
        assert!(read(&der, &domain).is_ok());
        der.push(0);
        assert_eq!(read(&der, &domain), Err(IdentityError::Malformed));
    }
}
