//! The option that names the identity directory.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser as _};
use doorward_sdk::IdentityDir;

/// The option that names the identity directory.
#[derive(Args, Clone, Debug)]
pub struct IdentityArgs {
    /// The identity directory: key.pem, cert.pem, ca.pem and gateway.json
    #[arg(
        long,
        value_name = "DIR",
        env = "DOORWARD_IDENTITY",
        global = true,
        // The usual parser of paths refuses an empty variable, which shells use for an unset one.
        value_parser = OsStringValueParser::new().map(PathBuf::from),
    )]
    pub identity: Option<PathBuf>,
}

impl IdentityArgs {
    /// Returns the directory: `dir` if a command names one, else `--identity`, else the default. An
    /// empty `--identity` or `DOORWARD_IDENTITY` counts as absent.
    #[must_use]
    pub fn dir(&self, dir: Option<PathBuf>) -> IdentityDir {
        IdentityDir::new(
            dir.or_else(|| self.identity.clone().filter(|path| !path.as_os_str().is_empty()))
                .unwrap_or_else(default_dir),
        )
    }
}

/// Returns `$XDG_CONFIG_HOME/doorward/identity`, or `~/.config/doorward/identity`.
#[must_use]
pub fn default_dir() -> PathBuf {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = set("XDG_CONFIG_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".config")))
        .unwrap_or_else(|| PathBuf::from("."));
    config.join("doorward/identity")
}
