//! Checks an issuing authority that an owner brings along.

use jiff::Timestamp;
use thiserror::Error;
use x509_parser::certificate::X509Certificate;

use crate::authority::IssuingCa;
use crate::csr::algorithm;
use crate::x509::{instant, parse, subject_key_id};

/// Why an issuing authority cannot be imported. The operator can correct it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ImportError {
    /// A file has no certificate.
    #[error("{0} holds no PEM certificate")]
    NoCertificate(&'static str),
    /// The root file has more than one certificate.
    #[error("the root file holds more than one certificate")]
    ManyRoots,
    /// A certificate cannot be parsed.
    #[error("a certificate in {0} cannot be read")]
    Unreadable(&'static str),
    /// The certificate is not an authority's.
    #[error("the certificate may not sign others (it needs CA:TRUE and keyCertSign)")]
    NotAnAuthority,
    /// A path length constraint allows no authorities below.
    #[error(
        "a path length in the chain allows no authorities below it, so no client would accept \
         certificates that this authority issues"
    )]
    PathLength,
    /// The chain has name constraints, which the gateway's names might violate.
    #[error("a certificate of the chain has name constraints; use an authority without any")]
    NameConstraints,
    /// The certificate has no subject key identifier.
    #[error("the certificate has no subject key identifier, by which leaves name their issuer")]
    NoKeyId,
    /// The kind of key is not accepted.
    #[error("the key is none of ECDSA P-256, ECDSA P-384, Ed25519, RSA of 2048 to 4096 bits")]
    Key,
    /// The private key does not belong to the certificate.
    #[error("the private key does not belong to the certificate")]
    OtherKey,
    /// The certificates do not lead to the root.
    #[error("the certificate does not lead to the root: {0}")]
    Chain(&'static str),
    /// A certificate is not valid now.
    #[error("the certificate is valid from {0} to {1}, which is not now")]
    Time(Timestamp, Timestamp),
}

/// Checks an existing issuing authority and returns its certificates. `certificates` is PEM: its
/// certificate, then those between it and the root. `root` is PEM. `public_key` is the public half
/// of the imported private key.
///
/// # Errors
/// See [`ImportError`].
pub fn import(
    certificates: &[u8],
    root: &[u8],
    public_key: &[u8],
    now: Timestamp,
) -> Result<IssuingCa, ImportError> {
    let mut chain = read_pem(certificates, "the certificate file")?;
    let roots = read_pem(root, "the root file")?;
    let [root] = roots.as_slice() else { return Err(ImportError::ManyRoots) };
    // Many files include the root as the last certificate.
    if chain.len() > 1 {
        chain.retain(|der| der != root);
    }
    let parsed = |der| parse(der).ok_or(ImportError::Unreadable("the certificate file"));
    let all: Vec<X509Certificate<'_>> =
        chain.iter().map(|der| parsed(der)).collect::<Result<_, _>>()?;
    let root_parsed = parse(root).ok_or(ImportError::Unreadable("the root file"))?;
    let Some(issuing) = all.first() else {
        return Err(ImportError::NoCertificate("the certificate file"));
    };
    if issuing.public_key().raw != public_key {
        return Err(ImportError::OtherKey);
    }
    algorithm(issuing.public_key()).ok_or(ImportError::Key)?;
    subject_key_id(issuing).ok_or(ImportError::NoKeyId)?;
    let above = all.iter().skip(1).chain([&root_parsed]);
    for (below, above) in all.iter().zip(above) {
        if below.issuer().as_raw() != above.subject().as_raw() {
            return Err(ImportError::Chain("an issuer's name is not the next certificate's name"));
        }
        if below.verify_signature(Some(above.public_key())).is_err() {
            return Err(ImportError::Chain("a signature does not verify"));
        }
    }
    for certificate in all.iter().chain([&root_parsed]) {
        let validity = certificate.validity();
        let (from, to) = (instant(&validity.not_before), instant(&validity.not_after));
        if now < from || now > to {
            return Err(ImportError::Time(from, to));
        }
        let signs = match certificate.key_usage() {
            Ok(Some(usage)) => usage.value.key_cert_sign(),
            Ok(None) => true,
            Err(_) => false,
        };
        if !certificate.is_ca() || !signs {
            return Err(ImportError::NotAnAuthority);
        }
    }
    // Checks the constraints that clients check for each leaf (RFC 5280 section 6.1.4). An error
    // here is better than a refusal by every client later.
    for (below, certificate) in (0_u32..).zip(all.iter().chain([&root_parsed])) {
        let length = match certificate.basic_constraints() {
            Ok(Some(constraints)) => constraints.value.path_len_constraint,
            _ => None,
        };
        if length.is_some_and(|length| length < below) {
            return Err(ImportError::PathLength);
        }
        if !matches!(certificate.name_constraints(), Ok(None)) {
            return Err(ImportError::NameConstraints);
        }
    }
    let mut chain = chain.clone().into_iter();
    let certificate = chain.next().ok_or(ImportError::NoCertificate("the certificate file"))?;
    Ok(IssuingCa { certificate, intermediates: chain.collect(), root: root.clone() })
}

fn read_pem(bytes: &[u8], what: &'static str) -> Result<Vec<Vec<u8>>, ImportError> {
    let blocks = pem::parse_many(bytes).map_err(|_| ImportError::NoCertificate(what))?;
    let certificates = blocks.into_iter().filter(|block| block.tag() == "CERTIFICATE");
    let found: Vec<_> = certificates.map(pem::Pem::into_contents).collect();
    if found.is_empty() { Err(ImportError::NoCertificate(what)) } else { Ok(found) }
}
