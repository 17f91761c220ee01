//! Sessions and flows as the index of leases keeps them.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use doorward_model::{
    CertificateId, DeviceId, Epoch, FlowId, InterfaceId, PeerText, SessionId, Subject, SubjectId,
};
use doorward_policies::{
    Closing, Door, Event, Journal, JournalError, Outcome, Permit, Record, Request,
};
use jiff::Timestamp;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::cause::{Cause, Switch};
use crate::identify::VerifiedIdentity;
use crate::path::PeerAddress;

/// A session in the index.
pub(crate) struct SessionEntry {
    pub(crate) id: SessionId,
    pub(crate) subject: Subject,
    pub(crate) subject_id: SubjectId,
    pub(crate) proven: Timestamp,
    state: Mutex<SessionState>,
    pub(crate) door: Door,
    pub(crate) began: Timestamp,
    pub(crate) key: AtomicU64,
    pub(crate) cut: Switch,
    ledger: Arc<Ledger>,
}

/// The part of a session that can change while it lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionState {
    /// The certificate that the session rests on: the one that opened it, or a renewal that it
    /// adopted.
    pub(crate) certificate: CertificateId,
    pub(crate) not_after: Timestamp,
    /// The peer's address. A QUIC connection can change it.
    pub(crate) source: PeerAddress,
}

/// How far the audit log is with the session's opening record.
struct Ledger {
    state: Mutex<LedgerState>,
    recorded: watch::Sender<Option<Result<(), JournalError>>>,
}

enum LedgerState {
    Opening,
    Open(Box<dyn Closing>),
    /// The session ended before its opening record was on disk.
    Ended(Box<Record>),
    Closed,
}

impl SessionEntry {
    pub(crate) fn new(
        id: SessionId,
        identity: VerifiedIdentity,
        peer: SocketAddr,
        door: Door,
        now: Timestamp,
        proven: Timestamp,
    ) -> Self {
        Self {
            id,
            subject: identity.name.subject().clone(),
            subject_id: identity.id,
            proven,
            state: Mutex::new(SessionState {
                certificate: identity.certificate,
                not_after: identity.not_after,
                source: PeerAddress::Proven(peer),
            }),
            door,
            began: now,
            key: AtomicU64::new(0),
            cut: Switch::new(),
            ledger: Arc::new(Ledger {
                state: Mutex::new(LedgerState::Opening),
                recorded: watch::Sender::new(None),
            }),
        }
    }

    pub(crate) fn state(&self) -> SessionState {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the session's state. Returns whether it differs now.
    pub(crate) fn change_state(&self, change: impl FnOnce(&mut SessionState)) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let former = state.clone();
        change(&mut state);
        *state != former
    }

    fn about(&self, mut record: Record) -> Record {
        let SessionState { certificate, source, .. } = self.state();
        record.session = Some(self.id);
        record.subject = Some(self.subject.clone());
        record.certificate = Some(certificate.serial);
        record.source = Some(source.last());
        record.door = Some(self.door);
        record
    }

    /// Hands the opening record to the audit log, and does not wait for the disk.
    pub(crate) fn record(&self, journal: &Arc<dyn Journal>) {
        let record = self.about(Record::new(self.began, Event::SessionOpen));
        let (opening, ledger) = (journal.open(record), Arc::clone(&self.ledger));
        tokio::spawn(async move {
            let outcome = opening.await;
            let recorded = outcome.as_ref().map(drop).map_err(Clone::clone);
            if let Ok(closing) = outcome {
                ledger.opened(closing);
            }
            ledger.recorded.send_replace(Some(recorded));
        });
    }

    /// Waits until the opening record is on disk.
    pub(crate) async fn recorded(&self) -> Result<(), JournalError> {
        let mut recorded = self.ledger.recorded.subscribe();
        match recorded.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Err(JournalError::Closed)),
            Err(_) => Err(JournalError::Closed),
        }
    }

    /// Records the end of the session.
    pub(crate) fn close(&self, now: Timestamp) {
        let (outcome, reason) = match self.cut.cause() {
            Some(Cause::Gone) | None => (Outcome::Done, "closed"),
            Some(cause) => (Outcome::Cut, cause.as_str()),
        };
        let mut record = self.about(Record::new(now, Event::SessionEnd)).ended(outcome, reason);
        record.millis = u64::try_from(now.duration_since(self.began).as_millis()).ok();
        self.ledger.ended(record);
    }
}

