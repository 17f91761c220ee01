//! Leases: permits that are kept alive while their flows run, and end the moment they do not
//! hold any more.

mod cause;
mod entry;
mod index;
mod view;

/// What [`index`] is built on.
mod sync {
    pub(super) use std::sync::{Arc, Mutex, PoisonError};
}

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::rand;
use doorward_model::{Clock, Device, FlowId, SessionId, SubjectId};
use doorward_policies::{
    Commit, Decision, Denial, Event, Journal, Observer, Outcome, Permit, Question, Record, Refusal,
    Snapshot,
};
use jiff::Timestamp;
use tokio::sync::watch;

pub use cause::Cause;
pub(crate) use entry::{FlowEntry, SessionEntry};
pub use view::{EndingView, FlowView, SessionView};

use crate::identify::Identity;
use crate::limits::SessionLimits;
use crate::session::Session;
use index::Index;

/// Every session and every flow of the gateway. Cheap to clone; every clone is the same.
#[derive(Clone)]
pub struct Leases(Arc<Inner>);

struct Inner {
    sessions: Index<SessionEntry>,
    flows: Index<FlowEntry>,
    counts: Mutex<HashMap<SubjectId, Counts>>,
    session_count: AtomicUsize,
    flow_count: AtomicUsize,
    /// Connections to backends that are open, and leases that have dialed one.
    backends: AtomicUsize,
    dialed: AtomicUsize,
    limits: SessionLimits,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    /// Why changes cannot be written now, if they cannot.
    trouble: watch::Receiver<Option<String>>,
    clock: Arc<dyn Clock>,
    journal: Arc<dyn Journal>,
}

#[derive(Default)]
struct Counts {
    sessions: usize,
    flows: usize,
}

/// A permit that lives: in the index, and asked again whenever its answer could have changed.
/// When it is dropped, its flow is over.
#[must_use]
pub struct Lease {
    key: u64,
    entry: Arc<FlowEntry>,
    leases: Leases,
    /// The session lives as long as its flows.
    session: Arc<Session>,
}

/// A request that has been decided and permitted, with its pending lease. What is dialed is
/// dialed for one of these, once: it cannot be cloned, and spending it takes it.
#[must_use]
pub struct Authorized {
    permit: Permit,
    lease: Lease,
}

/// A request that has been refused.
#[derive(Debug)]
#[must_use]
pub enum Refused {
    /// By the policy, or because the identity does not stand any more.
    Denied(Denial),
    /// By a bound: too many flows.
    Busy,
    /// Rights could not be taken away now, so none are given.
    Degraded,
}

impl Refused {
    /// Why, in a word for the record.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Denied(denial) => denial.reason().as_str(),
            Self::Busy => "too-many-flows",
            Self::Degraded => "state-unavailable",
        }
    }
}

impl Leases {
    /// Leases under the snapshots of `snapshots`, recorded in `journal`. While `trouble` says
    /// that changes cannot be written, nothing but administration is admitted.
    #[must_use]
    pub fn new(
        limits: SessionLimits,
        snapshots: watch::Receiver<Arc<Snapshot>>,
        trouble: watch::Receiver<Option<String>>,
        clock: Arc<dyn Clock>,
        journal: Arc<dyn Journal>,
    ) -> Self {
        Self(Arc::new(Inner {
            sessions: Index::new(),
            flows: Index::new(),
            counts: Mutex::default(),
            session_count: AtomicUsize::new(0),
            flow_count: AtomicUsize::new(0),
            backends: AtomicUsize::new(0),
            dialed: AtomicUsize::new(0),
            limits,
            snapshots,
            trouble,
            clock,
            journal,
        }))
    }

