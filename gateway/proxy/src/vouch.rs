//! The port that makes statements to backends of who asks.

use doorward_model::{DoorName, FlowId, Subject};
use jiff::Timestamp;
use thiserror::Error;

/// Tells a backend, in words that it can verify, who asks. The proxy has no keys; whoever fills
/// this has one.
pub trait Vouch: Send + Sync {
    /// The words for `asker` at `now`.
    ///
    /// # Errors
    /// When there are none; then the request is not forwarded.
    fn vouch(&self, asker: &Asker<'_>, now: Timestamp) -> Result<Vouched, NotVouched>;
}

/// Who asks, where and in which flow.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// The subject of the session.
    pub subject: &'a Subject,
    /// The interface.
    pub door: &'a DoorName,
    /// The flow.
    pub flow: FlowId,
}

/// What a backend is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vouched {
    /// The value of a header field.
    pub words: String,
    /// Until when a backend believes it.
    pub until: Timestamp,
}

/// Nobody can be vouched for; the text says why, to the operator.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct NotVouched(pub String);