impl Ledger {
    fn opened(&self, closing: Box<dyn Closing>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *state, LedgerState::Closed) {
            LedgerState::Ended(record) => closing.close(*record),
            LedgerState::Opening | LedgerState::Open(_) | LedgerState::Closed => {
                *state = LedgerState::Open(closing);
            }
        }
    }

    fn ended(&self, record: Record) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *state, LedgerState::Closed) {
            LedgerState::Open(closing) => closing.close(record),
            LedgerState::Opening => *state = LedgerState::Ended(Box::new(record)),
            other @ (LedgerState::Ended(_) | LedgerState::Closed) => *state = other,
        }
    }
}

/// A flow in the index.
pub(crate) struct FlowEntry {
    pub(crate) id: FlowId,
    pub(crate) session: Arc<SessionEntry>,
    /// The request as it was at the admission. [`FlowEntry::present_request`] returns what it would
    /// be now.
    pub(crate) request: Request,
    pub(crate) began: Timestamp,
    pub(crate) cut: Switch,
    pub(crate) traffic: Traffic,
    pub(crate) dialed: AtomicBool,
    /// The device and the interface that the first permit was for.
    target: OnceLock<(Option<DeviceId>, Option<InterfaceId>)>,
    /// The instant at which to ask again, in microseconds since 1970 (`i64::MAX` means never), and
    /// the epoch whose decision gave that instant.
    ask_again_at: Mutex<(Epoch, i64)>,
    /// Notified when that instant has moved closer.
    pub(crate) sooner: Notify,
}

impl FlowEntry {
    pub(crate) fn new(
        id: FlowId,
        session: Arc<SessionEntry>,
        request: Request,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            session,
            request,
            began: now,
            cut: Switch::new(),
            traffic: Traffic::new(),
            dialed: AtomicBool::new(false),
            target: OnceLock::new(),
            ask_again_at: Mutex::new((Epoch::default(), i64::MAX)),
            sooner: Notify::new(),
        }
    }

    /// Returns the flow's request with the certificate and the address that its session has now.
    pub(crate) fn present_request(&self) -> Cow<'_, Request> {
        let SessionState { certificate, source, .. } = self.session.state();
        let source = source.known();
        if self.request.certificate == certificate && self.request.question.source == source {
            return Cow::Borrowed(&self.request);
        }
        let mut request = self.request.clone();
        request.certificate = certificate;
        request.question.source = source;
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
        self.target.get_or_init(|| permit.behind());
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

    /// Returns whether a later permit is for the same device and interface as the first one.
    pub(crate) fn is_still_for(&self, permit: &Permit) -> bool {
        self.target.get().is_none_or(|first| *first == permit.behind())
    }

    /// Returns the instant at which to ask again; `None` is never.
    pub(crate) fn ask_again_at(&self) -> Option<Timestamp> {
        let noted = self.ask_again_at.lock().unwrap_or_else(PoisonError::into_inner);
        Timestamp::from_microsecond(noted.1).ok()
    }

    pub(crate) fn record(&self, at: Timestamp, event: Event) -> Record {
        let question = &self.request.question;
        let mut record = self.session.about(Record::new(at, event));
        record.flow = Some(self.id);
        record.action = Some(question.action);
        record.device = Some(question.resource.device.clone());
        record.path = Some(PeerText::new(&question.resource.path.raw()));
        record
    }
}

/// How many bytes have moved through a flow, and when the last of them did.
#[derive(Debug)]
pub(crate) struct Traffic {
    begin: Instant,
    up: AtomicU64,
    down: AtomicU64,
    /// Milliseconds after `begin`.
    last: AtomicU64,
}

impl Traffic {
    fn new() -> Self {
        let begin = Instant::now();
        Self { begin, up: 0.into(), down: 0.into(), last: 0.into() }
    }

    fn touch(&self) {
        let now = u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    pub(crate) fn up(&self, bytes: usize) {
        self.up.fetch_add(bytes as u64, Ordering::Relaxed);
        self.touch();
    }

    pub(crate) fn down(&self, bytes: usize) {
        self.down.fetch_add(bytes as u64, Ordering::Relaxed);
        self.touch();
    }

    pub(crate) fn totals(&self) -> (u64, u64) {
        (self.up.load(Ordering::Relaxed), self.down.load(Ordering::Relaxed))
    }

    pub(crate) fn silent_for(&self) -> Duration {
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        self.begin.elapsed().saturating_sub(last)
    }
}
