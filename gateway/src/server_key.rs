//! Adapts the gateway's TLS key to rustls. The key store makes the signatures, so the key never
//! leaves it.

use std::fmt;
use std::sync::Arc;

use doorward_ca::{Algorithm, Signer};
use rustls::sign::SigningKey;
use rustls::{Error, SignatureAlgorithm, SignatureScheme};

/// A [`Signer`] that signs TLS handshakes.
pub(crate) struct ServerKey(pub(crate) Arc<dyn Signer>);

impl ServerKey {
    fn scheme(&self) -> Option<SignatureScheme> {
        match self.0.algorithm() {
            Algorithm::P256 => Some(SignatureScheme::ECDSA_NISTP256_SHA256),
            Algorithm::P384 => Some(SignatureScheme::ECDSA_NISTP384_SHA384),
            Algorithm::Ed25519 => Some(SignatureScheme::ED25519),
            // TLS 1.3 signs no handshake with PKCS #1 v1.5. The gateway's server keys are never RSA.
            Algorithm::Rsa => None,
        }
    }
}

impl SigningKey for ServerKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn rustls::sign::Signer>> {
        let scheme = self.scheme().filter(|scheme| offered.contains(scheme))?;
        Some(Box::new(Handshake { signer: Arc::clone(&self.0), scheme }))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        match self.0.algorithm() {
            Algorithm::P256 | Algorithm::P384 => SignatureAlgorithm::ECDSA,
            Algorithm::Ed25519 => SignatureAlgorithm::ED25519,
            Algorithm::Rsa => SignatureAlgorithm::RSA,
        }
    }
}

impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerKey(***)")
    }
}

struct Handshake {
    signer: Arc<dyn Signer>,
    scheme: SignatureScheme,
}

impl rustls::sign::Signer for Handshake {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        self.signer.sign(message).map_err(|error| Error::General(error.to_string()))
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handshake(***)")
    }
}
