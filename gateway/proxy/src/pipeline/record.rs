//! How a flow's end, or its refusal, is recorded.

use std::fmt;

use doorward_model::PeerText;
use doorward_policies::{Closing, Event, Journal, Outcome, Record};
use doorward_session::note;
use jiff::Timestamp;

use super::authorize::RefusedFlow;
use super::held::HeldLeases;

/// The place that is kept in the audit log for how a flow ends. If it is dropped without an
/// ending, it records that the flow was abandoned.
#[must_use]
pub(crate) struct FlowEnding {
    place: Option<Box<dyn Closing>>,
    opening: Option<Record>,
}

impl FlowEnding {
    pub(super) fn new(place: Box<dyn Closing>, opening: Record) -> Self {
        Self { place: Some(place), opening: Some(opening) }
    }

    fn close(mut self, record: impl FnOnce(Record) -> Record) {
        if let (Some(place), Some(opening)) = (self.place.take(), self.opening.take()) {
            place.close(record(opening));
        }
    }
}

impl Drop for FlowEnding {
    fn drop(&mut self) {
        if let (Some(place), Some(mut record)) = (self.place.take(), self.opening.take()) {
            record.event = Event::FlowEnd;
            place.close(record.ended(Outcome::Abandoned, "abandoned"));
        }
    }
}

impl fmt::Debug for FlowEnding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FlowEnding")
    }
}

/// A flow that is over. It must be recorded; if it is dropped instead, it records itself as
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
    /// What else there is to say of it.
    pub(super) detail: Option<String>,
}

impl Ended {
    /// How it ended.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Why, in a word.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.reason
    }
}

/// Records how a flow ended. Never waits: its place has been kept.
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

/// Records a refused flow, and waits until that is on disk: whoever is refused may look the
/// refusal up by its id. That it cannot be recorded does not make it less refused.
pub async fn refuse(journal: &dyn Journal, refused: &RefusedFlow, now: Timestamp) {
    note(journal, refused.record(now)).await;
}
