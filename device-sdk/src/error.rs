//! The error type of this crate.

use std::io;
use std::path::PathBuf;

use doorward_model::{CodeError, Name, escape, escape_lines};
use doorward_wire::Why;
use jiff::Timestamp;
use thiserror::Error;

/// Why an operation failed. [`Error::next`] says whether to try again.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is not a code.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// The code has expired, by this machine's clock.
    #[error("the code expired at {0}; ask for a new one")]
    CodeExpired(Timestamp),
    /// There is an identity already.
    #[error("{0} holds an identity already; add --replace to give it up for a new one")]
    IdentityExists(PathBuf),
    /// There is no identity.
    #[error("{0} holds no identity; enrol first, with the code that the administrator gave you")]
    NoIdentity(PathBuf),
    /// A file of the identity is missing or wrong.
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
        /// The system's error.
        error: io::Error,
    },
    /// The text is not the URL of a gateway.
    #[error("'{}' is not a gateway's URL; use https://HOST:PORT", escape(.0))]
    Url(String),
    /// The gateway was not reached.
    #[error("{url} was not reached: {error}")]
    Unreachable {
        /// The gateway's URL.
        url: String,
        /// The network's error.
        error: io::Error,
    },
    /// The server is not the expected gateway, or the gateway refuses the identity.
    #[error("{url}: {why}")]
    Tls {
        /// The gateway's URL.
        url: String,
        /// The reason, from TLS.
        why: String,
    },
    /// The gateway refused an HTTP request.
    #[error("{}{}", escape_lines(.detail), .id.as_ref().map(|id| format!(" (request {})", escape(id))).unwrap_or_default())]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What kind of refusal it is: the last segment of the problem document's `type`
        /// (RFC 9457), or `failed` if the gateway sent none.
        kind: String,
        /// What to do next, from the gateway.
        detail: String,
        /// The id of the record in the gateway's audit log.
        id: Option<String>,
    },
    /// The gateway's answer is not what the protocol requires.
    #[error("cannot use the gateway's answer: {0}")]
    Answer(String),
    /// The gateway did not accept the renewed identity. The former one stays in use.
    #[error("the renewed identity was not accepted, so the former one stays: {0}")]
    NotAccepted(Box<Error>),
    /// The gateway did not open a flow.
    #[error("{why}{}{}{}", colon(.detail), later(.from.as_ref()), in_parentheses("flow", .flow))]
    Flow {
        /// The reason, as far as the client may know it.
        why: Why,
        /// What to do next, from the gateway.
        detail: String,
        /// The id of the record in the gateway's audit log; empty if there is none.
        flow: String,
        /// When a rule could allow it if nothing but the time changes. Without it, waiting changes
        /// nothing about a [`Why::Forbidden`].
        from: Option<Timestamp>,
    },
    /// The gateway declined a request on the control stream.
    #[error("the gateway declines: {why}{}", colon(.detail))]
    Declined {
        /// The reason, as far as the client may know it.
        why: Why,
        /// What to do next, from the gateway.
        detail: String,
    },
    /// There was no connection to the gateway in time.
    #[error("not connected to the gateway: {}", escape(.why))]
    NotConnected {
        /// The reason.
        why: String,
        /// Whether a connection can come without a person's help.
        next: Next,
    },
    /// The connection ended before the gateway answered.
    #[error("the connection to the gateway broke off: {}", escape(.0))]
    Broken(String),
    /// The gateway sent an impossible time. It is not the gateway, or its clock is wrong.
    #[error("the gateway's time is {told}, {why}; its clock is wrong")]
    Time {
        /// The time that it sent.
        told: Timestamp,
        /// Why that time is impossible.
        why: &'static str,
    },
    /// This client offers the interface already.
    #[error("'{0}' is offered already; withdraw that offer first")]
    OfferedAlready(Name),
    /// The client was stopped.
    #[error("the client was stopped; start another one")]
    Stopped,
    /// The program started a client outside of a tokio runtime.
    #[error("start the client within a tokio runtime")]
    NoRuntime,
    /// The cryptographic library failed.
    #[error("the cryptographic library could not {0}")]
    Crypto(&'static str),
}

fn colon(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(": {}", escape_lines(detail)) }
}

fn in_parentheses(what: &str, id: &str) -> String {
    if id.is_empty() { String::new() } else { format!(" ({what} {})", escape(id)) }
}

fn later(from: Option<&Timestamp>) -> String {
    from.map_or_else(String::new, |from| format!("; a rule could allow it from {from} on"))
}

/// What to do after an [`enum@Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Try again later with the same identity.
    Retry,
    /// Wait for a person to do something.
    GiveUp,
}

impl Error {
    /// Returns whether to try again.
    #[must_use]
    pub fn next(&self) -> Next {
        match self {
            Self::Unreachable { .. } | Self::Answer(_) | Self::Broken(_) | Self::Time { .. } => {
                Next::Retry
            }
            Self::Flow { from: Some(_), .. } => Next::Retry,
            Self::Flow { why, from: None, .. } | Self::Declined { why, .. } => after(*why),
            Self::NotConnected { next, .. } => *next,
            Self::Refused { status, .. } if *status >= 500 || *status == 429 => Next::Retry,
            Self::NotAccepted(error) => error.next(),
            // Space can become free without anybody knowing of this program.
            Self::File { error, .. } if error.kind() == io::ErrorKind::StorageFull => Next::Retry,
            Self::Code(_)
            | Self::CodeExpired(_)
            | Self::IdentityExists(_)
            | Self::NoIdentity(_)
            | Self::IdentityFile { .. }
            | Self::File { .. }
            | Self::Url(_)
            | Self::Tls { .. }
            | Self::Refused { .. }
            | Self::OfferedAlready(_)
            | Self::Stopped
            | Self::NoRuntime
            | Self::Crypto(_) => Next::GiveUp,
        }
    }
}

/// Returns whether a request refused for this reason may be granted later.
fn after(why: Why) -> Next {
    match why {
        Why::Busy
        | Why::Unreachable
        | Why::NoAnswer
        | Why::Taken
        | Why::NotRecorded
        | Why::Stopping
        | Why::Idle
        | Why::Broken
        | Why::Replaced
        | Why::Other(_) => Next::Retry,
        Why::Forbidden | Why::Wrong | Why::Version | Why::Ended => Next::GiveUp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_whether_to_try_again() {
        let at =
            |why, from| Error::Flow { why, detail: "x".to_owned(), flow: "F1".to_owned(), from };
        let flow = |why| at(why, None);
        assert_eq!(flow(Why::Busy).next(), Next::Retry);
        assert_eq!(flow(Why::Forbidden).next(), Next::GiveUp);
        assert_eq!(flow(Why::Busy).to_string(), "too many flows at once: x (flow F1)");
        let later = at(Why::Forbidden, Some(Timestamp::UNIX_EPOCH));
        assert_eq!(later.next(), Next::Retry);
        assert!(later.to_string().contains("from 1970-01-01T00:00:00Z on (flow"), "{later}");
        let full = Error::File { path: "/x".into(), error: io::ErrorKind::StorageFull.into() };
        assert_eq!(full.next(), Next::Retry);
    }
}
