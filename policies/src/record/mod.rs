//! A record of the audit log, and the interface through which it is written.

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

/// One record of the audit log. Fields that do not apply are absent.
///
/// Text from peers is unescaped. A caller that shows a record to a person escapes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// When it happened.
    pub at: Timestamp,
    /// The event.
    pub event: Event,
    /// How the event ended, if it has ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub outcome: Option<Outcome>,
    /// The precise reason, in a word.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
    /// The flow or request, as in `Doorward-Request-Id`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub flow: Option<FlowId>,
    /// The identified connection.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub session: Option<SessionId>,
    /// Who acted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub subject: Option<Subject>,
    /// The certificate that proved the identity.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub certificate: Option<Serial>,
    /// The address of the peer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source: Option<SocketAddr>,
    /// The network of peers that were counted, not recorded one by one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub prefix: Option<String>,
    /// How the connection or request came in.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub door: Option<Door>,
    /// The action.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub action: Option<Action>,
    /// The device.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub device: Option<Device>,
    /// The path; or what the peer sent, if it named no path.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub path: Option<PeerText>,
    /// The query of an HTTP request, as far as the interface's options record it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub query: Option<PeerText>,
    /// The lines of `policy.csv` that decided.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub rules: Vec<usize>,
    /// The revision of the bundle that decided.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revision: Option<Revision>,
    /// The epoch of the state that decided.
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
    /// How many events were counted, if the record stands for several.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub count: Option<u64>,
    /// When the first counted event happened.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub first: Option<Timestamp>,
    /// When the last counted event happened.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub last: Option<Timestamp>,
    /// Whether the request takes a right away or makes room.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub urgent: bool,
    /// Further details, such as what a change changed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<PeerText>,
}

impl Record {
    /// Returns a record of `event` at `at`, without further fields.
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

    /// Adds the grounds of a decision.
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

    /// Adds how the event ended, and why.
    #[must_use]
    pub fn ended(mut self, outcome: Outcome, reason: impl Into<String>) -> Self {
        self.outcome = Some(outcome);
        self.reason = Some(reason.into());
        self
    }

    /// Adds further details.
    #[must_use]
    pub fn detail(mut self, detail: &str) -> Self {
        self.detail = Some(PeerText::new(detail));
        self
    }
}
