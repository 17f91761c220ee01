//! Answers the questions of a machine, by the policy.

use doorward_inspect::{Judge, Need};
use doorward_model::{Action, Path};
use smallvec::SmallVec;

use super::operations::{GrantedRight, Operations, UNWANTED};
use crate::pipeline::held::Granted;

/// The judge of a flow of messages. The flow lives by the first right of its first permitted
/// message.
pub(super) struct MessageJudge {
    pub(super) operations: Operations,
    /// The right of the first permitted message, until the message is forwarded.
    granted: Option<Box<Granted>>,
}

/// An action on a path.
type Right = (Action, Path);

impl MessageJudge {
    pub(super) fn new(operations: Operations) -> Self {
        Self { operations, granted: None }
    }

    /// Returns the right of the first permitted message, which is about to be forwarded.
    pub(super) fn admitted(&mut self) -> Option<Box<Granted>> {
        self.granted.take()
    }

    /// Notes that nothing of the permitted message is forwarded, so that it does not admit the
    /// flow.
    pub(super) fn nothing_forwarded(&mut self) {
        if self.granted.take().is_some() {
            self.operations.admitted = None;
        }
    }

    /// Asks for the rights of a message. Notes every refusal, and the permitted operations if
    /// `done` says that they are done now.
    fn decide<'n>(&mut self, needs: impl Iterator<Item = &'n [Right]>, done: bool) -> bool {
        let mut granted: SmallVec<[(&Right, GrantedRight); 2]> = SmallVec::new();
        let mut may = true;
        for need in needs {
            match self.first_of(need) {
                Some(one) => granted.push(one),
                None => may = false,
            }
        }
        if !may {
            return false;
        }
        if done {
            for ((action, path), right) in &granted {
                self.operations.note((*action, path, None), Some(right.opinion()), None);
            }
        }
        if self.operations.admitted.is_some() {
            return true;
        }
        // The other rights are asked for again whenever they are used.
        let Some((_, GrantedRight::Flow(first))) = granted.into_iter().next() else { return false };
        self.operations.admitted = Some(first.permit().permitted_target());
        self.granted = Some(Box::new(self.operations.approached().granted(first, vec![])));
        true
    }

    /// Returns the first right of a need that is granted. If none is, each is noted as refused.
    fn first_of<'n>(&mut self, need: &'n [Right]) -> Option<(&'n Right, GrantedRight)> {
        let mut refused: SmallVec<[_; 2]> = SmallVec::new();
        for right in need {
            let (action, path) = right;
            if !self.operations.approached().wants(*action) {
                continue;
            }
            match self.operations.ask(*action, path, false) {
                Ok(granted) => return Some((right, granted)),
                Err(why) => refused.push((right, why)),
            }
        }
        for ((action, path), (opinion, why)) in refused {
            self.operations.note((*action, path, None), opinion.as_ref(), Some(why));
        }
        None
    }

    /// Asks for the rights of a message that is to be forwarded now.
    fn meet<'n>(&mut self, needs: impl Iterator<Item = &'n [Right]> + Clone) -> bool {
        let approached = self.operations.approached();
        let wants = |need: &[Right]| need.iter().any(|(action, _)| approached.wants(*action));
        let Some(unwanted) = needs.clone().find(|need| !wants(need)) else {
            return self.decide(needs, true);
        };
        for (action, path) in unwanted {
            self.operations.note((*action, path, None), None, Some(UNWANTED));
        }
        false
    }

    /// Returns a judge of lasting operations: it decides whether they are still permitted, and notes
    /// only refusals.
    pub(super) fn recheck(&mut self) -> Recheck<'_> {
        Recheck(self)
    }
}

impl Judge for MessageJudge {
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
        self.operations.note((action, path, None), None, Some(why));
    }

    fn turn_is_over(&self) -> bool {
        self.operations.turn_is_over()
    }
}

/// See [`MessageJudge::recheck`].
pub(super) struct Recheck<'a>(&'a mut MessageJudge);

impl Recheck<'_> {
    fn decide<'n>(&mut self, needs: impl Iterator<Item = &'n [Right]>) -> bool {
        // Nothing lasts before the first message was forwarded.
        let goes_on = self.0.operations.admitted.is_some() && self.0.granted.is_none();
        goes_on && self.0.decide(needs, false)
    }
}

impl Judge for Recheck<'_> {
    fn may(&mut self, action: Action, path: &Path) -> bool {
        self.decide(std::iter::once(&[(action, path.clone())][..]))
    }

    fn meets(&mut self, needs: &[Need]) -> bool {
        self.decide(needs.iter().map(SmallVec::as_slice))
    }
}
