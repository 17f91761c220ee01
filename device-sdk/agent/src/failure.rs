//! The error type of the commands.

use std::io;

use thiserror::Error;

use crate::settings::SettingsError;

/// Why a command failed. The program prints it on one line and exits with status 1.
#[derive(Debug, Error)]
pub enum Failure {
    /// The gateway refused something, or could not be reached.
    #[error(transparent)]
    Gateway(#[from] doorward_sdk::Error),
    /// The flow was not opened: the gateway refused it or could not be reached.
    #[error("{0}")]
    Refused(String),
    /// The command line or a file it names has to be changed.
    #[error("{0}")]
    Usage(String),
    /// The far end did not end the flow properly: it refused, cut or broke the flow.
    #[error("the flow was cut or refused: {0}")]
    Cut(io::Error),
    /// A local operation failed.
    #[error("{what}: {error}")]
    Local {
        /// What was used: a path, an address, a stream.
        what: String,
        /// The system's error.
        error: io::Error,
    },
    /// The person at the terminal declined.
    #[error("nothing was sent")]
    Declined,
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        match error {
            SettingsError::Unreadable { file, error } => Self::Local { what: file, error },
            SettingsError::Wrong(why) => Self::Usage(why),
        }
    }
}

/// The message for commands that are not implemented yet.
pub const NOT_BUILT: &str = "is not built yet in this version";
