//! The key of QUIC's resets, kept so that a gateway that was killed is missed by its agents as soon
//! as it is back, and not only when they have heard nothing for long.

use std::fs;
use std::path::Path;

use rustls::crypto::CryptoProvider;

use crate::data_directory::write_private;
use crate::failure::CommandFailure;

/// Its name in the data directory.
pub(super) const FILE: &str = "reset.key";

const LENGTH: usize = 64;

/// The key that is there, or a new one. It protects nothing but connections from being reset by
/// strangers, so one that cannot be read is worth no more than a new one; and where a new one
/// cannot be kept, it is good until the next start.
pub(super) fn kept(path: &Path, provider: &CryptoProvider) -> Result<[u8; LENGTH], CommandFailure> {
    let found = fs::read(path).ok().and_then(|bytes| bytes.try_into().ok());
    if let Some(key) = found {
        return Ok(key);
    }
    let mut key = [0; LENGTH];
    let refused = |_| CommandFailure::new("the cryptographic library refused to make a random key");
    provider.secure_random.fill(&mut key).map_err(refused)?;
    if let Err(error) = write_private(path, &key) {
        tracing::warn!(%error, "agents will notice a crash later than they could");
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_kept_and_one_that_is_none_is_made_anew() {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        let first = kept(&path, &provider).unwrap();
        assert_eq!(kept(&path, &provider).unwrap(), first);
        fs::write(&path, "short").unwrap();
        let second = kept(&path, &provider).unwrap();
        assert_ne!(second, first);
        assert_eq!(kept(&path, &provider).unwrap(), second);
        // Where it cannot be kept, there is one all the same.
        let nowhere = dir.path().join("nowhere").join(FILE);
        assert_ne!(kept(&nowhere, &provider).unwrap(), kept(&nowhere, &provider).unwrap());
    }
}
