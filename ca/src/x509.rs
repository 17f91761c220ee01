//! Helpers for parsing and showing certificates.

use aws_lc_rs::digest::{SHA256, digest};
use doorward_model::Fingerprint;
use jiff::Timestamp;
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer as _;

pub(crate) fn sha256(bytes: &[u8]) -> Fingerprint {
    let mut out = [0; 32];
    // Both have the 32 bytes of SHA-256.
    out.iter_mut().zip(digest(&SHA256, bytes).as_ref()).for_each(|(to, from)| *to = *from);
    Fingerprint::new(out)
}

/// Returns the SHA-256 of a DER SubjectPublicKeyInfo, which identifies a key.
#[must_use]
pub fn key_fingerprint(spki: &[u8]) -> Fingerprint {
    sha256(spki)
}

/// Returns the SHA-256 of a DER certificate, which owners compare by eye.
#[must_use]
pub fn certificate_fingerprint(der: &[u8]) -> Fingerprint {
    sha256(der)
}

/// Encodes a DER certificate as PEM (RFC 7468 section 5).
#[must_use]
pub fn pem_certificate(der: &[u8]) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new("CERTIFICATE", der), config)
}

/// Parses a certificate that takes up `der` completely.
pub(crate) fn parse(der: &[u8]) -> Option<X509Certificate<'_>> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Some(certificate),
        _ => None,
    }
}

pub(crate) fn subject_key_id<'a>(certificate: &'a X509Certificate<'_>) -> Option<&'a [u8]> {
    certificate.extensions().iter().find_map(|extension| {
        let parsed = extension.parsed_extension();
        if let ParsedExtension::SubjectKeyIdentifier(id) = parsed { Some(id.0) } else { None }
    })
}

/// Converts an instant of a certificate's validity.
pub(crate) fn instant(time: &x509_parser::time::ASN1Time) -> Timestamp {
    Timestamp::from_second(time.timestamp()).unwrap_or(Timestamp::MIN)
}

/// Converts an instant for rcgen, cut to whole seconds as in certificates.
pub(crate) fn date(time: Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(time.as_second()).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// The facts about a certificate that people are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The subject's name in the form of RFC 4514.
    pub name: String,
    /// The SHA-256 of the DER.
    pub fingerprint: Fingerprint,
    /// The SHA-256 of the SubjectPublicKeyInfo.
    pub key: Fingerprint,
    /// The first instant of its validity.
    pub not_before: Timestamp,
    /// The last instant of its validity.
    pub not_after: Timestamp,
}

/// Describes a DER certificate. Returns `None` if it cannot be parsed.
#[must_use]
pub fn describe(der: &[u8]) -> Option<Description> {
    let certificate = parse(der)?;
    let validity = certificate.validity();
    Some(Description {
        name: certificate.subject().to_string(),
        fingerprint: certificate_fingerprint(der),
        key: key_fingerprint(certificate.public_key().raw),
        not_before: instant(&validity.not_before),
        not_after: instant(&validity.not_after),
    })
}

/// Returns the host names and addresses in a DER certificate, or `None` if it cannot be parsed.
#[must_use]
pub fn served_names(der: &[u8]) -> Option<(Vec<String>, Vec<std::net::IpAddr>)> {
    let certificate = parse(der)?;
    let names = certificate.subject_alternative_name().ok()??;
    let (mut hosts, mut addresses) = (vec![], vec![]);
    for name in &names.value.general_names {
        if let GeneralName::DNSName(host) = name {
            hosts.push((*host).to_owned());
        } else if let GeneralName::IPAddress(bytes) = name {
            if let Ok(v4) = <[u8; 4]>::try_from(*bytes) {
                addresses.push(v4.into());
            } else if let Ok(v6) = <[u8; 16]>::try_from(*bytes) {
                addresses.push(v6.into());
            }
        }
    }
    Some((hosts, addresses))
}
