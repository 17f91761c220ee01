//! The error type of the commands.

use std::io;

use thiserror::Error;

use crate::report::ErrorReport;
use crate::settings::SettingsError;

/// Why a command failed. The program prints it on one line and exits with the status of its
/// [`ErrorReport`].
#[derive(Debug, Error)]
pub enum Failure {
    /// The gateway refused something, or could not be reached.
    #[error(transparent)]
    Gateway(#[from] doorward_sdk::Error),
    /// Something that is fully described: a flow that was refused or cut, an identity that is over.
    #[error("{0}")]
    Reported(ErrorReport),
    /// The command line has to be changed.
    #[error("{0}")]
    Usage(String),
    /// A file that the command line names has to be changed.
    #[error("{0}")]
    Settings(String),
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
            SettingsError::Wrong(why) => Self::Settings(why),
        }
    }
}

impl From<Failure> for ErrorReport {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Gateway(error) => error.into(),
            Failure::Reported(report) => report,
            Failure::Usage(why) => Self::usage("").saying(&why),
            Failure::Settings(why) => Self::new("settings", why),
            Failure::Cut(error) => Self::cut(None, &error, ""),
            Failure::Local { what, error } => {
                Self::new("local", "").saying(&format!("{what}: {error}"))
            }
            Failure::Declined => Self::new("declined", "nothing was sent"),
        }
    }
}

/// The message for commands that are not implemented yet.
pub const NOT_BUILT: &str = "is not built yet in this version";
