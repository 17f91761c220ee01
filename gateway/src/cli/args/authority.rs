//! The arguments of `doorward ca`.

use std::path::PathBuf;

use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum CaCommand {
    /// Show the authority's certificates and fingerprints
    #[command(after_help = "Example: doorward ca show")]
    Show,
    /// Print, as a JWK Set, the public keys that verify Doorward-Identity tokens
    ///
    /// A backend with identity=signed needs these keys.
    #[command(after_help = "Example: doorward ca jwks > jwks.json")]
    Jwks,
    /// Use an existing issuing authority; only before the first start
    #[command(
        after_help = "Example: doorward ca import --cert issuing.pem --key issuing-key.pem --root root.pem"
    )]
    Import {
        /// The data directory of the new gateway (default: $XDG_DATA_HOME/doorward)
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// The gateway's configuration file
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// The issuing certificate in PEM, followed by any certificates between it and the root
        #[arg(long, value_name = "FILE")]
        cert: PathBuf,
        /// The issuing certificate's private key in PEM, not encrypted
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// The root certificate in PEM
        #[arg(long, value_name = "FILE")]
        root: PathBuf,
    },
    /// Write the revocation list (not built yet)
    #[command(after_help = "Example: doorward ca crl")]
    Crl,
    /// Replace the issuing authority (not built yet)
    #[command(after_help = "Example: doorward ca rotate")]
    Rotate,
}
