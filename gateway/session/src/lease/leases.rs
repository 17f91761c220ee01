//! Every session and every flow of the gateway, in one shared state.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::rand;
use doorward_api::SessionView;
use doorward_model::{Clock, FlowId, SessionId, Subject};
use doorward_policies::{Journal, Snapshot};
use jiff::Timestamp;
use tokio::sync::watch;

use super::flow_entry::FlowEntry;
use super::index::Index;
use super::referee::Samples;
use super::session_entry::SessionEntry;
use super::view;
use crate::limits::SessionLimits;
use crate::pot::Rank;
use crate::pots::Pots;

/// Every session and every flow of the gateway. Clones are cheap and share one state.
#[derive(Clone)]
pub struct Leases(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) sessions: Index<SessionEntry>,
    pub(super) flows: Index<FlowEntry>,
    pub(super) pots: Pots,
    /// Open connections to backends.
    pub(super) backends: AtomicUsize,
    /// Leases that have dialed a backend.
    pub(super) dialed: AtomicUsize,
    pub(super) limits: SessionLimits,
    pub(super) snapshots: watch::Receiver<Arc<Snapshot>>,
    /// Why changes cannot be written now; `None` while they can.
    pub(super) trouble: watch::Receiver<Option<String>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) journal: Arc<dyn Journal>,
    pub(super) samples: Samples,
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

    pub(crate) fn close(&self, entry: &SessionEntry) {
        self.0.sessions.leave(entry.key.load(Ordering::SeqCst));
        entry.close(self.now());
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

/// Returns random bytes for an id.
pub(super) fn random() -> [u8; 10] {
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
