//! The token that programs need to use the local proxy.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::failure::Failure;
use crate::private;

/// The proxy's token: 128 random bits, new at each start.
#[derive(Clone)]
pub(super) struct ProxyToken(String);

impl fmt::Debug for ProxyToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

impl ProxyToken {
    pub(super) fn new() -> Result<Self, Failure> {
        let mut bytes = [0; 16];
        rand::fill(&mut bytes).map_err(|_| Failure::Local {
            what: "the proxy's token".to_owned(),
            error: io::Error::other("the system has no random numbers"),
        })?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes)))
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn of(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Returns whether `shown` is the token. The time it takes depends only on the length, which is
    /// not secret.
    pub(super) fn is(&self, shown: &[u8]) -> bool {
        verify_slices_are_equal(self.0.as_bytes(), shown).is_ok()
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }

    /// Writes the token to `DIR/proxy-token`, readable by its owner only. Dropping the result
    /// removes the file.
    pub(super) fn keep(&self, dir: &Path) -> Result<TokenFile, Failure> {
        let path = dir.join("proxy-token");
        private::write(&path, format!("{}\n", self.0).as_bytes())
            .map_err(|error| Failure::Local { what: path.display().to_string(), error })?;
        Ok(TokenFile(path))
    }
}

/// The token's file, which is removed with this value.
pub(crate) struct TokenFile(PathBuf);

impl TokenFile {
    /// Returns where the file is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TokenFile {
    fn drop(&mut self) {
        // Fails if somebody else has removed the file already.
        drop(std::fs::remove_file(&self.0));
    }
}
