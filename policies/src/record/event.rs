//! The event of a record, and how it ended.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The event of a [`Record`](super::Record).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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
    /// An operation within a flow was permitted and is about to be forwarded; or several, with a
    /// count.
    Operation,
    /// An operation within a flow was refused.
    OperationRefused,
    /// A request to the administration was permitted and is about to be done.
    Request,
    /// A request to the administration was done, or failed.
    RequestEnd,
    /// A request to the administration was refused.
    RequestRefused,
    /// Peers were refused before they were identified. The record has their count.
    Refusals,
    /// A certificate is about to be signed.
    Issuing,
    /// A certificate was issued.
    Issued,
    /// A code was refused.
    CodeRefused,
    /// An owner claimed the gateway.
    Claimed,
    /// An owner code was made on the machine itself.
    Recovery,
    /// Something needs a person.
    Alarm,
}

impl Event {
    /// Returns the word for tables and JSON.
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

/// How an event ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Both sides ended it in the proper way.
    Done,
    /// The gateway refused it.
    Refused,
    /// The gateway cut it.
    Cut,
    /// A peer broke it off, or something failed.
    Failed,
    /// It was dropped without a proper end.
    Abandoned,
}

impl Outcome {
    /// Returns the word for tables and JSON.
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
