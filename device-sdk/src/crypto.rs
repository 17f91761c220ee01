//! The cryptographic library: the only module that depends on which one is used.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

#[cfg(feature = "aws-lc-rs")]
pub(crate) use aws_lc_rs as library;
#[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
compile_error!("doorward-sdk needs one of its features `aws-lc-rs` (the default) and `ring`");
#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
pub(crate) use ring as library;

use crate::error::Error;

/// Returns the cryptography for TLS.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    #[cfg(feature = "aws-lc-rs")]
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    #[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
    let provider = rustls::crypto::ring::default_provider();
    Arc::new(provider)
}

/// Returns the SHA-256 of `bytes`.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = library::digest::digest(&library::digest::SHA256, bytes);
    let mut hash = [0; 32];
    // Both have the length of SHA-256.
    hash.copy_from_slice(digest.as_ref());
    hash
}

/// Returns cryptographically random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Error> {
    use library::rand::SecureRandom as _;
    let mut bytes = [0; N];
    let filled = library::rand::SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| Error::Crypto("make a random number"))?;
    Ok(bytes)
}

/// Returns a random number for spreading waits. It need not be secret.
pub(crate) fn number() -> u64 {
    // Without randomness, the middle of the range.
    random().map_or(u64::MAX / 2, u64::from_le_bytes)
}
