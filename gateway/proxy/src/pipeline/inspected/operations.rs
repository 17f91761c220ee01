//! Decides the operations of one flow, and records them.

use std::sync::Arc;

use doorward_inspect::{Judge, Need};
use doorward_model::{Action, Path};
use doorward_policies::{Cache, Decision, JournalError, Opinion, Permit, Record, Snapshot};
use doorward_session::{Authorized, Refused};
use smallvec::SmallVec;
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::Instant;

use super::begin::hand_over;
use super::tally::Tally;
use super::turn::Turn;
use crate::pipeline::Means;
use crate::pipeline::approach::Approached;
use crate::pipeline::held::{Granted, TargetIds};

/// Decides and records the operations of one flow.
///
/// The first permitted message is the flow's admission. Each right that it needs is asked for like
/// a flow, and the flow lives by the first of them. Later operations are decided by the state of
/// their moment.
pub(super) struct Operations<'a> {
    means: &'a Means,
    approached: &'a Approached,
    cache: Cache,
    tally: Tally,
    turn: Turn,
    stage: Stage,
}

enum Stage {
    /// No message has been permitted yet.
    Approached,
    /// The first message was permitted, and is about to be forwarded.
    Granted(Box<Granted>),
    /// The flow is admitted, at this device and interface.
    Admitted(TargetIds),
}

/// The refusal of an operation after another interface has taken the name.
pub(super) const OTHER: &str = "unknown-interface";
/// The refusal of an operation that the client itself has not asked for.
pub(super) const UNWANTED: &str = "not-asked-for";
/// How many answers a flow caches.
pub(super) const ANSWERS: usize = 256;

/// An action on a path.
type Right = (Action, Path);

impl<'a> Operations<'a> {
    pub(super) fn new(means: &'a Means, approached: &'a Approached) -> Self {
        let (cache, tally) = (Cache::of(ANSWERS), Tally::new(!approached.inspected.synced));
        let turn = Turn::default();
        Self { means, approached, cache, tally, turn, stage: Stage::Approached }
    }

    /// Returns the rights of the first permitted message, and marks the flow as admitted.
    pub(super) fn admitted(&mut self) -> Option<Box<Granted>> {
        let Stage::Granted(granted) = std::mem::replace(&mut self.stage, Stage::Approached) else {
            return None;
        };
        self.stage = Stage::Admitted(granted.first.permit().behind());
        Some(granted)
    }

    /// Notes that nothing of the permitted message is forwarded, so that it does not admit the
    /// flow.
    pub(super) fn nothing_forwarded(&mut self) {
        if let Stage::Granted(_) = &self.stage {
            self.stage = Stage::Approached;
        }
    }

