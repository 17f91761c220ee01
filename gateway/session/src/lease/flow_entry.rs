//! A flow as the index keeps it: what it asks for, over which connection, and until when the answer
//! holds.

use std::borrow::Cow;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use doorward_model::{Epoch, FlowId, PeerText};
use doorward_policies::{Event, Opinion, Permit, PermittedTarget, Record, Refusal, Request};
use jiff::Timestamp;
use tokio::sync::Notify;

use super::cause::{Cause, Switch};
use super::connection_entry::ConnectionEntry;
use super::traffic::Traffic;

/// A flow in the index.
pub(crate) struct FlowEntry {
    pub(crate) id: FlowId,
    pub(crate) connection: Arc<ConnectionEntry>,
    /// The request as it was at the admission. [`FlowEntry::present_request`] returns what it would
    /// be now.
    pub(crate) request: Request,
    pub(crate) began: Timestamp,
    pub(crate) cut: Switch,
    pub(crate) traffic: Traffic,
    pub(crate) dialed: AtomicBool,
    /// The grounds of the first denial after the admission.
    denied: OnceLock<Opinion>,
    /// What the first permit leads to.
    target: OnceLock<PermittedTarget>,
    /// The instant at which to ask again, in microseconds since 1970 (`i64::MAX` means never), and
    /// the epoch whose decision gave that instant.
    ask_again_at: Mutex<(Epoch, i64)>,
    /// Notified when that instant has moved closer.
    pub(crate) sooner: Notify,
}

impl FlowEntry {
    pub(crate) fn new(
        id: FlowId,
        connection: Arc<ConnectionEntry>,
        request: Request,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            connection,
            request,
            began: now,
            cut: Switch::new(),
            traffic: Traffic::new(),
            dialed: AtomicBool::new(false),
            denied: OnceLock::new(),
            target: OnceLock::new(),
            ask_again_at: Mutex::new((Epoch::default(), i64::MAX)),
            sooner: Notify::new(),
        }
    }

    /// Returns the flow's request with the proof that its session has now, and the address that its
    /// connection has now.
    pub(crate) fn present_request(&self) -> Cow<'_, Request> {
        let proof = self.connection.session.state().proof;
        let source = self.connection.address().known();
        if self.request.proof == proof && self.request.question.circumstances.source == source {
            return Cow::Borrowed(&self.request);
        }
        let mut request = self.request.clone();
        request.proof = proof;
        request.question.circumstances.source = source;
        Cow::Owned(request)
    }

    /// Returns whether a permit of the state `epoch` is noted, and is still valid at `now`.
    pub(crate) fn is_noted(&self, epoch: Epoch, now: Timestamp) -> bool {
        let noted = self.ask_again_at.lock().unwrap_or_else(PoisonError::into_inner);
        noted.0 == epoch && now.as_microsecond() < noted.1
    }

    /// Notes a permit: its target, and the instant at which to ask again. The answer of an older
    /// state does not replace that of a newer one.
    pub(crate) fn permitted(&self, permit: &Permit) {
        self.target.get_or_init(|| permit.permitted_target());
        // Rounded up, so that the answer has changed at that instant.
        let at = permit.ask_again_at().map_or(i64::MAX, |at| at.as_microsecond() + 1);
        let epoch = permit.opinion().epoch;
        let mut noted = self.ask_again_at.lock().unwrap_or_else(PoisonError::into_inner);
        if epoch < noted.0 {
            return;
        }
        let former = std::mem::replace(&mut *noted, (epoch, at));
        if former.1 > at {
            // A task that sleeps until the former instant would wake too late.
            self.sooner.notify_one();
        }
    }

    /// Notes the grounds of a denial, for the record of the flow's end.
    pub(crate) fn denied(&self, opinion: &Opinion) {
        self.denied.get_or_init(|| opinion.clone());
    }

    /// Returns the grounds of the denial that ended the flow; `None` if it ended for another reason.
    pub(crate) fn grounds(&self, reason: &str) -> Option<&Opinion> {
        let is_reason =
            |opinion: &&Opinion| opinion.refusal.is_some_and(|one| one.as_str() == reason);
        self.denied.get().filter(is_reason)
    }

    /// Returns why the flow must end although its question is permitted: the permit leads elsewhere
    /// than the first one.
    pub(crate) fn leads_elsewhere(&self, permit: &Permit) -> Option<Cause> {
        let first = self.target.get().filter(|first| !first.is_that_of(permit))?;
        Some(match first.has_ids_of(permit) {
            true => Cause::InterfaceChanged,
            // The name now belongs to another device or interface.
            false => Cause::Refused(Refusal::UnknownInterface),
        })
    }

    /// Returns the instant at which to ask again; `None` is never.
    pub(crate) fn ask_again_at(&self) -> Option<Timestamp> {
        let noted = self.ask_again_at.lock().unwrap_or_else(PoisonError::into_inner);
        Timestamp::from_microsecond(noted.1).ok()
    }

    pub(crate) fn record(&self, at: Timestamp, event: Event) -> Record {
        let question = &self.request.question;
        let mut record = self.connection.about(Record::new(at, event));
        record.flow = Some(self.id);
        record.action = Some(question.action);
        record.device = Some(question.resource.device.clone());
        record.path = Some(PeerText::new(&question.resource.path.raw()));
        record
    }
}
