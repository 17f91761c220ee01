//! Why a command failed, in one line for whoever typed it.

use std::io;

use thiserror::Error;

/// Why a command did not do what it was asked to. Printed on one line; the exit status is 1.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Failure {
    /// The gateway, or the way to it.
    #[error(transparent)]
    Gateway(#[from] doorward_sdk::Error),
    /// There is no flow: the gateway refuses it, or was not reached.
    #[error("{0}")]
    Refused(String),
    /// Something that only the command line can mend.
    #[error("{0}")]
    Usage(String),
    /// The far end did not end the flow properly: it was refused, cut, or broke.
    #[error("the flow was cut or refused: {0}")]
    Cut(io::Error),
    /// This machine refuses.
    #[error("{what}: {error}")]
    Local {
        /// What was tried.
        what: String,
        /// What the system says.
        error: io::Error,
    },
    /// The person at the terminal said no.
    #[error("nothing was sent")]
    Declined,
}

/// What a command that is still to come says.
pub const NOT_BUILT: &str = "is not built yet in this version";
