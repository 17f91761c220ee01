//! Leases: permits that live as long as their flows, and end at once when they no longer hold.

mod cause;
mod cut;
mod entry;
mod held;
mod index;
mod referee;
mod refused;
mod review;
mod view;

/// The primitives that [`index`] uses.
mod sync {
    pub(super) use std::sync::{Arc, Mutex, PoisonError};
}

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use aws_lc_rs::rand;
use doorward_api::SessionView;
use doorward_model::{Action, Clock, Device, FlowId, Resource, SessionId, Subject};
use doorward_policies::{
    Cache, Decision, Door, Journal, Permit, Question, Refusal, Request, Snapshot,
};
use jiff::Timestamp;
use tokio::sync::watch;

pub use cause::Cause;
pub(crate) use entry::{FlowEntry, SessionEntry};
pub use held::{Authorized, Lease, Tracked};
pub use referee::{Referee, Suspend};
pub use refused::Refused;

use crate::identify::VerifiedIdentity;
use crate::limits::SessionLimits;
use crate::pot::Rank;
use crate::pots::Pots;
use crate::session::Session;
use index::Index;
use referee::Samples;

/// Every session and every flow of the gateway. Clones are cheap and share one state.
#[derive(Clone)]
pub struct Leases(Arc<Inner>);

struct Inner {
    sessions: Index<SessionEntry>,
    flows: Index<FlowEntry>,
    pots: Pots,
    /// Open connections to backends.
    backends: AtomicUsize,
    /// Leases that have dialed a backend.
    dialed: AtomicUsize,
    limits: SessionLimits,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    /// Why changes cannot be written now; `None` while they can.
    trouble: watch::Receiver<Option<String>>,
    clock: Arc<dyn Clock>,
    journal: Arc<dyn Journal>,
    samples: Samples,
}

impl Leases {
    /// Returns leases that decide by `snapshots` and record in `journal`. While `trouble` says that
    /// changes cannot be written, only requests to the administration are admitted.
    #[must_use]
    pub fn new(
        pots: Pots,
        snapshots: watch::Receiver<Arc<Snapshot>>,
        trouble: watch::Receiver<Option<String>>,
        clock: Arc<dyn Clock>,
        journal: Arc<dyn Journal>,
    ) -> Self {
        Self(Arc::new(Inner {
            sessions: Index::new(),
            flows: Index::new(),
            backends: AtomicUsize::new(0),
            dialed: AtomicUsize::new(0),
            limits: pots.limits().session,
            pots,
            snapshots,
            trouble,
            clock,
            journal,
            samples: Samples::default(),
        }))
    }

    /// Returns the pots: everything that is bounded.
    #[must_use]
    pub fn pots(&self) -> &Pots {
        &self.0.pots
    }

