//! Records how a flow ended, or why it was refused.

use std::fmt;

use doorward_model::PeerText;
use doorward_policies::{Closing, Event, Journal, Outcome, Record};
use doorward_session::note;
use jiff::Timestamp;

use super::authorize::RefusedFlow;
use super::held::HeldLeases;

/// The reserved ending of a flow in the audit log. If it is dropped without an ending, it records
/// that the flow was abandoned.
#[must_use]
pub(crate) struct FlowEnding {
    closing: Option<Box<dyn Closing>>,
    opening: Option<Record>,
}

impl FlowEnding {
    pub(super) fn new(closing: Box<dyn Closing>, opening: Record) -> Self {
        Self { closing: Some(closing), opening: Some(opening) }
    }

    fn close(mut self, record: impl FnOnce(Record) -> Record) {
        if let (Some(closing), Some(opening)) = (self.closing.take(), self.opening.take()) {
            closing.close(record(opening));
        }
    }
}

impl Drop for FlowEnding {
    fn drop(&mut self) {
        if let (Some(closing), Some(mut record)) = (self.closing.take(), self.opening.take()) {
            record.event = Event::FlowEnd;
            closing.close(record.ended(Outcome::Abandoned, "abandoned"));
        }
    }
}

impl fmt::Debug for FlowEnding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FlowEnding")
    }
}

/// A flow that is over, and must be recorded. If it is dropped instead, it records itself as
/// abandoned.
#[derive(Debug)]
#[must_use]
pub struct Ended {
    pub(super) lease: HeldLeases,
    pub(super) ending: FlowEnding,
    pub(super) outcome: Outcome,
    pub(super) reason: &'static str,
    /// The real address of the backend, if one was dialed.
    pub(super) backend: Option<String>,
    /// More to record about the end.
    pub(super) detail: Option<String>,
}

impl Ended {
    /// Returns how the flow ended.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Returns the reason, in a word.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.reason
    }
}

/// Records how a flow ended. Never waits, because the ending's slot is reserved.
pub fn record(ended: Ended) {
    let Ended { lease, ending, outcome, reason, backend, detail } = ended;
    ending.close(|opening| {
        let mut record = lease.ending(outcome, reason);
        record.door = opening.door;
        record.backend = backend.or(opening.backend);
        record.detail = match (&opening.detail, detail) {
            (Some(first), Some(more)) => Some(PeerText::new(&format!("{}; {more}", first.raw()))),
            (None, Some(more)) => Some(PeerText::new(&more)),
            (_, None) => opening.detail,
        };
        record
    });
}

/// Records a refused flow, and waits until the record is on disk, because the client may look up
/// the refusal by its id. If the record cannot be written, the flow stays refused.
pub async fn refuse(journal: &dyn Journal, refused: &RefusedFlow, now: Timestamp) {
    note(journal, refused.record(now)).await;
}
