//! The certificates that the listeners trust, and those that they show.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use doorward_model::Fingerprint;
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::CertifiedKey;
use thiserror::Error;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer as _;

use crate::direct::Direct;

/// The certificates that the listeners trust and show. A change replaces the whole value.
#[derive(Clone, Debug)]
pub struct Trust {
    /// The issuing authorities whose leaves are accepted. They are the anchors themselves, so
    /// another authority under the same root is not trusted.
    pub(crate) anchors: Vec<Anchor>,
    /// The certificate for the gateway's own names.
    pub(crate) own: Arc<CertifiedKey>,
    /// The certificate for every interface's name, known or not.
    pub(crate) interfaces: Arc<CertifiedKey>,
    /// Verifies chains against the anchors.
    pub(crate) verifier: Arc<dyn ClientCertVerifier>,
    /// The same, for endpoints where a client certificate is optional.
    pub(crate) lenient: Arc<dyn ClientCertVerifier>,
}

/// An issuing authority whose leaves are accepted.
#[derive(Clone, Debug)]
pub struct Anchor {
    /// The authority's certificate.
    pub(crate) certificate: CertificateDer<'static>,
    /// The SHA-256 hash of its SubjectPublicKeyInfo.
    pub(crate) key: Fingerprint,
    /// Its subject key identifier, which leaves have as their authority key identifier.
    pub(crate) key_id: Vec<u8>,
    /// Its subject name, which leaves have as their issuer name.
    pub(crate) name: Vec<u8>,
}

/// Why a trust cannot be made. Ours.
#[derive(Debug, Error)]
pub enum TrustError {
    /// The certificate of an authority cannot be read.
    #[error("the certificate of an issuing authority cannot be read")]
    Anchor,
    /// The TLS library refuses the anchors.
    #[error("the TLS library refuses the anchors: {0}")]
    Verifier(String),
}

impl Anchor {
    /// Reads the certificate of an issuing authority, in DER.
    ///
    /// # Errors
    /// When it cannot be read, or has no subject key identifier.
    pub fn new(der: Vec<u8>) -> Result<Self, TrustError> {
        let (key, key_id, name) = {
            let (rest, parsed) = X509Certificate::from_der(&der).map_err(|_| TrustError::Anchor)?;
            if !rest.is_empty() {
                return Err(TrustError::Anchor);
            }
            let key_id = parsed.extensions().iter().find_map(|one| {
                let ParsedExtension::SubjectKeyIdentifier(id) = one.parsed_extension() else {
                    return None;
                };
                Some(id.0.to_vec())
            });
            let key = key_fingerprint(parsed.public_key().raw);
            (key, key_id.ok_or(TrustError::Anchor)?, parsed.subject().as_raw().to_vec())
        };
        Ok(Self { certificate: der.into(), key, key_id, name })
    }
}

impl Trust {
    /// Returns the trust in these anchors, with the certificates to show.
    ///
    /// # Errors
    /// When the TLS library refuses the anchors.
    pub fn new(
        anchors: Vec<Anchor>,
        own: Arc<CertifiedKey>,
        interfaces: Arc<CertifiedKey>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, TrustError> {
        let refused = |error: &dyn std::fmt::Display| TrustError::Verifier(error.to_string());
        let mut roots = RootCertStore::empty();
        for anchor in &anchors {
            roots.add(anchor.certificate.clone()).map_err(|error| refused(&error))?;
        }
        let roots = Arc::new(roots);
        let builder =
            || WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), provider.clone());
        let verifier = builder().build().map_err(|error| refused(&error))?;
        let lenient = builder().allow_unauthenticated().build().map_err(|error| refused(&error))?;
        let (verifier, lenient) = (Direct::new(verifier), Direct::new(lenient));
        Ok(Self { anchors, own, interfaces, verifier, lenient })
    }
}

/// Returns the SHA-256 hash of a SubjectPublicKeyInfo.
pub(crate) fn key_fingerprint(spki: &[u8]) -> Fingerprint {
    let mut out = [0; 32];
    out.iter_mut().zip(digest(&SHA256, spki).as_ref()).for_each(|(to, from)| *to = *from);
    Fingerprint::new(out)
}
