use std::sync::Arc;

use doorward_inspect::Judge;
use doorward_model::{Action, DeviceId, InterfaceId, Path};
use doorward_policies::{Cache, Decision, JournalError, Opinion, Record, Snapshot};
use doorward_session::{Authorized, Refused};
use smallvec::SmallVec;
use tokio::sync::watch;
use tokio::time::Instant;

use super::begin::hand_over;
use super::tally::Tally;
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
    stage: Stage,
}

enum Stage {
    /// Nothing has been permitted yet.
    Approached,
    /// A message has been permitted that is about to be forwarded, as the first.
    Granted(Box<Granted>),
    /// The flow is admitted, at this interface of this device.
    Admitted(Behind),
}

/// Why an operation is refused if another interface has come under the name of the flow's.
pub(super) const OTHER: &str = "unknown-interface";
/// Why it is if the client itself has said that the flow is for something else.
pub(super) const UNWANTED: &str = "not-asked-for";
/// How many answers a flow remembers.
pub(super) const ANSWERS: usize = 256;

type Behind = (Option<DeviceId>, Option<InterfaceId>);

impl<'a> Operations<'a> {
    pub(super) fn new(means: &'a Means, approached: &'a Approached) -> Self {
        let (cache, tally) = (Cache::of(ANSWERS), Tally::new(!approached.inspected.synced));
        Self { means, approached, cache, tally, stage: Stage::Approached }
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
    /// When it cannot be recorded; then it must not be done.
    pub(super) async fn recorded(&mut self) -> Result<(), JournalError> {
        let records = self.take();
        hand_over(self.means, self.approached, records).await
    }

    /// Notes what has become of an operation.
    fn note(&mut self, action: Action, path: &Path, opinion: Option<&Opinion>, refused: Refusal) {
        let Self { means, approached, tally, .. } = self;
        let epoch = opinion.map(|opinion| opinion.epoch);
        tally.note(action, path, refused, epoch, || {
            approached.operation(means.clock.now(), (action, path), opinion, refused)
        });
    }

    /// Asks for all rights of a message as for a flow.
    fn admit(&mut self, all: &[(Action, Path)]) -> bool {
        let requested = &self.approached.requested;
        let mut granted: SmallVec<[Authorized; 2]> = SmallVec::new();
        let mut may = true;
        for (action, path) in all {
            let question = self.approached.question(*action, path);
            match self.means.leases.ask(&requested.session, requested.id, question) {
                Ok(authorized) if self.approached.is_for(authorized.permit()) => {
                    granted.push(authorized);
                }
                Ok(_) => {
                    may = false;
                    self.note(*action, path, None, Some(OTHER));
                }
                Err(refused) => {
                    may = false;
                    let opinion = match &refused {
                        Refused::Denied(denial) => Some(denial.opinion()),
                        Refused::Busy | Refused::Degraded => None,
                    };
                    self.note(*action, path, opinion, Some(refused.as_str()));
                }
            }
        }
        if !may {
            return false;
        }
        for ((action, path), authorized) in all.iter().zip(&granted) {
            let opinion = authorized.permit().opinion().clone();
            self.note(*action, path, Some(&opinion), None);
        }
        // By the first right the flow lives. What the others are for is decided whenever it is done.
        let Some(first) = granted.into_iter().next() else { return false };
        let (via, kind) = (requested.via, Some(self.approached.kind()));
        self.stage = Stage::Granted(Box::new(Granted { first, more: vec![], via, kind }));
        true
    }

    /// Asks for all rights of a message, within the flow. What is refused is noted, and what is
    /// permitted if it is done now.
    fn decide(&mut self, all: &[(Action, Path)], behind: Behind, done: bool) -> bool {
        let requested = &self.approached.requested;
        let mut permits = SmallVec::<[_; 2]>::new();
        for (action, path) in all {
            let question = self.approached.question(*action, path);
            let cache = &mut self.cache;
            match self.means.leases.decide(&requested.session, requested.id, question, cache) {
                Decision::Permit(permit) if permit.behind() == behind => permits.push(permit),
                Decision::Permit(_) => {
                    self.note(*action, path, None, Some(OTHER));
                }
                Decision::Denial(denial) => {
                    let why = denial.reason().as_str();
                    self.note(*action, path, Some(denial.opinion()), Some(why));
                }
            }
        }
        if permits.len() < all.len() {
            return false;
        }
        if done {
            for ((action, path), permit) in all.iter().zip(&permits) {
                self.note(*action, path, Some(permit.opinion()), None);
            }
        }
        true
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

    fn may_all(&mut self, all: &[(Action, Path)]) -> bool {
        let unwanted = all.iter().find(|(action, _)| !self.approached.wants(*action));
        if let Some((action, path)) = unwanted {
            self.note(*action, path, None, Some(UNWANTED));
            return false;
        }
        match &self.stage {
            Stage::Approached => self.admit(all),
            Stage::Granted(granted) => {
                let behind = granted.first.permit().behind();
                self.decide(all, behind, true)
            }
            Stage::Admitted(behind) => {
                let behind = *behind;
                self.decide(all, behind, true)
            }
        }
    }
}

/// See [`Operations::again`].
pub(super) struct Again<'a, 'o>(&'o mut Operations<'a>);

impl Judge for Again<'_, '_> {
    fn may(&mut self, action: Action, path: &Path) -> bool {
        match self.0.stage {
            Stage::Admitted(behind) => self.0.decide(&[(action, path.clone())], behind, false),
            Stage::Approached | Stage::Granted(_) => false,
        }
    }
}
