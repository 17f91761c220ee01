//! The status of a client.

use std::collections::BTreeMap;

use doorward_model::{Name, Subject};
use jiff::Timestamp;
use serde::Serialize;

use crate::identity::{Identity, Validity};

/// The status of a [`Client`](crate::Client). Times are the gateway's, once it has sent its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Status {
    /// The state of the connection.
    pub state: State,
    /// The gateway's URL.
    pub gateway: String,
    /// The subject of the identity.
    pub subject: Subject,
    /// The validity of the identity.
    pub validity: Validity,
    /// When the identity will be renewed, once that is known.
    pub renewal: Option<Timestamp>,
    /// Why the last renewal failed, until one succeeds.
    pub renewal_problem: Option<String>,
    /// The gateway's answer to each offered interface: accepted, or the reason. Interfaces without
    /// an answer are missing.
    pub offers: BTreeMap<Name, Result<(), String>>,
    /// The gateway's answer to the last report.
    pub posture: Option<Result<(), String>>,
    /// By how many seconds this machine's clock is behind the gateway's, once that is known.
    pub clock_behind: Option<i64>,
}

/// The state of a client's connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum State {
    /// The client is connecting.
    Connecting,
    /// The client is connected.
    Up {
        /// The transport: `quic` or `tls`.
        carrier: &'static str,
        /// The session's id in the gateway's audit log.
        session: String,
        /// Since when.
        since: Timestamp,
    },
    /// The client waits before the next attempt.
    Waiting {
        /// The time of the next attempt.
        until: Timestamp,
        /// Why there is no connection, for people.
        why: String,
    },
    /// The client was stopped, or only a person can help: the gateway does not accept the identity
    /// any more, or speaks no version in common. In the latter cases the client still tries again,
    /// about every hour or more often.
    Ended {
        /// The reason, for people.
        why: String,
    },
}

impl Status {
    pub(crate) fn new(identity: &Identity, validity: Validity) -> Self {
        let facts = identity.gateway();
        Self {
            state: State::Connecting,
            gateway: facts.url.clone(),
            subject: facts.subject.clone(),
            validity,
            renewal: None,
            renewal_problem: None,
            offers: BTreeMap::new(),
            posture: None,
            clock_behind: None,
        }
    }
}
