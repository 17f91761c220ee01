use std::io;
use std::path::PathBuf;

use doorward_model::{CodeError, escape, escape_lines};
use thiserror::Error;

/// Why something did not work. [`Error::next`] says whether to try again.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The code is no code.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// The code has expired, by this machine's clock.
    #[error("the code expired at {0}; ask for a new one")]
    CodeExpired(jiff::Timestamp),
    /// There is an identity already.
    #[error("{0} holds an identity already; add --replace to give it up for a new one")]
    IdentityExists(PathBuf),
    /// There is no identity.
    #[error("{0} holds no identity; enrol first, with the code that the administrator gave you")]
    NoIdentity(PathBuf),
    /// An identity file is missing or does not read.
    #[error("{path}: {why}")]
    IdentityFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A file could not be read or written.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The gateway's address is no URL of it.
    #[error("'{}' is no gateway's URL; it looks like https://HOST:PORT", escape(.0))]
    Url(String),
    /// The gateway was not reached.
    #[error("{url} was not reached: {error}")]
    Unreachable {
        /// The gateway.
        url: String,
        /// What the network says.
        error: io::Error,
    },
    /// The gateway is not the one that it should be, or refuses the identity.
    #[error("{url}: {why}")]
    Tls {
        /// The gateway.
        url: String,
        /// What TLS says.
        why: String,
    },
    /// The gateway answered with a refusal.
    #[error("{}{}", escape_lines(.detail), .id.as_ref().map(|id| format!(" (request {})", escape(id))).unwrap_or_default())]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What the gateway says to do next.
        detail: String,
        /// The id under which the gateway's audit log has it.
        id: Option<String>,
    },
    /// The gateway said something that is no answer.
    #[error("the gateway gave an answer that cannot be read: {0}")]
    Answer(String),
    /// The renewed identity was not accepted; the former one stays.
    #[error("the renewed identity was not accepted, so the former one stays: {0}")]
    NotAccepted(Box<Error>),
    /// The cryptographic library refused.
    #[error("the cryptographic library refused to {0}")]
    Crypto(&'static str),
}

/// What to do after an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It may work later, with the same identity.
    Retry,
    /// It will not work until a person has done something.
    GiveUp,
}

impl Error {
    /// Whether to try again.
    #[must_use]
    pub fn next(&self) -> Next {
        match self {
            Self::Unreachable { .. } | Self::Answer(_) => Next::Retry,
            Self::Refused { status, .. } if *status >= 500 || *status == 429 => Next::Retry,
            Self::NotAccepted(error) => error.next(),
            _ => Next::GiveUp,
        }
    }
}
