//! The ports of the authority: key storage and signing.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// A kind of key with its signature algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256: the default.
    P256,
    /// ECDSA on P-384 with SHA-384.
    P384,
    /// Ed25519 (RFC 8410).
    Ed25519,
    /// RSA with PKCS #1 v1.5 and SHA-256, 2048 to 4096 bits, for an imported authority only.
    Rsa,
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::P256 => "ECDSA P-256",
            Self::P384 => "ECDSA P-384",
            Self::Ed25519 => "Ed25519",
            Self::Rsa => "RSA",
        })
    }
}

/// The purpose of a key. Its name is part of the sealed file's associated data, so that a file
/// cannot be used for another purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slot {
    /// The root. It may be taken off the machine once the issuing authority is signed.
    Root,
    /// The issuing authority in use.
    Issuing,
    /// The next issuing authority.
    NextIssuing,
    /// The gateway's own TLS key.
    Server,
    /// The key that signs [`Assertions`](crate::Assertions).
    Assertion,
}

impl Slot {
    /// Returns the slot's name in file names and messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Issuing => "issuing",
            Self::NextIssuing => "issuing-next",
            Self::Server => "server",
            Self::Assertion => "assertion",
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A store of private keys: sealed files, a PKCS #11 token, a TPM. Keys are made and used there,
/// and never leave.
pub trait Keys: Send + Sync {
    /// Creates a key in `slot` and replaces the one that is there.
    ///
    /// # Errors
    /// Fails when the key cannot be created or stored.
    fn create(&self, slot: Slot, algorithm: Algorithm) -> Result<Arc<dyn Signer>, KeyError>;

    /// Returns the key in `slot`, or `None` if there is none.
    ///
    /// # Errors
    /// Fails when the key cannot be opened.
    fn open(&self, slot: Slot) -> Result<Option<Arc<dyn Signer>>, KeyError>;
}

/// A private key that can be used but not read.
pub trait Signer: Send + Sync {
    /// Returns the kind of the key.
    fn algorithm(&self) -> Algorithm;

    /// Returns the public key as a DER SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7).
    fn public_key(&self) -> &[u8];

    /// Signs `message`, hashed as [`Algorithm`] says. ECDSA signatures are DER.
    ///
    /// # Errors
    /// Fails when the key cannot be used.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError>;
}

/// Why a key could not be created, opened or used. This program or the operator is at fault.
#[derive(Clone, Debug, Error)]
pub enum KeyError {
    /// The key store failed. The text says what to do.
    #[error("{0}")]
    Place(String),
    /// The cryptographic library failed.
    #[error("the cryptographic library could not {0}")]
    Crypto(&'static str),
}
