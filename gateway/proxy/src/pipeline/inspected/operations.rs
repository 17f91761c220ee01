//! Decides the operations of one flow, and notes them.

use std::sync::Arc;

use doorward_inspect::{Judge, Need};
use doorward_model::{Action, DeviceId, InterfaceId, Path};
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
use crate::pipeline::held::Granted;

/// The operations of one flow: each is decided when it is named, and recorded.
///
/// The first message that is permitted is the flow's admission: each right that it needs is asked
/// for like a flow, and by the first of them the flow lives. From then on operations are decided by
/// the state of their moment.
pub(super) struct Operations<'a> {
    means: &'a Means,
    approached: &'a Approached,
    cache: Cache,
    tally: Tally,
    turn: Turn,
    stage: Stage,
}

enum Stage {
    /// Nothing has been permitted yet.
    Approached,
    /// A message has been permitted that is about to be forwarded, as the first.
    Granted(Box<Granted>),
    /// The flow is admitted, at this interface of this device.
    Admitted(TargetIds),
}

/// Why an operation is refused if another interface has come under the name of the flow's.
pub(super) const OTHER: &str = "unknown-interface";
/// Why it is if the client itself has said that the flow is for something else.
pub(super) const UNWANTED: &str = "not-asked-for";
/// How many answers a flow remembers.
pub(super) const ANSWERS: usize = 256;

type TargetIds = (Option<DeviceId>, Option<InterfaceId>);
/// What can be asked about.
type Right = (Action, Path);

impl<'a> Operations<'a> {
    pub(super) fn new(means: &'a Means, approached: &'a Approached) -> Self {
        let (cache, tally) = (Cache::of(ANSWERS), Tally::new(!approached.inspected.synced));
        let turn = Turn::default();
        Self { means, approached, cache, tally, turn, stage: Stage::Approached }
    }

    /// What the first permitted message was granted; from now on the flow is admitted.
    pub(super) fn admitted(&mut self) -> Option<Box<Granted>> {
        let Stage::Granted(granted) = std::mem::replace(&mut self.stage, Stage::Approached) else {
            return None;
        };
        self.stage = Stage::Admitted(granted.first.permit().behind());
        Some(granted)
    }

    /// Nothing of the message that was permitted is forwarded after all: it does not admit the flow.
    pub(super) fn nothing_forwarded(&mut self) {
        if let Stage::Granted(_) = &self.stage {
            self.stage = Stage::Approached;
        }
    }

    /// The state, for whoever waits until it changes.
    pub(super) fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.means.leases.snapshots()
    }

    /// When what has been counted is to be recorded.
    pub(super) fn due(&self) -> Option<Instant> {
        self.tally.due()
    }

    /// Records what has been counted.
    pub(super) fn settle(&mut self) {
        self.tally.settle();
    }

    /// What is to be recorded now.
    pub(super) fn take(&mut self) -> Vec<Record> {
        self.tally.take()
    }

    /// Hands over what is to be recorded, before anything of it is forwarded.
    ///
    /// # Errors
    /// When it cannot be recorded, which the log then says; it must not be done.
    pub(super) async fn recorded(&mut self) -> Result<(), JournalError> {
        let records = self.take();
        hand_over(self.means, self.approached, records).await
    }

    /// Something of a peer's is about to be read.
    pub(super) fn begin_turn(&mut self) {
        self.turn.begin();
    }

    /// Nothing more is read for now. If the flow has had its turn, others have theirs first.
    pub(super) async fn rest(&mut self) {
        if self.turn.end() {
            yield_now().await;
        }
    }

    /// Notes what has become of an operation.
    fn note(&mut self, action: Action, path: &Path, opinion: Option<&Opinion>, refused: Refusal) {
        let Self { means, approached, tally, .. } = self;
        let epoch = opinion.map(|opinion| opinion.epoch);
        tally.note((action, path, None), refused, epoch, || {
            approached.operation(means.clock.now(), (action, path), opinion, refused)
        });
    }

    /// Asks for what a message needs as for a flow.
    fn admit<'n>(&mut self, needs: impl Iterator<Item = &'n [Right]>) -> bool {
        let mut granted: SmallVec<[(&Right, Authorized); 2]> = SmallVec::new();
        let mut may = true;
        for need in needs {
            let asked = |this: &mut Self, (action, path): &Right| {
                let requested = &this.approached.requested;
                let question = this.approached.question(*action, path);
                match this.means.leases.ask(&requested.session, requested.id, question) {
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
        // By the first right the flow lives. What the others are for is decided whenever it is done.
        let Some((_, first)) = granted.into_iter().next() else { return false };
        let (via, kind) = (self.approached.requested.via, Some(self.approached.kind()));
        self.stage = Stage::Granted(Box::new(Granted { first, more: vec![], via, kind }));
        true
    }

    /// Asks for what a message needs, within the flow. What is refused is noted, and what is
    /// permitted if it is done now.
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
                match this.means.leases.decide(&requested.session, requested.id, question, cache) {
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

    /// The first right of a need that `asked` grants, and what it has granted. If it grants none,
    /// each is noted as refused.
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

    /// Asks for what a message needs, as the flow's stage has it.
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

    /// Judges whether what has been permitted, and goes on, still is: only what is not is noted.
    pub(super) fn again(&mut self) -> Again<'a, '_> {
        Again(self)
    }
}

/// Why an operation is refused, in a word for the record; `None` if it is not.
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

/// See [`Operations::again`].
pub(super) struct Again<'a, 'o>(&'o mut Operations<'a>);

impl Again<'_, '_> {
    fn decide<'n>(&mut self, needs: impl Iterator<Item = &'n [Right]>) -> bool {
        match self.0.stage {
            Stage::Admitted(target) => self.0.decide(needs, target, false),
            Stage::Approached | Stage::Granted(_) => false,
        }
    }
}

impl Judge for Again<'_, '_> {
    fn may(&mut self, action: Action, path: &Path) -> bool {
        self.decide(std::iter::once(&[(action, path.clone())][..]))
    }

    fn meets(&mut self, needs: &[Need]) -> bool {
        self.decide(needs.iter().map(SmallVec::as_slice))
    }
}
