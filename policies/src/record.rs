use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;

use doorward_model::{
    Action, Device, Epoch, FlowId, PeerText, Revision, Serial, SessionId, Subject,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

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
    /// Which door was used: `sni`, `connect`, `request`, `management`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub door: Option<String>,
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
    /// How many were counted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub count: Option<u64>,
    /// What else there is to say, such as what a change changed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<PeerText>,
}

/// What a [`Record`] tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Event {
    /// The gateway started.
    Start,
    /// The gateway stopped.
    Stop,
    /// A connection was identified.
    SessionOpen,
    /// An identified connection ended.
    SessionEnd,
    /// A flow was permitted and is about to be dialed.
    FlowOpen,
    /// A flow ended.
    FlowEnd,
    /// A flow was refused.
    FlowRefused,
    /// An operation within a flow was permitted and is about to be forwarded, or as many as are
    /// counted.
    Operation,
    /// An operation within a flow was refused.
    OperationRefused,
    /// A request to the administration was permitted and is about to be done.
    Request,
    /// A request to the administration was done, or failed.
    RequestEnd,
    /// A request to the administration was refused.
    RequestRefused,
    /// Peers were refused before they were identified: a count.
    Refusals,
    /// A certificate is about to be signed.
    Issuing,
    /// A certificate was issued.
    Issued,
    /// A code was made.
    Code,
    /// A code was refused.
    CodeRefused,
    /// An owner claimed the gateway.
    Claimed,
    /// An owner code was made at the machine itself.
    Recovery,
    /// Something needs a person.
    Alarm,
}

impl Event {
    /// The word for tables and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::SessionOpen => "session-open",
            Self::SessionEnd => "session-end",
            Self::FlowOpen => "flow-open",
            Self::FlowEnd => "flow-end",
            Self::FlowRefused => "flow-refused",
            Self::Operation => "operation",
            Self::OperationRefused => "operation-refused",
            Self::Request => "request",
            Self::RequestEnd => "request-end",
            Self::RequestRefused => "request-refused",
            Self::Refusals => "refusals",
            Self::Issuing => "issuing",
            Self::Issued => "issued",
            Self::Code => "code",
            Self::CodeRefused => "code-refused",
            Self::Claimed => "claimed",
            Self::Recovery => "recovery",
            Self::Alarm => "alarm",
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How something ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Both sides ended it as they meant to.
    Done,
    /// The gateway refused it.
    Refused,
    /// The gateway cut it.
    Cut,
    /// A peer broke it off, or something failed.
    Failed,
    /// It was dropped without an ending of its own.
    Abandoned,
}

impl Outcome {
    /// The word for tables and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Cut => "cut",
            Self::Failed => "failed",
            Self::Abandoned => "abandoned",
        }
    }
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

    /// The network that peers of `source` are counted by: the address itself, or for IPv6 its
    /// first 64 bits, which one customer has to itself.
    #[must_use]
    pub fn prefix_of(source: IpAddr) -> String {
        match source.to_canonical() {
            IpAddr::V4(address) => format!("{address}/32"),
            IpAddr::V6(address) => {
                let high = u128::from(address) & !u128::from(u64::MAX);
                format!("{}/64", std::net::Ipv6Addr::from(high))
            }
        }
    }
}

/// Which place a record may take when the log is nearly full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Flows and refusals.
    Ordinary,
    /// What an administrator needs to log in and make room: a part of the log is kept for it.
    Administration,
}

/// The audit log, as the rest of the program sees it.
///
/// `open` and `write` answer when the record is on disk, `append` when it is on its way there, or
/// that it cannot be; then nothing that had to be recorded may happen.
pub trait Journal: Send + Sync {
    /// Records that something begins, and keeps a place for its ending, so that an ending
    /// never waits and is never lost for want of room.
    fn open(&self, class: Class, record: Record) -> Opening;

    /// Records something that has no ending of its own.
    fn write(&self, class: Class, record: Record) -> Written;

    /// Hands over a record of an operation. It answers when the record has its turn; on disk it is
    /// within a second.
    fn append(&self, record: Record) -> Written;
}

/// The place that is kept for an ending.
pub trait Closing: Send + Sync {
    /// Records the ending. On disk within a second; never blocks.
    fn close(self: Box<Self>, record: Record);
}

/// Answers when an opening record is on disk.
pub type Opening =
    Pin<Box<dyn Future<Output = Result<Box<dyn Closing>, JournalError>> + Send + 'static>>;

/// Answers when a record is on disk.
pub type Written = Pin<Box<dyn Future<Output = Result<(), JournalError>> + Send + 'static>>;

/// Why a record cannot be written. Ours or the operator's fault, never a peer's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The log has reached its bound.
    #[error(
        "the audit log is full; make room with `doorward audit prune`, or raise audit.max-bytes"
    )]
    Full,
    /// The disk has no room.
    #[error("the disk is full, so nothing can be recorded; make room in the data directory")]
    DiskFull,
    /// The disk or database refused.
    #[error("the audit log cannot be written: {0}")]
    Broken(String),
    /// More is waiting to be written than may wait.
    #[error("the audit log cannot keep up")]
    Busy,
    /// The gateway is stopping.
    #[error("the gateway is stopping")]
    Closed,
}
