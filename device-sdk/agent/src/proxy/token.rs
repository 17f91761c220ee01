//! The token that programs show to use the local proxy.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::failure::Failure;
use crate::private;

/// What programs show to use the proxy: 128 bits, made anew at each start.
#[derive(Clone)]
pub(super) struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

impl Token {
    pub(super) fn new() -> Result<Self, Failure> {
        let mut bytes = [0; 16];
        rand::fill(&mut bytes).map_err(|_| Failure::Local {
            what: "the proxy's token".to_owned(),
            error: io::Error::other("there is no randomness"),
        })?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes)))
    }

    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn of(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Whether this is it. How long that takes tells nothing but its length, which all know.
    pub(super) fn is(&self, shown: &[u8]) -> bool {
        verify_slices_are_equal(self.0.as_bytes(), shown).is_ok()
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }

    /// Leaves it in `DIR/proxy-token`, for its owner alone, as long as the value lives.
    pub(super) fn keep(&self, dir: &Path) -> Result<Kept, Failure> {
        let path = dir.join("proxy-token");
        private::write(&path, format!("{}\n", self.0).as_bytes())
            .map_err(|error| Failure::Local { what: path.display().to_string(), error })?;
        Ok(Kept(path))
    }
}

/// The file of a token, removed with its proxy.
pub(crate) struct Kept(PathBuf);

impl Drop for Kept {
    fn drop(&mut self) {
        // Whoever removed it first has saved us the work.
        drop(std::fs::remove_file(&self.0));
    }
}
