//! The port that signs statements to backends about who asks.

use doorward_model::{DoorName, FlowId, Subject};
use jiff::Timestamp;
use thiserror::Error;

/// Makes statements that a backend can verify, about who asks. The proxy has no keys; the
/// implementer of this port has one.
pub trait Vouch: Send + Sync {
    /// Returns the statement about `asker` at `now`.
    ///
    /// # Errors
    /// When there is none. Then the request is not forwarded.
    fn vouch(&self, asker: &IdentifiedAsker<'_>, now: Timestamp) -> Result<Vouched, NotVouched>;
}

/// Who asks, at which interface and in which flow.
#[derive(Clone, Copy, Debug)]
pub struct IdentifiedAsker<'a> {
    /// The subject of the session.
    pub subject: &'a Subject,
    /// The interface.
    pub door: &'a DoorName,
    /// The flow.
    pub flow: FlowId,
}

/// A signed statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouched {
    /// The value of a header field.
    pub words: String,
    /// Until when a backend accepts it.
    pub until: Timestamp,
}

/// Why there is no statement, for the operator.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct NotVouched(pub String);
