//! Picks answers for the referee.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use doorward_model::{Action, FlowId, Revision};
use doorward_policies::{Bundle, Decision, Refusal, Request, Snapshot, Supposed};
use jiff::Timestamp;
use tokio::sync::mpsc;

/// Of the answers of each kind that was checked before, one in this many is checked.
const SAMPLE: u64 = 64;
/// The most kinds that are remembered. Beyond that, all kinds count as new again.
const KINDS: usize = 4096;

/// An answer that waits for the referee.
pub(super) struct Sample {
    pub(super) flow: FlowId,
    pub(super) question: Supposed,
    /// Whether the rules were said to permit it; `None` if the rules did not decide.
    pub(super) permitted: Option<bool>,
    pub(super) revision: Revision,
    /// A weak reference, so that the queue keeps no former bundle in memory. A sample of a former
    /// bundle is skipped.
    pub(super) bundle: Weak<Bundle>,
    /// The lines about which the judges already disagreed, at an admission.
    pub(super) differed: Option<Vec<usize>>,
}

/// What similar answers share: the revision, the action, and the refusal or first line that
/// decided.
type Kind = (Revision, Action, Option<Refusal>, Option<usize>);

/// Picks samples of the answers for the referee.
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
    /// Offers an answer that only the compiled form has given.
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
        let permitted = match opinion.refusal {
            None => Some(true),
            Some(refusal) => refusal.is_by_rules().then_some(false),
        };
        self.send(
            flow,
            Supposed::of(request.question.clone(), snapshot, now),
            permitted,
            snapshot,
            None,
        );
    }

    /// Hands over an admission about which the judges disagreed.
    pub(in crate::lease) fn differed(
        &self,
        flow: FlowId,
        request: &Request,
        snapshot: &Snapshot,
        now: Timestamp,
        lines: Vec<usize>,
    ) {
        let question = Supposed::of(request.question.clone(), snapshot, now);
        self.send(flow, question, None, snapshot, Some(lines));
    }

    fn send(
        &self,
        flow: FlowId,
        question: Supposed,
        permitted: Option<bool>,
        snapshot: &Snapshot,
        differed: Option<Vec<usize>>,
    ) {
        let Some(queue) = self.queue.get() else { return };
        let (revision, bundle) = (snapshot.revision(), Arc::downgrade(snapshot.bundle()));
        if queue.try_send(Sample { flow, question, permitted, revision, bundle, differed }).is_err()
        {
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
