//! The arguments of `doorward serve` and `doorward recover`.

use std::path::PathBuf;

use clap::Args;

#[derive(Args)]
pub(crate) struct Serve {
    /// The data directory (default: $XDG_DATA_HOME/doorward)
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The address at which clients reach interfaces (default: [::]:8443)
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// The address of the administration (default: 127.0.0.1:8444)
    #[arg(long, value_name = "ADDR")]
    pub(crate) management: Option<String>,
    /// The DNS suffix and trust domain; the first start fixes it (default: doorward.home.arpa)
    #[arg(long, value_name = "NAME")]
    pub(crate) domain: Option<String>,
    /// Print the owner code even if standard output is not a terminal
    #[arg(long)]
    pub(crate) print_code: bool,
    /// Start with simulated devices and print commands to try; without --data, the demonstration
    /// deletes its data when it ends
    #[arg(long)]
    pub(crate) demo: bool,
}

#[derive(Args)]
pub(crate) struct Recover {
    /// The gateway's data directory (default: $XDG_DATA_HOME/doorward)
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// The gateway's configuration file
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print the code even if standard output is not a terminal
    #[arg(long)]
    pub(crate) print_code: bool,
}
