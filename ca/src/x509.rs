//! Small readings of certificates that several parts here need.

use aws_lc_rs::digest::{SHA256, digest};
use doorward_model::Fingerprint;
use jiff::Timestamp;
use time::OffsetDateTime;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer as _;

pub(crate) fn sha256(bytes: &[u8]) -> Fingerprint {
    let mut out = [0; 32];
    // SHA-256 has 32 bytes; zip cannot run short of them.
    out.iter_mut().zip(digest(&SHA256, bytes).as_ref()).for_each(|(to, from)| *to = *from);
    Fingerprint::new(out)
}

/// SHA-256 of a DER SubjectPublicKeyInfo: what names a key.
#[must_use]
pub fn key_fingerprint(spki: &[u8]) -> Fingerprint {
    sha256(spki)
}

/// SHA-256 of a DER certificate: what an owner compares by eye.
#[must_use]
pub fn certificate_fingerprint(der: &[u8]) -> Fingerprint {
    sha256(der)
}

/// A DER certificate as PEM (RFC 7468 section 5).
#[must_use]
pub fn pem_certificate(der: &[u8]) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new("CERTIFICATE", der), config)
}

/// Parses a certificate that fills `der` to its last byte.
pub(crate) fn parse(der: &[u8]) -> Option<X509Certificate<'_>> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Some(certificate),
        _ => None,
    }
}

pub(crate) fn subject_key_id<'a>(certificate: &'a X509Certificate<'_>) -> Option<&'a [u8]> {
    certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0),
        _ => None,
    })
}

/// The instant of a certificate's validity.
pub(crate) fn instant(time: &x509_parser::time::ASN1Time) -> Timestamp {
    Timestamp::from_second(time.timestamp()).unwrap_or(Timestamp::MIN)
}

/// The instant as rcgen takes it, cut to the second as certificates have it.
pub(crate) fn date(time: Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(time.as_second()).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// What people are shown of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Its subject's name, as RFC 4514 writes it.
    pub name: String,
    /// SHA-256 of its DER.
    pub fingerprint: Fingerprint,
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub key: Fingerprint,
    /// From when it is valid, included.
    pub not_before: Timestamp,
    /// Until when it is valid, included.
    pub not_after: Timestamp,
}

/// Describes a DER certificate; `None` if it is none.
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

/// The host names and addresses that a DER certificate is for; `None` if it is none.
#[must_use]
pub fn served_names(der: &[u8]) -> Option<(Vec<String>, Vec<std::net::IpAddr>)> {
    let certificate = parse(der)?;
    let names = certificate.subject_alternative_name().ok()??;
    let (mut hosts, mut addresses) = (vec![], vec![]);
    for name in &names.value.general_names {
        match name {
            GeneralName::DNSName(host) => hosts.push((*host).to_owned()),
            GeneralName::IPAddress(bytes) => {
                if let Ok(v4) = <[u8; 4]>::try_from(*bytes) {
                    addresses.push(v4.into());
                } else if let Ok(v6) = <[u8; 16]>::try_from(*bytes) {
                    addresses.push(v6.into());
                }
            }
            _ => {}
        }
    }
    Some((hosts, addresses))
}