    /// Returns the state that decisions are made from now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.0.snapshots.borrow().clone()
    }

    /// Returns a receiver of the present state and of every later one.
    #[must_use]
    pub fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.0.snapshots.clone()
    }

    /// Returns a new id for a flow or request that begins now.
    #[must_use]
    pub fn new_flow_id(&self) -> FlowId {
        FlowId::new(self.now(), random())
    }

    /// Returns random bytes that nobody can guess; `None` if the system gives none.
    #[must_use]
    pub fn nonce<const N: usize>(&self) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        rand::fill(&mut bytes).ok()?;
        Some(bytes)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Takes a reservation from a pot for a subject, by its address and the time of its handshake.
    /// First tries the rank of a known subject. Only if that fails, checks whether the subject
    /// administers the gateway, and tries the part that is kept for administrators.
    pub(crate) fn take<T>(
        &self,
        subject: &Subject,
        by: (IpAddr, Timestamp),
        take: impl Fn(Rank) -> Option<T>,
    ) -> Option<T> {
        take(Rank::Known).or_else(|| {
            let administers = self.snapshot().administers(subject, by, self.now());
            administers.then(|| take(Rank::Administrator)).flatten()
        })
    }

    /// Opens the session of an identified connection; `None` if its subject has as many as it may.
    pub(crate) fn open(
        &self,
        identity: VerifiedIdentity,
        peer: SocketAddr,
        door: Door,
        proven: Timestamp,
    ) -> Option<Session> {
        let now = self.now();
        let id = SessionId::new(now, random());
        let sessions = self.0.pots.sessions();
        let subject = identity.name.subject();
        let take = |rank| sessions.take(&identity.id, 1, rank);
        let place = self.take(subject, (peer.ip(), proven), take)?;
        let entry = Arc::new(SessionEntry::new(id, identity, peer, door, now, proven));
        entry.key.store(self.0.sessions.enter(Arc::clone(&entry)), Ordering::SeqCst);
        entry.record(&self.0.journal);
        let (leases, carrier) = (self.clone(), OnceLock::new());
        let session = Session { entry, leases, carrier, _place: place };
        // A commit may have passed since the connection was identified.
        self.stands(&session.entry, &self.snapshot());
        Some(session)
    }

    pub(crate) fn close(&self, entry: &SessionEntry) {
        self.0.sessions.leave(entry.key.load(Ordering::SeqCst));
        entry.close(self.now());
    }

    /// Asks whether `session` may do `action` on `resource`: enters a pending lease, then loads the
    /// snapshot, then decides.
    ///
    /// # Errors
    /// When the request is refused. The pending lease is removed then.
    pub fn ask(
        &self,
        session: &Arc<Session>,
        id: FlowId,
        action: Action,
        resource: Resource,
    ) -> Result<Authorized, Refused> {
        let asked = (action, resource);
        let (permit, lease) = self.admit(session, id, asked, |snapshot, request, now| {
            let decision = snapshot.decide(request, now);
            if let Decision::Denial(denial) = &decision
                && denial.reason() == Refusal::Disagreement
            {
                let lines = denial.opinion().rules.to_vec();
                self.0.samples.differed(id, request, snapshot, now, lines);
            }
            decision
        })?;
        Ok(Authorized { permit, lease })
    }

    /// Asks for one operation within the admitted flow `id`, and holds a lease for it, because the
    /// operation lasts. Only the compiled form decides, as in [`Self::decide`]. The permit cannot
    /// be used for a dial.
    ///
    /// # Errors
    /// When the operation is refused. The pending lease is removed then.
    pub fn operate(
        &self,
        session: &Arc<Session>,
        id: FlowId,
        action: Action,
        resource: Resource,
        cache: &mut Cache,
    ) -> Result<(Permit, Lease), Refused> {
        self.admit(session, id, (action, resource), |snapshot, request, now| {
            let decision = cache.decide_again(snapshot, request, now);
            self.0.samples.offer(id, request, snapshot, now, &decision);
            decision
        })
    }

    /// Enters a pending lease, then loads the snapshot, then decides.
    fn admit(
        &self,
        session: &Arc<Session>,
        id: FlowId,
        (action, resource): (Action, Resource),
        decide: impl FnOnce(&Arc<Snapshot>, &Request, Timestamp) -> Decision,
    ) -> Result<(Permit, Lease), Refused> {
        session.check_address();
        let request = request(session, action, resource);
        let administers = request.question.resource.device == Device::Gateway;
        if !administers && self.0.trouble.borrow().is_some() {
            return Err(Refused::Degraded);
        }
        let rank = if administers { Rank::Administrator } else { Rank::Known };
        let place = self.0.pots.flows().take(&request.subject, 1, rank).ok_or(Refused::Busy)?;
        let now = self.now();
        let entry = Arc::new(FlowEntry::new(id, Arc::clone(&session.entry), request, now));
        let (key, decision) = self.0.flows.admit(
            Arc::clone(&entry),
            || self.snapshot(),
            |snapshot| decide(&snapshot, &entry.request, now),
        );
        let (leases, session) = (self.clone(), Arc::clone(session));
        let lease = Lease { key, entry, leases, session, _place: place };
        match decision {
            Decision::Permit(permit) => {
                lease.entry.permitted(&permit);
                Ok((permit, lease))
            }
            Decision::Denial(denial) => Err(Refused::Denied(denial)),
        }
    }

    /// Asks whether `session` might do anything at all, by any action, at the interface that
    /// `resource` names in the state `snapshot`. The answer is no permit.
    ///
    /// # Errors
    /// When the session can do nothing there, or nothing can be admitted now.
    pub fn reaches(
        &self,
        session: &Session,
        resource: Resource,
        snapshot: &Snapshot,
    ) -> Result<(), Refused> {
        session.check_address();
        if self.0.trouble.borrow().is_some() {
            return Err(Refused::Degraded);
        }
        // The answer covers every action, so it does not depend on this one.
        let request = request(session, Action::Connect, resource);
        snapshot.reaches(&request, self.now()).map_err(Refused::Denied)
    }

    /// Asks for one operation within the admitted flow `id`, by the present state. Only the
    /// compiled form decides; the referee samples its answers. The permit may be for another
    /// interface that has the same name now: see
    /// [`Permit::behind`](doorward_policies::Permit::behind).
    pub fn decide(
        &self,
        session: &Session,
        id: FlowId,
        action: Action,
        resource: Resource,
        cache: &mut Cache,
    ) -> Decision {
        session.check_address();
        let (request, snapshot) = (request(session, action, resource), self.snapshot());
        let now = self.now();
        let decision = cache.decide_again(&snapshot, &request, now);
        self.0.samples.offer(id, &request, &snapshot, now, &decision);
        decision
    }

    /// Returns how many sessions there are.
    pub fn session_count(&self) -> usize {
        usize::try_from(self.0.pots.sessions().taken()).unwrap_or(usize::MAX)
    }

    /// Returns whether there is a session of that id.
    #[must_use]
    pub fn has_session(&self, id: SessionId) -> bool {
        self.0.sessions.all().iter().any(|entry| entry.id == id)
    }

    /// Returns whether there is a flow of that id.
    #[must_use]
    pub fn has_flow(&self, id: FlowId) -> bool {
        self.0.flows.all().iter().any(|entry| entry.id == id)
    }

    /// Returns how many flows there are, requests to the administration included.
    #[must_use]
    pub fn flow_count(&self) -> usize {
        usize::try_from(self.0.pots.flows().taken()).unwrap_or(usize::MAX)
    }

    /// Returns how many connections to backends are open without a lease that could cut them. This
    /// gauge is always 0.
    #[must_use]
    pub fn untracked(&self) -> usize {
        let dialed = self.0.dialed.load(Ordering::SeqCst);
        self.0.backends.load(Ordering::SeqCst).saturating_sub(dialed)
    }

    /// Returns the sessions of this moment, the oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<SessionView> {
        view::list(&self.0.sessions.all(), &self.0.flows.all())
    }
}

/// Returns the question of `session`, with the subject, certificate, address and handshake that it
/// has now.
fn request(session: &Session, action: Action, resource: Resource) -> Request {
    let entry = &session.entry;
    let state = entry.state();
    let question = Question {
        subject: entry.subject.clone(),
        resource,
        action,
        source: state.source.known(),
        proven: Some(entry.proven),
    };
    Request { question, subject: entry.subject_id, certificate: state.certificate }
}

fn random() -> [u8; 10] {
    let mut bytes = [0; 10];
    // An id without random bytes is still an id. A system without random bytes has failed every
    // handshake before this.
    if rand::fill(&mut bytes).is_err() {
        tracing::error!("the system gives no random bytes");
    }
    bytes
}

impl fmt::Debug for Leases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Leases({} flows)", self.flow_count())
    }
}
