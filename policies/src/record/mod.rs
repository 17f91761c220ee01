//! One entry of the audit log, and the door by which it goes there.

mod bound;
mod door;
mod event;
mod journal;
mod party;

pub use bound::{Bound, Class, WithoutRoom};
pub use door::Door;
pub use event::{Event, Outcome};
pub use journal::{Closing, Journal, JournalError, Opening, Written};
pub use party::Party;

use std::net::SocketAddr;

use doorward_model::{
    Action, Device, Epoch, FlowId, PeerText, Revision, Serial, SessionId, Subject,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::decision::Opinion;

/// One entry of the audit log. Fields that do not apply are absent.
///
/// Text of peers stands here raw; whoever shows a record to a person escapes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
    /// How it ended, where it ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub outcome: Option<Outcome>,
    /// Why: the precise reason, in a word.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// The flow or request; what `Doorward-Request-Id` carries.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub flow: Option<FlowId>,
    /// The identified connection.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub session: Option<SessionId>,
    /// Who acted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub subject: Option<Subject>,
    /// The certificate that proved it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub certificate: Option<Serial>,
    /// Where the peer came from.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source: Option<SocketAddr>,
    /// The network of peers that were counted rather than recorded one by one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub prefix: Option<String>,
    /// How the connection or request came in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub door: Option<Door>,
    /// What was to be done.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub action: Option<Action>,
    /// The device asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub device: Option<Device>,
    /// The path asked for, or what the peer said where it named no path.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub path: Option<PeerText>,
    /// The query of an HTTP request, as far as its interface has it recorded.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub query: Option<PeerText>,
    /// The lines of `policy.csv` that decided.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub rules: Vec<usize>,
    /// The bundle that decided.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revision: Option<Revision>,
    /// The state that decided.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub epoch: Option<Epoch>,
    /// The real address that was dialed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub backend: Option<String>,
    /// Bytes from the client to the backend.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bytes_up: Option<u64>,
    /// Bytes from the backend to the client.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bytes_down: Option<u64>,
    /// How long it lasted, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub millis: Option<u64>,
    /// How many were counted, if this stands for more than one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub count: Option<u64>,
    /// When the first of those was that were counted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub first: Option<Timestamp>,
    /// When the last of those was that were counted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last: Option<Timestamp>,
    /// Whether it tells of a request that takes a right away or makes room.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub urgent: bool,
    /// What else there is to say, such as what a change changed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<PeerText>,
}

impl Record {
    /// A record of `event` at `at` that says nothing else yet.
    #[must_use]
    pub fn new(at: Timestamp, event: Event) -> Self {
        Self {
            at,
            event,
            outcome: None,
            reason: None,
            flow: None,
            session: None,
            subject: None,
            certificate: None,
            source: None,
            prefix: None,
            door: None,
            action: None,
            device: None,
            path: None,
            query: None,
            rules: Vec::new(),
            revision: None,
            epoch: None,
            backend: None,
            bytes_up: None,
            bytes_down: None,
            millis: None,
            count: None,
            first: None,
            last: None,
            urgent: false,
            detail: None,
        }
    }

    /// The record with the grounds of a decision.
    #[must_use]
    pub fn judged(mut self, opinion: &Opinion) -> Self {
        self.rules = opinion.rules.to_vec();
        self.revision = Some(opinion.revision);
        self.epoch = Some(opinion.epoch);
        if let Some(refusal) = opinion.refusal {
            self.outcome = Some(Outcome::Refused);
            self.reason = Some(refusal.as_str().to_owned());
        }
        self
    }

    /// The record of something that ended that way, for that reason.
    #[must_use]
    pub fn ended(mut self, outcome: Outcome, reason: impl Into<String>) -> Self {
        self.outcome = Some(outcome);
        self.reason = Some(reason.into());
        self
    }

    /// The record with what else there is to say.
    #[must_use]
    pub fn detail(mut self, detail: &str) -> Self {
        self.detail = Some(PeerText::new(detail));
        self
    }
}
