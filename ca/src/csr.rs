//! Parses certification requests (PKCS #10, RFC 2986). Only the proven public key is used.

use doorward_model::Fingerprint;
use thiserror::Error;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::ports::Algorithm;
use crate::x509::key_fingerprint;

/// A public key whose holder has proven possession of the private key. It is all that is taken from
/// a certification request (RFC 2986); the request's names and extensions are ignored.
#[derive(Clone, Debug)]
pub struct VerifiedCsr {
    spki: Vec<u8>,
    algorithm: Algorithm,
    key: Fingerprint,
}

/// Why a certification request is refused. The requester is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CsrError {
    /// The request is longer than [`VerifiedCsr::LIMIT`].
    #[error("the request is longer than {} bytes", VerifiedCsr::LIMIT)]
    TooLong,
    /// The request is neither DER nor PEM of PKCS #10.
    #[error("not a PKCS #10 certification request")]
    Malformed,
    /// The kind of key is not accepted.
    #[error("the key is none of ECDSA P-256, ECDSA P-384, Ed25519, RSA of 2048 to 4096 bits")]
    Key,
    /// The signature algorithm is not accepted, for example because it uses SHA-1.
    #[error("the request is signed by none of ECDSA, Ed25519, RSA PKCS #1 with SHA-256 or longer")]
    Signature,
    /// The signature does not verify with the request's own key.
    #[error("the request is not signed by its own key")]
    NotSigned,
}

impl VerifiedCsr {
    /// The longest request that is parsed, in bytes.
    pub const LIMIT: usize = 16 * 1024;

    /// Parses a request in DER or PEM and verifies its signature with its own key.
    ///
    /// # Errors
    /// See [`CsrError`].
    pub fn read(bytes: &[u8]) -> Result<Self, CsrError> {
        if bytes.len() > Self::LIMIT {
            return Err(CsrError::TooLong);
        }
        if bytes.trim_ascii_start().starts_with(b"-----BEGIN") {
            let pem = pem::parse(bytes).map_err(|_| CsrError::Malformed)?;
            return match pem.tag() {
                "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => Self::verify(pem.contents()),
                _ => Err(CsrError::Malformed),
            };
        }
        Self::verify(bytes)
    }

    fn verify(der: &[u8]) -> Result<Self, CsrError> {
        let Ok(([], request)) = X509CertificationRequest::from_der(der) else {
            return Err(CsrError::Malformed);
        };
        let info = &request.certification_request_info;
        let spki = &info.subject_pki;
        let algorithm = algorithm(spki).ok_or(CsrError::Key)?;
        if !is_signed_properly(der, info.raw) {
            return Err(CsrError::Signature);
        }
        if request.signature_value.unused_bits != 0 {
            return Err(CsrError::Malformed);
        }
        request.verify_signature().map_err(|_| CsrError::NotSigned)?;
        let spki = spki.raw.to_vec();
        let key = key_fingerprint(&spki);
        Ok(Self { spki, algorithm, key })
    }

    /// Returns the public key as a DER SubjectPublicKeyInfo.
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        &self.spki
    }

    /// Returns the kind of the key.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns the SHA-256 of the SubjectPublicKeyInfo.
    #[must_use]
    pub fn key(&self) -> Fingerprint {
        self.key
    }
}

/// Returns whether the AlgorithmIdentifier after `info` is an accepted one, byte for byte. The
/// parser is too lenient for this check, and accepts SHA-1.
fn is_signed_properly(der: &[u8], info: &[u8]) -> bool {
    const ACCEPTED: [&[u8]; 6] = [
        // ecdsa-with-SHA256, ecdsa-with-SHA384 (RFC 5758 section 3.2)
        &[0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2],
        &[0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3],
        // id-Ed25519 (RFC 8410 section 3)
        &[0x30, 5, 6, 3, 0x2b, 0x65, 0x70],
        // sha256WithRSAEncryption and its longer siblings (RFC 4055 section 5)
        &[0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 11, 5, 0],
        &[0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 12, 5, 0],
        &[0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 13, 5, 0],
    ];
    // Skips the outer SEQUENCE's tag and its length, in short or long form.
    let header = match der.get(1) {
        Some(long) if long & 0x80 != 0 => 2 + usize::from(long & 0x7f),
        _ => 2,
    };
    let rest = der.get(header..).and_then(|rest| rest.strip_prefix(info));
    rest.is_some_and(|rest| ACCEPTED.iter().any(|algorithm| rest.starts_with(algorithm)))
}

