//! Leases: permits that are kept alive while their flows run, and end the moment they do not
//! hold any more.

mod cause;
mod cut;
mod entry;
mod held;
mod index;
mod referee;
mod refused;
mod review;
mod view;

/// What [`index`] is built on.
mod sync {
    pub(super) use std::sync::{Arc, Mutex, PoisonError};
}

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use aws_lc_rs::rand;
use doorward_model::{Clock, Device, FlowId, SessionId, Subject};
use doorward_policies::{
    Cache, Decision, Door, Journal, Permit, Question, Refusal, Request, Snapshot,
};
use jiff::Timestamp;
use tokio::sync::watch;

pub use cause::Cause;
pub(crate) use entry::{FlowEntry, SessionEntry};
pub use held::{Authorized, Lease, Tracked};
pub use referee::{Referee, RefereeView, Suspend};
pub use refused::Refused;
pub use view::{EndingView, FlowView, SessionView};

use crate::identify::VerifiedIdentity;
use crate::limits::SessionLimits;
use crate::pot::Rank;
use crate::pots::Pots;
use crate::session::Session;
use index::Index;
use referee::Samples;

/// Every session and every flow of the gateway. Cheap to clone; every clone is the same.
#[derive(Clone)]
pub struct Leases(Arc<Inner>);

struct Inner {
    sessions: Index<SessionEntry>,
    flows: Index<FlowEntry>,
    pots: Pots,
    /// Connections to backends that are open, and leases that have dialed one.
    backends: AtomicUsize,
    dialed: AtomicUsize,
    limits: SessionLimits,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    /// Why changes cannot be written now, if they cannot.
    trouble: watch::Receiver<Option<String>>,
    clock: Arc<dyn Clock>,
    journal: Arc<dyn Journal>,
    samples: Samples,
}

impl Leases {
    /// Leases under the snapshots of `snapshots`, recorded in `journal`. While `trouble` says
    /// that changes cannot be written, nothing but administration is admitted.
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

    /// Everything of which there is only so much.
    #[must_use]
    pub fn pots(&self) -> &Pots {
        &self.0.pots
    }

    /// The state that decisions are made from now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.0.snapshots.borrow().clone()
    }

    /// The states of this and of every later moment, for whoever waits until something changes.
    #[must_use]
    pub fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.0.snapshots.clone()
    }

    /// A fresh id for a flow or request that begins now.
    #[must_use]
    pub fn new_flow_id(&self) -> FlowId {
        FlowId::new(self.now(), random())
    }

    /// Random bytes that nobody can guess. `None` if the system gives none.
    #[must_use]
    pub fn nonce<const N: usize>(&self) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        rand::fill(&mut bytes).ok()?;
        Some(bytes)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Takes places of a pot for a subject, from there and by a handshake of that time. Whoever
    /// administers has places that are kept, and is looked for only when these count.
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

    /// Opens the session of an identified connection. `None` if its subject has as many as it
    /// may.
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

    /// Asks whether `session` may have what `question` asks for: enters a pending lease, then
    /// loads the snapshot, then decides. The question's subject, source and handshake are the
    /// session's, whatever it says.
    ///
    /// # Errors
    /// When it is refused; the pending lease is gone then.
    pub fn ask(
        &self,
        session: &Arc<Session>,
        id: FlowId,
        question: Question,
    ) -> Result<Authorized, Refused> {
        let (permit, lease) = self.admit(session, id, question, |snapshot, request, now| {
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

    /// Asks for one operation within the flow `id`, which has been admitted, as [`Self::ask`] does
    /// for a flow, but by the compiled form alone, as [`Self::decide`]: an operation that goes on
    /// holds a lease of its own. Its permit is worth no dial.
    ///
    /// # Errors
    /// When it is refused; the pending lease is gone then.
    pub fn operate(
        &self,
        session: &Arc<Session>,
        id: FlowId,
        question: Question,
        cache: &mut Cache,
    ) -> Result<(Permit, Lease), Refused> {
        self.admit(session, id, question, |snapshot, request, now| {
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
        question: Question,
        decide: impl FnOnce(&Arc<Snapshot>, &Request, Timestamp) -> Decision,
    ) -> Result<(Permit, Lease), Refused> {
        session.look();
        let request = session.request(question);
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

    /// Asks whether `session` might do anything at all at the interface that `question` names,
    /// whatever its action. It gives no leave to do it.
    ///
    /// # Errors
    /// When it might not, or nothing can be admitted now.
    pub fn reaches(&self, session: &Session, question: Question) -> Result<(), Refused> {
        session.look();
        if self.0.trouble.borrow().is_some() {
            return Err(Refused::Degraded);
        }
        let reached = self.snapshot().reaches(&session.request(question), self.now());
        reached.map_err(Refused::Denied)
    }

    /// Asks for one operation within the flow `id`, which has been admitted: by the state of this
    /// moment, and by the compiled form, of whose answers the referee looks at some. What the
    /// permit is for may be another interface of that name by now: see
    /// [`Permit::behind`](doorward_policies::Permit::behind).
    pub fn decide(
        &self,
        session: &Session,
        id: FlowId,
        question: Question,
        cache: &mut Cache,
    ) -> Decision {
        session.look();
        let (request, snapshot) = (session.request(question), self.snapshot());
        let now = self.now();
        let decision = cache.decide_again(&snapshot, &request, now);
        self.0.samples.offer(id, &request, &snapshot, now, &decision);
        decision
    }

    /// How many sessions there are.
    pub(crate) fn session_count(&self) -> usize {
        usize::try_from(self.0.pots.sessions().taken()).unwrap_or(usize::MAX)
    }

    /// Whether there is a session of that id.
    #[must_use]
    pub fn has_session(&self, id: SessionId) -> bool {
        self.0.sessions.all().iter().any(|entry| entry.id == id)
    }

    /// Whether there is a flow of that id.
    #[must_use]
    pub fn has_flow(&self, id: FlowId) -> bool {
        self.0.flows.all().iter().any(|entry| entry.id == id)
    }

    /// How many flows there are, requests to the administration included.
    #[must_use]
    pub fn flow_count(&self) -> usize {
        usize::try_from(self.0.pots.flows().taken()).unwrap_or(usize::MAX)
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

fn random() -> [u8; 10] {
    let mut bytes = [0; 10];
    // An id that is not random is still an id; the system that gives no random bytes has
    // ended every handshake long before.
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
