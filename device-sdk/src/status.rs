//! How a client is, for whoever asks.

use std::collections::BTreeMap;

use doorward_model::{Name, Subject};
use jiff::Timestamp;
use serde::Serialize;

use crate::identity::{Identity, Validity};

/// How a [`Client`](crate::Client) is. Times are the gateway's, as far as it has told them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Status {
    /// What its connection does.
    pub state: State,
    /// Where its gateway is.
    pub gateway: String,
    /// Whom its identity identifies.
    pub subject: Subject,
    /// From when until when its identity is valid.
    pub validity: Validity,
    /// When the identity will be renewed, once that is known.
    pub renewal: Option<Timestamp>,
    /// Why the last renewal has failed, until one succeeds.
    pub renewal_problem: Option<String>,
    /// What the gateway has answered to each offered interface: taken, or why not. One that it
    /// has not answered to is not in it.
    pub offers: BTreeMap<Name, Result<(), String>>,
    /// What the gateway has answered to the last report.
    pub posture: Option<Result<(), String>>,
    /// By how many seconds this machine's clock is behind the gateway's, once that is known.
    pub clock_behind: Option<i64>,
}

/// What a client's connection does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum State {
    /// It is being made.
    Connecting,
    /// It stands.
    Up {
        /// What it travels on: `quic` or `tls`.
        carrier: &'static str,
        /// The id of the session in the gateway's audit log.
        session: String,
        /// Since when.
        since: Timestamp,
    },
    /// It will be tried again.
    Waiting {
        /// When.
        until: Timestamp,
        /// Why it does not stand, for people.
        why: String,
    },
    /// It is over: stopped, or nothing that will change without a person. The latter is looked
    /// at again every hour.
    Ended {
        /// Why, for people.
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