    /// The state that decisions are made from now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.0.snapshots.borrow().clone()
    }

    /// A fresh id for a flow or request that begins now.
    #[must_use]
    pub fn new_flow_id(&self) -> FlowId {
        FlowId::new(self.0.clock.now(), random())
    }

    /// Opens the session of an identified connection. `None` if its subject has as many as it
    /// may.
    pub(crate) fn open(
        &self,
        identity: Identity,
        peer: SocketAddr,
        door: &'static str,
        proven: Timestamp,
    ) -> Option<Session> {
        let now = self.0.clock.now();
        let id = SessionId::new(now, random());
        let total = self.0.session_count.fetch_add(1, Ordering::SeqCst);
        let counted = total < self.0.limits.sessions
            && self.count(identity.id, |counts, limits| {
                let room = counts.sessions < limits.sessions_per_subject;
                counts.sessions += usize::from(room);
                room
            });
        if !counted {
            self.0.session_count.fetch_sub(1, Ordering::SeqCst);
            return None;
        }
        let entry = Arc::new(SessionEntry::new(id, identity, peer, door, now, proven));
        entry.key.store(self.0.sessions.enter(Arc::clone(&entry)), Ordering::SeqCst);
        entry.record(&self.0.journal);
        let session = Session { entry, leases: self.clone() };
        // A commit may have passed since the connection was identified.
        self.stands(&session.entry, &self.snapshot());
        Some(session)
    }

    pub(crate) fn close(&self, entry: &SessionEntry) {
        self.0.sessions.leave(entry.key.load(Ordering::SeqCst));
        self.0.session_count.fetch_sub(1, Ordering::SeqCst);
        self.count(entry.subject_id, |counts, _| {
            counts.sessions = counts.sessions.saturating_sub(1);
            true
        });
        entry.close(self.0.clock.now());
    }

    fn count(
        &self,
        subject: SubjectId,
        change: impl FnOnce(&mut Counts, &SessionLimits) -> bool,
    ) -> bool {
        let mut counts = self.0.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let of = counts.entry(subject).or_default();
        let done = change(of, &self.0.limits);
        if of.sessions == 0 && of.flows == 0 {
            counts.remove(&subject);
        }
        done
    }

    /// Asks whether `session` may have what `question` asks for: enters a pending lease, then
    /// loads the snapshot, then decides. The question's subject and source are the session's,
    /// whatever it says.
    ///
    /// # Errors
    /// When it is refused; the pending lease is gone then.
    pub fn ask(
        &self,
        session: &Arc<Session>,
        id: FlowId,
        question: Question,
    ) -> Result<Authorized, Refused> {
        let request = session.request(question);
        let administers = request.question.resource.device == Device::Gateway;
        if !administers && self.0.trouble.borrow().is_some() {
            return Err(Refused::Degraded);
        }
        let subject = request.subject;
        let total = self.0.flow_count.fetch_add(1, Ordering::SeqCst);
        let room = total < self.0.limits.flows
            && self.count(subject, |counts, limits| {
                let room = counts.flows < limits.flows_per_subject;
                counts.flows += usize::from(room);
                room
            });
        if !room {
            self.0.flow_count.fetch_sub(1, Ordering::SeqCst);
            return Err(Refused::Busy);
        }
        let now = self.0.clock.now();
        let entry = Arc::new(FlowEntry::new(id, Arc::clone(&session.entry), request, now));
        let (key, decision) = self.0.flows.admit(
            Arc::clone(&entry),
            || self.snapshot(),
            |snapshot| snapshot.decide(&entry.request, now),
        );
        let (leases, session) = (self.clone(), Arc::clone(session));
        let lease = Lease { key, entry, leases, session };
        match decision {
            Decision::Permit(permit) => {
                lease.entry.permitted(&permit);
                Ok(Authorized { permit, lease })
            }
            Decision::Denial(denial) => Err(Refused::Denied(denial)),
        }
    }

    /// Asks a live flow's question again, by the present state and at the present instant.
    /// Whether it still stands; if not, it has been cut.
    fn ask_again(&self, entry: &FlowEntry, snapshot: &Snapshot) -> bool {
        let cause = match snapshot.decide_again(&entry.request, self.0.clock.now()) {
            Decision::Permit(permit) if entry.is_still_for(&permit) => {
                entry.permitted(&permit);
                return true;
            }
            // The name belongs to another device or interface by now.
            Decision::Permit(_) => Cause::Refused(Refusal::UnknownInterface),
            Decision::Denial(denial) => Cause::Refused(denial.reason()),
        };
        entry.cut.cut(cause);
        false
    }

    /// The flows that would not stand under `next`, the oldest first. Nothing is cut.
    #[must_use]
    pub fn would_end(&self, next: &Snapshot) -> Vec<EndingView> {
        let now = self.0.clock.now();
        let mut flows = self.0.flows.all();
        flows.sort_by_key(|entry| entry.id);
        let ending = |entry: &Arc<FlowEntry>| match next.decide_again(&entry.request, now) {
            Decision::Permit(permit) if entry.is_still_for(&permit) => None,
            Decision::Permit(_) => Some(EndingView::of(entry, Refusal::UnknownInterface.as_str())),
            Decision::Denial(denial) => Some(EndingView::of(entry, denial.reason().as_str())),
        };
        flows.iter().filter_map(ending).collect()
    }

    /// Whether the identity behind a session still stands; if not, it is cut.
    fn stands(&self, entry: &SessionEntry, snapshot: &Snapshot) -> bool {
        let now = self.0.clock.now();
        let member = snapshot.member(&entry.subject);
        let row = snapshot.certificate(&entry.certificate);
        let refusal = if member.is_none_or(|member| member.id != entry.subject_id) {
            Refusal::UnknownSubject
        } else if member.is_some_and(|member| !member.enabled) {
            Refusal::SubjectDisabled
        } else if row.is_none_or(|row| now < row.not_before || now > row.not_after) {
            Refusal::CertificateNotLive
        } else {
            return true;
        };
        entry.cut.cut(Cause::Refused(refusal));
        false
    }

    /// Cuts a session with all its flows. Whether there was one.
    #[must_use]
    pub fn cut_session(&self, id: SessionId) -> bool {
        let sessions = self.0.sessions.all();
        let found = sessions.iter().filter(|entry| entry.id == id);
        found.map(|entry| entry.cut.cut(Cause::Administrator)).count() > 0
    }

    /// Cuts one flow. Whether there was one.
    #[must_use]
    pub fn cut_flow(&self, id: FlowId) -> bool {
        let flows = self.0.flows.all();
        let found = flows.iter().filter(|entry| entry.id == id);
        found.map(|entry| entry.cut.cut(Cause::Administrator)).count() > 0
    }

    /// Cuts everything: the gateway stops.
    pub fn cut_all(&self) {
        self.0.flows.all().iter().for_each(|entry| entry.cut.cut(Cause::Stopping));
        self.0.sessions.all().iter().for_each(|entry| entry.cut.cut(Cause::Stopping));
    }

    /// Asks every flow and session again, as after the clock has jumped. Returns how many did
    /// not stand.
    #[must_use]
    pub fn ask_all_again(&self) -> usize {
        let snapshot = self.snapshot();
        let ended = self.0.flows.walk(|entry| self.ask_again(entry, &snapshot));
        self.0.sessions.walk(|entry| self.stands(entry, &snapshot));
        ended
    }

    /// How many flows there are, requests to the administration included.
    #[must_use]
    pub fn flow_count(&self) -> usize {
        self.0.flow_count.load(Ordering::SeqCst)
    }

    /// How many connections to backends are open without a lease that could cut them. Always
    /// 0: a gauge for whoever watches.
    #[must_use]
    pub fn untracked(&self) -> usize {
        let dialed = self.0.dialed.load(Ordering::SeqCst);
        self.0.backends.load(Ordering::SeqCst).saturating_sub(dialed)
    }

    /// The sessions of this moment, the oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<SessionView> {
        view::list(&self.0.sessions.all(), &self.0.flows.all())
    }
}

