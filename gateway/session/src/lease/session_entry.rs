//! A session as the index keeps it: who has proven an identity, by what, and whether it still
//! stands.

use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use doorward_model::{SessionId, Subject, SubjectId};
use doorward_policies::{Door, Event, Journal, JournalError, Outcome, Proof, Record};
use jiff::Timestamp;

use super::cause::{Cause, Switch};
use super::ledger::Ledger;
use crate::identify::VerifiedIdentity;

/// A session in the index.
pub(crate) struct SessionEntry {
    pub(crate) id: SessionId,
    pub(crate) subject: Subject,
    pub(crate) subject_id: SubjectId,
    pub(crate) proven: Timestamp,
    state: Mutex<SessionState>,
    pub(crate) began: Timestamp,
    pub(crate) key: AtomicU64,
    pub(crate) cut: Switch,
    ledger: Arc<Ledger>,
}

/// The part of a session that can change while it lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionState {
    /// What the session rests on: the proof that opened it, or a renewal that it adopted.
    pub(crate) proof: Proof,
    pub(crate) not_after: Timestamp,
    /// The last proven address of a connection of the session, and how that connection came in. For
    /// lists and records; a question has the address of its own connection.
    pub(crate) seen: (SocketAddr, Door),
}

impl SessionEntry {
    pub(super) fn new(
        id: SessionId,
        identity: VerifiedIdentity,
        seen: (SocketAddr, Door),
        now: Timestamp,
        proven: Timestamp,
    ) -> Self {
        Self {
            id,
            subject: identity.subject,
            subject_id: identity.id,
            proven,
            state: Mutex::new(SessionState {
                proof: identity.proof,
                not_after: identity.not_after,
                seen,
            }),
            began: now,
            key: AtomicU64::new(0),
            cut: Switch::new(),
            ledger: Arc::new(Ledger::new()),
        }
    }

    pub(crate) fn state(&self) -> SessionState {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn change_state(&self, change: impl FnOnce(&mut SessionState)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Returns the record with the session and what proves it, and with this address and door.
    pub(super) fn about(&self, mut record: Record, (peer, door): (SocketAddr, Door)) -> Record {
        record.session = Some(self.id);
        record.subject = Some(self.subject.clone());
        record.certificate = self.state().proof.serial().cloned();
        record.source = Some(peer);
        record.door = Some(door);
        record
    }

    fn own_record(&self, at: Timestamp, event: Event) -> Record {
        self.about(Record::new(at, event), self.state().seen)
    }

    /// Hands the opening record to the audit log, and does not wait for the disk.
    pub(super) fn record(&self, journal: &Arc<dyn Journal>) {
        self.ledger.open(journal, self.own_record(self.began, Event::SessionOpen));
    }

    /// Waits until the opening record is on disk.
    pub(crate) async fn recorded(&self) -> Result<(), JournalError> {
        self.ledger.recorded().await
    }

    /// Records the end of the session.
    pub(super) fn close(&self, now: Timestamp) {
        let (outcome, reason) = match self.cut.cause().and_then(Cause::reason_of_cut) {
            Some(cut) => (Outcome::Cut, cut),
            None => (Outcome::Done, "closed"),
        };
        let mut record = self.own_record(now, Event::SessionEnd).ended(outcome, reason);
        record.millis = u64::try_from(now.duration_since(self.began).as_millis()).ok();
        self.ledger.ended(record);
    }
}