/// Returns the kind of key in an SPKI, if it is an accepted kind.
pub(crate) fn algorithm(spki: &SubjectPublicKeyInfo<'_>) -> Option<Algorithm> {
    const P256: &str = "1.2.840.10045.3.1.7";
    const P384: &str = "1.3.132.0.34";
    const ED25519: &str = "1.3.101.112";
    if spki.algorithm.algorithm.to_id_string() == ED25519 {
        return (spki.subject_public_key.data.len() == 32).then_some(Algorithm::Ed25519);
    }
    #[expect(clippy::wildcard_enum_match_arm, reason = "no other kind of key is accepted")]
    match spki.parsed().ok()? {
        PublicKey::EC(point) => {
            let curve = spki.algorithm.parameters.as_ref()?.as_oid().ok()?.to_id_string();
            // Accepts uncompressed points only, as RFC 5480 section 2.2 allows a CA to.
            match (curve.as_str(), point.data().len(), point.data().first()) {
                (P256, 65, Some(4)) => Some(Algorithm::P256),
                (P384, 97, Some(4)) => Some(Algorithm::P384),
                _ => None,
            }
        }
        PublicKey::RSA(key) => {
            let bits = key.modulus.iter().skip_while(|byte| **byte == 0).count() * 8;
            let odd_exponent = key.try_exponent().is_ok_and(|e| e >= 65537 && e % 2 == 1);
            ((2048..=4096).contains(&bits) && odd_exponent).then_some(Algorithm::Rsa)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};

    fn request(algorithm: &'static rcgen::SignatureAlgorithm) -> Vec<u8> {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let request = CertificateParams::default().serialize_request(&key).unwrap();
        request.der().to_vec()
    }

    #[test]
    fn a_request_proves_its_key() {
        for (algorithm, expected) in [
            (&rcgen::PKCS_ECDSA_P256_SHA256, Algorithm::P256),
            (&rcgen::PKCS_ECDSA_P384_SHA384, Algorithm::P384),
            (&rcgen::PKCS_ED25519, Algorithm::Ed25519),
            (&rcgen::PKCS_RSA_SHA256, Algorithm::Rsa),
        ] {
            let der = request(algorithm);
            let csr = VerifiedCsr::read(&der).unwrap();
            assert_eq!(csr.algorithm(), expected);
            let pem = pem::encode(&pem::Pem::new("CERTIFICATE REQUEST", der));
            assert_eq!(VerifiedCsr::read(pem.as_bytes()).unwrap().key(), csr.key());
        }
    }

    #[test]
    fn every_altered_byte_is_refused() {
        let der = request(&rcgen::PKCS_ECDSA_P256_SHA256);
        for at in 0..der.len() {
            let mut altered = der.clone();
            altered[at] ^= 1;
            assert!(VerifiedCsr::read(&altered).is_err(), "byte {at}");
        }
        for end in 0..der.len() {
            assert!(VerifiedCsr::read(&der[..end]).is_err(), "cut at {end}");
        }
        let mut longer = der.clone();
        longer.push(0);
        assert_eq!(VerifiedCsr::read(&longer).unwrap_err(), CsrError::Malformed);
    }

    #[test]
    fn another_kind_of_key_or_text_is_refused() {
        let der = request(&rcgen::PKCS_ECDSA_P521_SHA512);
        assert_eq!(VerifiedCsr::read(&der).unwrap_err(), CsrError::Key);
        assert_eq!(VerifiedCsr::read(&[b'a'; 17_000]).unwrap_err(), CsrError::TooLong);
        assert_eq!(VerifiedCsr::read(b"-----BEGIN X-----").unwrap_err(), CsrError::Malformed);
        let pem = pem::encode(&pem::Pem::new("CERTIFICATE", der));
        assert_eq!(VerifiedCsr::read(pem.as_bytes()).unwrap_err(), CsrError::Malformed);
    }
}