impl Observer for Leases {
    fn committed(&self, commit: &Commit, snapshot: &Arc<Snapshot>) -> usize {
        let ended = self.0.flows.walk(|entry| {
            !commit.touched.concerns(&entry.request) || self.ask_again(entry, snapshot)
        });
        self.0.sessions.walk(|entry| self.stands(entry, snapshot));
        ended
    }
}

fn random() -> [u8; 10] {
    let mut bytes = [0; 10];
    // An id that is not random is still an id; the system that gives no random bytes has
    // ended every handshake long before.
    if rand::fill(&mut bytes).is_err() {
        tracing::error!("the system gives no random bytes");
    }
    bytes
}

impl Authorized {
    /// The permit.
    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    /// The session that asked.
    pub fn session(&self) -> &Session {
        &self.lease.session
    }

    /// The id of the flow.
    #[must_use]
    pub fn id(&self) -> FlowId {
        self.lease.entry.id
    }

    /// Its lease, while it is pending.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Spends it on what it permits.
    pub fn spend(self) -> (Permit, Lease) {
        (self.permit, self.lease)
    }

    /// A record of what was permitted, of the kind `event`.
    #[must_use]
    pub fn record(&self, event: Event) -> Record {
        let at = self.lease.leases.0.clock.now();
        let mut record = self.lease.entry.record(at, event);
        record = record.judged(self.permit.opinion());
        record
    }
}

impl fmt::Debug for Authorized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authorized({})", self.permit)
    }
}

impl Lease {
    /// Whether its question would have the same answer now. Asked right before something is done
    /// that takes no time itself; if not, it has been cut.
    #[must_use]
    pub fn still_stands(&self) -> bool {
        self.lives() && self.leases.ask_again(&self.entry, &self.leases.snapshot())
    }

    /// Whether it still lives. Asked after the dial and before the first byte.
    #[must_use]
    pub fn lives(&self) -> bool {
        self.cause().is_none()
    }

