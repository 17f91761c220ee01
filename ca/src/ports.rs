//! What the authority needs from outside: somebody who keeps keys and signs.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// What a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256: the default.
    P256,
    /// ECDSA on P-384 with SHA-384.
    P384,
    /// Ed25519 (RFC 8410).
    Ed25519,
    /// RSA with PKCS #1 v1.5 and SHA-256, 2048 to 4096 bits. For an imported authority only.
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

/// What a key is for. The slot's name is part of what seals it, so that one key's file cannot
/// stand in for another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slot {
    /// The root; may be taken off the machine once the issuing authority is signed.
    Root,
    /// The issuing authority in use.
    Issuing,
    /// The issuing authority that will be in use next.
    NextIssuing,
    /// The gateway's own TLS key.
    Server,
    /// The key of what the gateway says of others ([`Assertions`](crate::Assertions)).
    Assertion,
}

impl Slot {
    /// The slot's name in file names and messages.
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

/// Where private keys are: a sealed file, a PKCS #11 token, a TPM. They are made there, used
/// there, and never leave.
pub trait Keys: Send + Sync {
    /// Makes a new key in `slot`, in place of any that is there.
    ///
    /// # Errors
    /// When the key cannot be made or kept.
    fn create(&self, slot: Slot, algorithm: Algorithm) -> Result<Arc<dyn Signer>, KeyError>;

    /// The key in `slot`, or `None` if there is none.
    ///
    /// # Errors
    /// When there is one that cannot be opened.
    fn open(&self, slot: Slot) -> Result<Option<Arc<dyn Signer>>, KeyError>;
}

/// A private key that can be used but not read.
pub trait Signer: Send + Sync {
    /// What key it is.
    fn algorithm(&self) -> Algorithm;

    /// Its public half: a DER SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7).
    fn public_key(&self) -> &[u8];

    /// Signs `message`, hashed as [`Algorithm`] says; ECDSA signatures are DER.
    ///
    /// # Errors
    /// When the key's place refuses.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError>;
}

/// Why a key could not be made, opened or used. Ours or the operator's fault.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The place of keys refuses; the text says what to do.
    #[error("{0}")]
    Place(String),
    /// The cryptographic library refused.
    #[error("the cryptographic library refused to {0}")]
    Crypto(&'static str),
}
