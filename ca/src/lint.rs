//! Parses a built certificate and refuses it if any field differs from the intention.

use std::collections::BTreeSet;
use std::net::IpAddr;

use doorward_model::{Serial, SpiffeId};
use jiff::Timestamp;
use thiserror::Error;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};

use crate::x509::{instant, parse};

/// The intended content of a leaf. Anything else in it is an error.
pub(crate) struct Expected<'a> {
    pub(crate) issuer_name: &'a [u8],
    pub(crate) issuer_key_id: &'a [u8],
    pub(crate) serial: &'a Serial,
    pub(crate) spki: &'a [u8],
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    pub(crate) id: &'a SpiffeId,
    pub(crate) dns: &'a [String],
    pub(crate) addresses: &'a [IpAddr],
    pub(crate) serves: bool,
}

/// A field that is not as intended. The fault of this program; the certificate is not issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the certificate would have a wrong {0}")]
pub struct LintError(pub &'static str);

/// Parses the certificate and compares every field with the intention (RFC 5280 section 4;
/// X509-SVID sections 3 to 5).
pub(crate) fn lint(der: &[u8], expected: &Expected<'_>) -> Result<(), LintError> {
    let certificate = parse(der).ok_or(LintError("encoding"))?;
    let serial = Serial::new(certificate.raw_serial());
    let negative = certificate.raw_serial().first().is_some_and(|first| first & 0x80 != 0);
    let validity = certificate.validity();
    for (holds, field) in [
        (certificate.version.0 == 2, "version"),
        (serial.as_ref() == Some(expected.serial) && !negative, "serial number"),
        (certificate.issuer().as_raw() == expected.issuer_name, "issuer"),
        (instant(&validity.not_before) == expected.not_before, "beginning"),
        (instant(&validity.not_after) == expected.not_after, "end"),
        (certificate.public_key().raw == expected.spki, "key"),
        (certificate.tbs_certificate.issuer_uid.is_none(), "issuer id"),
        (certificate.tbs_certificate.subject_uid.is_none(), "subject id"),
    ] {
        if !holds {
            return Err(LintError(field));
        }
    }
    extensions(&certificate, expected)
}

fn extensions(certificate: &X509Certificate<'_>, expected: &Expected<'_>) -> Result<(), LintError> {
    let mut seen = BTreeSet::new();
    for extension in certificate.extensions() {
        if !seen.insert(extension.oid.to_id_string()) {
            return Err(LintError("repeated extension"));
        }
        #[expect(clippy::wildcard_enum_match_arm, reason = "no other extension is issued")]
        let (holds, field) = match extension.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                let key = id.key_identifier.as_ref().map(|id| id.0);
                (key == Some(expected.issuer_key_id), "authority key identifier")
            }
            ParsedExtension::SubjectKeyIdentifier(_) => {
                (!extension.critical, "subject key identifier")
            }
            ParsedExtension::BasicConstraints(constraints) => {
                let leaf = !constraints.ca && constraints.path_len_constraint.is_none();
                (leaf && extension.critical, "basic constraints")
            }
            // Only bit 0, digitalSignature.
            ParsedExtension::KeyUsage(usage) => {
                (usage.flags == 1 && extension.critical, "key usage")
            }
            ParsedExtension::ExtendedKeyUsage(usage) => {
                let none = !(usage.any
                    || usage.code_signing
                    || usage.email_protection
                    || usage.time_stamping
                    || usage.ocsp_signing
                    || !usage.other.is_empty());
                let right = usage.client_auth && usage.server_auth == expected.serves;
                (none && right, "extended key usage")
            }
            ParsedExtension::SubjectAlternativeName(names) => {
                (are_names(&names.general_names, expected), "names")
            }
            _ => (false, "extension"),
        };
        if !holds {
            return Err(LintError(field));
        }
    }
    if seen.len() == 6 { Ok(()) } else { Err(LintError("number of extensions")) }
}

fn are_names(names: &[GeneralName<'_>], expected: &Expected<'_>) -> bool {
    let (mut uris, mut dns, mut addresses) = (vec![], vec![], vec![]);
    for name in names {
        #[expect(clippy::wildcard_enum_match_arm, reason = "no other kind of name is issued")]
        match name {
            GeneralName::URI(uri) => uris.push((*uri).to_owned()),
            GeneralName::DNSName(name) => dns.push((*name).to_owned()),
            GeneralName::IPAddress(bytes) => {
                match (<[u8; 4]>::try_from(*bytes), <[u8; 16]>::try_from(*bytes)) {
                    (Ok(v4), _) => addresses.push(IpAddr::from(v4)),
                    (_, Ok(v6)) => addresses.push(IpAddr::from(v6)),
                    _ => return false,
                }
            }
            _ => return false,
        }
    }
    uris == [expected.id.to_string()] && dns == expected.dns && addresses == expected.addresses
}
