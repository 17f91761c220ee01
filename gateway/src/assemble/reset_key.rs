//! The key of QUIC's stateless resets. The gateway stores it, so that after a crash it can reset the
//! old connections of its agents. Without the key the agents would notice the crash only by timeout.

use std::fs;
use std::path::Path;

use rustls::crypto::CryptoProvider;

use crate::data_directory::write_private;
use crate::failure::CommandFailure;

/// The file's name in the data directory.
pub(super) const FILE: &str = "reset.key";

const LENGTH: usize = 64;

/// Returns the stored key, or a new one. The key only prevents strangers from resetting
/// connections, so an unreadable key is replaced. If the new key cannot be stored, it lasts until
/// the next start.
pub(super) fn load_or_create(
    path: &Path,
    provider: &CryptoProvider,
) -> Result<[u8; LENGTH], CommandFailure> {
    let found = fs::read(path).ok().and_then(|bytes| bytes.try_into().ok());
    if let Some(key) = found {
        return Ok(key);
    }
    let mut key = [0; LENGTH];
    let refused = |_| CommandFailure::new("the cryptographic library refused to make a random key");
    provider.secure_random.fill(&mut key).map_err(refused)?;
    if let Err(error) = write_private(path, &key) {
        tracing::warn!(%error, "the QUIC reset key cannot be stored, so agents will notice a crash only by timeout");
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_stored_and_a_malformed_one_is_replaced() {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        let first = load_or_create(&path, &provider).unwrap();
        assert_eq!(load_or_create(&path, &provider).unwrap(), first);
        fs::write(&path, "short").unwrap();
        let second = load_or_create(&path, &provider).unwrap();
        assert_ne!(second, first);
        assert_eq!(load_or_create(&path, &provider).unwrap(), second);
        // A key that cannot be stored is still returned.
        let nowhere = dir.path().join("nowhere").join(FILE);
        assert_ne!(
            load_or_create(&nowhere, &provider).unwrap(),
            load_or_create(&nowhere, &provider).unwrap()
        );
    }
}