    /// Returns a receiver of the state.
    pub(super) fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.means.leases.snapshots()
    }

    /// Returns when the counts must be recorded.
    pub(super) fn due(&self) -> Option<Instant> {
        self.tally.due()
    }

    /// Records the counts.
    pub(super) fn settle(&mut self) {
        self.tally.settle();
    }

    /// Returns the records to be written now.
    pub(super) fn take(&mut self) -> Vec<Record> {
        self.tally.take()
    }

    /// Hands the records to the audit log, before any of the operations is forwarded.
    ///
    /// # Errors
    /// When one cannot be recorded, which this logs. Then none of the operations may be done.
    pub(super) async fn recorded(&mut self) -> Result<(), JournalError> {
        let records = self.take();
        hand_over(self.means, self.approached, records).await
    }

    /// Notes that bytes of a peer are about to be read.
    pub(super) fn begin_turn(&mut self) {
        self.turn.begin();
    }

    /// Notes that nothing more is read for now. Yields if the flow has used up its turn.
    pub(super) async fn rest(&mut self) {
        if self.turn.end() {
            yield_now().await;
        }
    }

    /// Notes the decision about an operation.
    fn note(&mut self, action: Action, path: &Path, opinion: Option<&Opinion>, refused: Refusal) {
        let Self { means, approached, tally, .. } = self;
        let epoch = opinion.map(|opinion| opinion.epoch);
        tally.note((action, path, None), refused, epoch, || {
            approached.operation(means.clock.now(), (action, path), opinion, refused)
        });
    }

    /// Asks for the rights of a message as for a flow.
    fn admit<'n>(&mut self, needs: impl Iterator<Item = &'n [Right]>) -> bool {
        let mut granted: SmallVec<[(&Right, Authorized); 2]> = SmallVec::new();
        let mut may = true;
        for need in needs {
            let asked = |this: &mut Self, (action, path): &Right| {
                let requested = &this.approached.requested;
                let question = this.approached.question(*action, path);
                match this.means.leases.ask(&requested.connection, requested.id, question) {
                    Ok(authorized) if this.approached.is_for(authorized.permit()) => Ok(authorized),
                    Ok(_) => Err((None, OTHER)),
                    Err(Refused::Denied(denial)) => {
                        let why = denial.reason().as_str();
                        Err((Some(denial.opinion().clone()), why))
                    }
                    Err(refused @ (Refused::Busy | Refused::Degraded)) => {
                        Err((None, refused.as_str()))
                    }
                }
            };
            match self.first_of(need, asked) {
                Some(one) => granted.push(one),
                None => may = false,
            }
        }
        if !may {
            return false;
        }
        for ((action, path), authorized) in &granted {
            let opinion = authorized.permit().opinion().clone();
            self.note(*action, path, Some(&opinion), None);
        }
        // The flow lives by the first right. The other rights are asked for again whenever they are
        // used.
        let Some((_, first)) = granted.into_iter().next() else { return false };
        let (via, kind) = (self.approached.requested.via, Some(self.approached.kind()));
        self.stage = Stage::Granted(Box::new(Granted { first, more: vec![], via, kind }));
        true
    }

    /// Asks for the rights of a message within the flow. Notes every refusal, and the permitted
    /// operations if `done` says that they are done now.
    fn decide<'n>(
        &mut self,
        needs: impl Iterator<Item = &'n [Right]>,
        target: TargetIds,
        done: bool,
    ) -> bool {
        let mut permits: SmallVec<[(&Right, Permit); 2]> = SmallVec::new();
        let mut may = true;
        for need in needs {
            let asked = |this: &mut Self, (action, path): &Right| {
                let requested = &this.approached.requested;
                let question = this.approached.question(*action, path);
                let cache = &mut this.cache;
                match this.means.leases.decide(&requested.connection, requested.id, question, cache)
                {
                    Decision::Permit(permit) if permit.behind() == target => Ok(permit),
                    Decision::Permit(_) => Err((None, OTHER)),
                    Decision::Denial(denial) => {
                        Err((Some(denial.opinion().clone()), denial.reason().as_str()))
                    }
                }
            };
            match self.first_of(need, asked) {
                Some(one) => permits.push(one),
                None => may = false,
            }
        }
        if may && done {
            for ((action, path), permit) in &permits {
                self.note(*action, path, Some(permit.opinion()), None);
            }
        }
        may
    }

    /// Returns the first right of a need that `asked` grants, with what it has granted. If it
    /// grants none, each is noted as refused.
    fn first_of<'n, G>(
        &mut self,
        need: &'n [Right],
        mut asked: impl FnMut(&mut Self, &Right) -> Result<G, (Option<Opinion>, &'static str)>,
    ) -> Option<(&'n Right, G)> {
        let mut refused: SmallVec<[_; 2]> = SmallVec::new();
        for right in need.iter().filter(|(action, _)| self.approached.wants(*action)) {
            self.turn.ask();
            match asked(self, right) {
                Ok(granted) => return Some((right, granted)),
                Err(why) => refused.push((right, why)),
            }
        }
        for ((action, path), (opinion, why)) in refused {
            self.note(*action, path, opinion.as_ref(), Some(why));
        }
        None
    }

    /// Asks for the rights of a message, by the flow's stage.
    fn meet<'n>(&mut self, needs: impl Iterator<Item = &'n [Right]> + Clone) -> bool {
        let wants = |need: &&[Right]| need.iter().any(|(action, _)| self.approached.wants(*action));
        if let Some(unwanted) = needs.clone().find(|need| !wants(need)) {
            for (action, path) in unwanted {
                self.note(*action, path, None, Some(UNWANTED));
            }
            return false;
        }
        match &self.stage {
            Stage::Approached => self.admit(needs),
            Stage::Granted(granted) => {
                let target = granted.first.permit().behind();
                self.decide(needs, target, true)
            }
            Stage::Admitted(target) => {
                let target = *target;
                self.decide(needs, target, true)
            }
        }
    }

    /// Returns a judge of lasting operations: it decides whether they are still permitted, and notes
    /// only refusals.
    pub(super) fn recheck(&mut self) -> Recheck<'a, '_> {
        Recheck(self)
    }
}

/// Why an operation is refused, in a word for the record; `None` if it is permitted.
type Refusal = Option<&'static str>;

impl Judge for Operations<'_> {
    fn may(&mut self, action: Action, path: &Path) -> bool {
        self.may_all(&[(action, path.clone())])
    }

    fn may_all(&mut self, all: &[Right]) -> bool {
        self.meet(all.iter().map(std::slice::from_ref))
    }

    fn meets(&mut self, needs: &[Need]) -> bool {
        self.meet(needs.iter().map(SmallVec::as_slice))
    }

    fn refused(&mut self, action: Action, path: &Path, why: &'static str) {
        self.note(action, path, None, Some(why));
    }

    fn turn_is_over(&self) -> bool {
        self.turn.is_over()
    }
}

/// See [`Operations::recheck`].
pub(super) struct Recheck<'a, 'o>(&'o mut Operations<'a>);

impl Recheck<'_, '_> {
    fn decide<'n>(&mut self, needs: impl Iterator<Item = &'n [Right]>) -> bool {
        match self.0.stage {
            Stage::Admitted(target) => self.0.decide(needs, target, false),
            Stage::Approached | Stage::Granted(_) => false,
        }
    }
}

impl Judge for Recheck<'_, '_> {
    fn may(&mut self, action: Action, path: &Path) -> bool {
        self.decide(std::iter::once(&[(action, path.clone())][..]))
    }

    fn meets(&mut self, needs: &[Need]) -> bool {
        self.decide(needs.iter().map(SmallVec::as_slice))
    }
}