    /// Why it was cut, if it was.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        self.entry.cut.cause().or_else(|| self.session.entry.cut.cause())
    }

    /// Notes bytes from the client to the backend.
    pub fn moved_up(&self, bytes: usize) {
        self.entry.traffic.up(bytes);
    }

    /// Notes bytes from the backend to the client.
    pub fn moved_down(&self, bytes: usize) {
        self.entry.traffic.down(bytes);
    }

    /// How many bytes have moved up and down.
    #[must_use]
    pub fn moved(&self) -> (u64, u64) {
        self.entry.traffic.totals()
    }

    /// When the flow began.
    #[must_use]
    pub fn began(&self) -> Timestamp {
        self.entry.began
    }

    /// Answers when the flow must end, and why: it or its session is cut, its question has
    /// another answer at an instant at which time could change it, it has been silent for too
    /// long, or lived too long.
    pub async fn over(&self) -> Cause {
        /// The wall clock can be set; it is looked at again at least this often.
        const GLANCE: Duration = Duration::from_secs(30);
        let inner = &self.leases.0;
        let begin = tokio::time::Instant::now();
        loop {
            if let Some(cause) = self.cause() {
                return cause;
            }
            let now = inner.clock.now();
            let mut wait = GLANCE;
            match self.entry.asked_again_at() {
                Some(at) if at <= now => {
                    if !self.leases.ask_again(&self.entry, &self.leases.snapshot()) {
                        continue;
                    }
                    // It stands. The next instant is looked at in the next round; a nap keeps
                    // a clock that stands still from making this a loop without rest.
                    wait = Duration::from_millis(5);
                }
                Some(at) => {
                    wait = wait.min(at.duration_since(now).unsigned_abs());
                }
                None => {}
            }
            let silent = self.entry.traffic.silent_for();
            match inner.limits.idle.checked_sub(silent) {
                None => return self.cut(Cause::Idle),
                Some(left) => wait = wait.min(left + Duration::from_millis(1)),
            }
            if let Some(life) = inner.limits.life {
                match life.checked_sub(begin.elapsed()) {
                    None => return self.cut(Cause::Lifetime),
                    Some(left) => wait = wait.min(left + Duration::from_millis(1)),
                }
            }
            tokio::select! {
                _ = self.entry.cut.wait() => {}
                () = self.entry.sooner.notified() => {}
                _ = self.session.ended() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    fn cut(&self, cause: Cause) -> Cause {
        self.entry.cut.cut(cause);
        self.entry.cut.cause().unwrap_or(cause)
    }

    /// Notes that a backend has been dialed for this flow. The value goes with the connection.
    pub fn dialed(&self) -> Tracked {
        let inner = &self.leases.0;
        if !self.entry.dialed.swap(true, Ordering::SeqCst) {
            inner.dialed.fetch_add(1, Ordering::SeqCst);
        }
        inner.backends.fetch_add(1, Ordering::SeqCst);
        Tracked(Arc::clone(inner))
    }

    /// A record of this flow, of the kind `event`.
    #[must_use]
    pub fn record(&self, event: Event) -> Record {
        self.entry.record(self.leases.0.clock.now(), event)
    }

    /// A record of how this flow ended.
    #[must_use]
    pub fn ending(&self, event: Event, outcome: Outcome, reason: &str) -> Record {
        let now = self.leases.0.clock.now();
        let mut record = self.entry.record(now, event).ended(outcome, reason);
        let (up, down) = self.moved();
        (record.bytes_up, record.bytes_down) = (Some(up), Some(down));
        let lasted = now.duration_since(self.entry.began).as_millis();
        record.millis = u64::try_from(lasted).ok();
        record
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let inner = &self.leases.0;
        inner.flows.leave(self.key);
        inner.flow_count.fetch_sub(1, Ordering::SeqCst);
        if self.entry.dialed.load(Ordering::SeqCst) {
            inner.dialed.fetch_sub(1, Ordering::SeqCst);
        }
        self.leases.count(self.entry.request.subject, |counts, _| {
            counts.flows = counts.flows.saturating_sub(1);
            true
        });
    }
}

/// A connection to a backend, as the gauge of untracked flows counts it.
#[must_use]
pub struct Tracked(Arc<Inner>);

impl Drop for Tracked {
    fn drop(&mut self) {
        self.0.backends.fetch_sub(1, Ordering::SeqCst);
    }
}

impl fmt::Debug for Tracked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tracked")
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lease({})", self.entry.id)
    }
}

impl fmt::Debug for Leases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Leases({} flows)", self.flow_count())
    }
}
