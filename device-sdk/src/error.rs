//! Why something did not work, and what to do next.

use std::io;
use std::path::PathBuf;

use doorward_model::{CodeError, Name, escape, escape_lines};
use doorward_wire::Why;
use jiff::Timestamp;
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
    CodeExpired(Timestamp),
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
        /// What kind of refusal it is: the last segment of the problem document's `type`
        /// (RFC 9457), or `failed` if the gateway sent none.
        kind: String,
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
    /// The gateway did not open a flow.
    #[error("{why}{}{}", colon(.detail), in_parentheses("flow", .flow))]
    Flow {
        /// Why, in a coarse word.
        why: Why,
        /// What the gateway says to do next.
        detail: String,
        /// The id under which the gateway's audit log has the reason; empty if it has none.
        flow: String,
    },
    /// The gateway did not grant a request on the control stream.
    #[error("the gateway declines: {why}{}", colon(.detail))]
    Declined {
        /// Why, in a coarse word.
        why: Why,
        /// What the gateway says to do next.
        detail: String,
    },
    /// There was no connection to the gateway in time.
    #[error("not connected to the gateway: {}", escape(.why))]
    NotConnected {
        /// Why not.
        why: String,
        /// Whether it will be, without a person doing something.
        next: Next,
    },
    /// The connection ended before the gateway had answered.
    #[error("the connection to the gateway broke off: {}", escape(.0))]
    Broken(String),
    /// The gateway has told a time that cannot be: it is not the gateway, or its clock is wrong.
    #[error("the gateway says that it is {told}, {why}; its clock is wrong")]
    Time {
        /// What it told.
        told: Timestamp,
        /// Why that cannot be.
        why: &'static str,
    },
    /// The interface is offered already, by this very client.
    #[error("'{0}' is offered already; withdraw that offer first")]
    OfferedAlready(Name),
    /// The client was stopped.
    #[error("the client was stopped; start another one")]
    Stopped,
    /// A client was started outside of a tokio runtime. The program's fault.
    #[error("a client is started within a tokio runtime")]
    NoRuntime,
    /// The cryptographic library refused.
    #[error("the cryptographic library refused to {0}")]
    Crypto(&'static str),
}

fn colon(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(": {}", escape_lines(detail)) }
}

fn in_parentheses(what: &str, id: &str) -> String {
    if id.is_empty() { String::new() } else { format!(" ({what} {})", escape(id)) }
}

/// What to do after an [`enum@Error`].
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
            Self::Unreachable { .. } | Self::Answer(_) | Self::Broken(_) | Self::Time { .. } => {
                Next::Retry
            }
            Self::Flow { why, .. } | Self::Declined { why, .. } => after(*why),
            Self::NotConnected { next, .. } => *next,
            Self::Refused { status, .. } if *status >= 500 || *status == 429 => Next::Retry,
            Self::NotAccepted(error) => error.next(),
            // Room can be made without anybody knowing of this program.
            Self::File { error, .. } if error.kind() == io::ErrorKind::StorageFull => Next::Retry,
            _ => Next::GiveUp,
        }
    }
}

/// Whether what was refused for that reason may be granted later.
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
        let flow = |why| Error::Flow { why, detail: "x".to_owned(), flow: "F1".to_owned() };
        assert_eq!(flow(Why::Busy).next(), Next::Retry);
        assert_eq!(flow(Why::Forbidden).next(), Next::GiveUp);
        assert_eq!(flow(Why::Busy).to_string(), "too many at once: x (flow F1)");
        let full = Error::File { path: "/x".into(), error: io::ErrorKind::StorageFull.into() };
        assert_eq!(full.next(), Next::Retry);
    }
}
