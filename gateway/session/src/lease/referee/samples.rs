//! Picks answers for the referee.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use doorward_model::{Action, FlowId, Revision};
use doorward_policies::{Bundle, Decision, Refusal, Request, Snapshot, Supposed};
use jiff::Timestamp;
use tokio::sync::mpsc;

/// Of answers of a kind that has been seen, one in so many is looked at.
const SAMPLE: u64 = 64;
/// How many kinds are told apart before all are new again.
const KINDS: usize = 4096;
/// An answer that waits for the referee.
pub(super) struct Sample {
    pub(super) flow: FlowId,
    pub(super) asked: Supposed,
    /// What the rules were said to say: whether they permit it.
    pub(super) said: Option<bool>,
    pub(super) revision: Revision,
    /// It keeps no bundle in memory: what decides no more is not looked at.
    pub(super) bundle: Weak<Bundle>,
    /// The lines about which the judges have differed already, at an admission.
    pub(super) differed: Option<Vec<usize>>,
}

/// Answers that look alike: the revision, what was to be done, and what decided.
type Kind = (Revision, Action, Option<Refusal>, Option<usize>);

/// Picks answers for the referee.
#[derive(Default)]
pub(in crate::lease) struct Samples {
    pub(super) queue: OnceLock<mpsc::Sender<Sample>>,
    kinds: Mutex<HashSet<Kind>>,
    count: AtomicU64,
    pub(super) figures: Figures,
}

#[derive(Default)]
pub(super) struct Figures {
    pub(super) decided: AtomicU64,
    pub(super) differed: AtomicU64,
    pub(super) skipped: AtomicU64,
}

impl Samples {
    /// Offers an answer that the compiled form has given alone.
    pub(in crate::lease) fn offer(
        &self,
        flow: FlowId,
        request: &Request,
        snapshot: &Snapshot,
        now: Timestamp,
        decision: &Decision,
    ) {
        let opinion = match decision {
            Decision::Permit(permit) => permit.opinion(),
            Decision::Denial(denial) => denial.opinion(),
        };
        let kind = (
            opinion.revision,
            request.question.action,
            opinion.refusal,
            opinion.rules.iter().next(),
        );
        if self.queue.get().is_none() || !(self.is_new(kind) || self.is_its_turn()) {
            return;
        }
        let said = match opinion.refusal {
            None => Some(true),
            Some(refusal) => refusal.is_by_rules().then_some(false),
        };
        self.send(
            flow,
            Supposed::of(request.question.clone(), snapshot, now),
            said,
            snapshot,
            None,
        );
    }

    /// Hands over an admission about which the judges have differed.
    pub(in crate::lease) fn differed(
        &self,
        flow: FlowId,
        request: &Request,
        snapshot: &Snapshot,
        now: Timestamp,
        lines: Vec<usize>,
    ) {
        let asked = Supposed::of(request.question.clone(), snapshot, now);
        self.send(flow, asked, None, snapshot, Some(lines));
    }

    fn send(
        &self,
        flow: FlowId,
        asked: Supposed,
        said: Option<bool>,
        snapshot: &Snapshot,
        differed: Option<Vec<usize>>,
    ) {
        let Some(queue) = self.queue.get() else { return };
        let (revision, bundle) = (snapshot.revision(), Arc::downgrade(snapshot.bundle()));
        if queue.try_send(Sample { flow, asked, said, revision, bundle, differed }).is_err() {
            self.figures.skipped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn is_new(&self, kind: Kind) -> bool {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        if kinds.len() >= KINDS {
            kinds.clear();
        }
        kinds.insert(kind)
    }

    fn is_its_turn(&self) -> bool {
        self.count.fetch_add(1, Ordering::Relaxed).is_multiple_of(SAMPLE)
    }
}
