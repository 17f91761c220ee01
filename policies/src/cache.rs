//! A cache of decisions.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};

use doorward_model::{DeviceId, SubjectId};
use jiff::Timestamp;

use crate::answer::{Judges, answer, identity};
use crate::bundle::Bundle;
use crate::decision::{Decision, DeclaredInterface, Opinion};
use crate::lines::RuleLines;
use crate::proof::{Proof, Standing};
use crate::question::Question;
use crate::recent::Recent;
use crate::request::Request;
use crate::resolved::ResolvedQuestion;
use crate::snapshot::{Interface, KnownMember, Snapshot, Stamp};

/// A cache of decisions of the compiled form, for the operations of a flow, which ask similar
/// questions again and again.
///
/// An entry keeps the opinion on a question, and the parts of the state that the opinion rests on.
/// It is used only while the state has these very parts (the same, not equal ones), and only from
/// the instant of the opinion until the first instant at which time alone could change it. The
/// identity of the request is checked each time. A cache is bounded and has one owner, so nobody
/// waits for a lock.
#[derive(Debug)]
pub struct Cache {
    kept: Recent<Question, Kept>,
}

/// An opinion, and the parts of the state that it rests on.
#[derive(Debug)]
struct Kept {
    opinion: Opinion,
    from: Timestamp,
    parts: Parts,
    /// The last state that had these parts, and the proof of the last request in that state.
    seen: Stamp,
    proof: Proof,
    standing: Option<Standing>,
}

/// The parts of a state that an opinion rests on.
#[derive(Debug)]
struct Parts {
    /// Weak, so that a cache keeps no bundle alive. The weak reference also keeps the memory from
    /// being used for another bundle, so the address identifies the bundle.
    bundle: Weak<Bundle>,
    subject: Option<Arc<KnownMember>>,
    device: Option<Arc<KnownMember>>,
    among: Option<Arc<[Interface]>>,
    interface: Option<DeclaredInterface>,
    suspended: Arc<BTreeSet<usize>>,
}

impl Parts {
    fn of(snapshot: &Snapshot, resolved: &ResolvedQuestion<'_>) -> Self {
        Self {
            bundle: Arc::downgrade(snapshot.bundle()),
            subject: resolved.subject.cloned(),
            device: resolved.device.cloned(),
            among: resolved.among.cloned(),
            interface: resolved.declared(),
            suspended: Arc::clone(snapshot.suspended()),
        }
    }

    fn are_of(&self, snapshot: &Snapshot, resolved: &ResolvedQuestion<'_>) -> bool {
        fn same<T: ?Sized>(one: &Option<Arc<T>>, other: Option<&Arc<T>>) -> bool {
            match (one, other) {
                (Some(one), Some(other)) => Arc::ptr_eq(one, other),
                (None, None) => true,
                _ => false,
            }
        }
        std::ptr::eq(self.bundle.as_ptr(), Arc::as_ptr(snapshot.bundle()))
            && same(&self.subject, resolved.subject)
            && same(&self.device, resolved.device)
            && same(&self.among, resolved.among)
            && Arc::ptr_eq(&self.suspended, snapshot.suspended())
    }
}

impl Kept {
    /// Returns the decision on `request`, if the entry still holds.
    fn answer(
        &mut self,
        snapshot: &Snapshot,
        request: &Request,
        now: Timestamp,
    ) -> Option<Decision> {
        let stands = self.from <= now && self.opinion.ask_again_at.is_none_or(|at| now < at);
        if !stands {
            return None;
        }
        let moved_on = self.seen != snapshot.stamp();
        if moved_on {
            if !self.parts.are_of(snapshot, &snapshot.resolve(&request.question)) {
                return None;
            }
            self.seen = snapshot.stamp();
        }
        if moved_on || self.proof != request.proof {
            self.standing = snapshot.standing(&request.proof);
            self.proof.clone_from(&request.proof);
        }
        Some(self.decide(snapshot, request, now))
    }

    /// Returns the decision that follows from the opinion and from the identity of `request`. The
    /// state must have the entry's parts, so that its numbers are right.
    fn decide(&self, snapshot: &Snapshot, request: &Request, now: Timestamp) -> Decision {
        let subject: Option<SubjectId> = self.parts.subject.as_ref().map(|one| one.member.id);
        let identity = identity(request, subject, self.standing, now);
        let device: Option<DeviceId> = self.parts.device.as_ref().map(|one| one.member.id.into());
        let (epoch, revision) = (snapshot.epoch(), snapshot.revision());
        let mut opinion = Opinion { epoch, revision, ..self.opinion.clone() };
        if let Err(refusal) = identity {
            (opinion.refusal, opinion.rules) = (Some(refusal), RuleLines::default());
        }
        answer(request, device, self.parts.interface.clone(), identity.ok(), opinion)
    }
}

impl Cache {
    /// The most entries of a cache.
    pub const MOST: usize = 4096;

    /// Returns an empty cache.
    #[must_use]
    pub fn new() -> Self {
        Self::of(Self::MOST)
    }

    /// Returns an empty cache of at most `most` entries, and at most [`Cache::MOST`]. An entry
    /// takes some hundred bytes.
    #[must_use]
    pub fn of(most: usize) -> Self {
        Self { kept: Recent::new(most.min(Self::MOST) / 2) }
    }

    /// Returns what [`Snapshot::decide_again`] says of `request` at `now`.
    pub fn decide_again(
        &mut self,
        snapshot: &Snapshot,
        request: &Request,
        now: Timestamp,
    ) -> Decision {
        let question = &request.question;
        let kept = self.kept.with(question, |kept| kept.answer(snapshot, request, now));
        if let Some(decision) = kept.flatten() {
            return decision;
        }
        let resolved = snapshot.resolve(question);
        let refusal = resolved.refusal();
        let opinion = snapshot.judge(Judges::Compiled, question, &resolved, refusal, now);
        let kept = Kept {
            opinion,
            from: now,
            parts: Parts::of(snapshot, &resolved),
            seen: snapshot.stamp(),
            proof: request.proof.clone(),
            standing: snapshot.standing(&request.proof),
        };
        let decision = kept.decide(snapshot, request, now);
        self.kept.insert(question.clone(), kept);
        decision
    }
}

impl Default for Cache {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::Refusal;
    use crate::fixture::{self, certificate, now};
    use crate::judge::searches;
    use doorward_model::Action;

    const POLICY: &str = "p, user/alice, plc, modbus/1/holding/*, read, , allow\n\
                          p, user/alice, plc, modbus/1/holding/9, read, , deny\n";

    /// Returns the decision with the number of searches that it took.
    fn counted(decide: impl FnOnce() -> Decision) -> (Result<(), Refusal>, usize) {
        let before = searches();
        let decision = match decide() {
            Decision::Permit(_) => Ok(()),
            Decision::Denial(denial) => Err(denial.reason()),
        };
        (decision, searches() - before)
    }

    #[test]
    fn a_question_that_is_not_cached_is_judged_once_and_then_not_at_all() {
        let snapshot = fixture::snapshot(POLICY, &[("modbus", "modbus://plc:502")]);
        let mut cache = Cache::new();
        let (alice, plc): (doorward_model::Subject, doorward_model::Device) =
            ("user/alice".parse().unwrap(), "plc".parse().unwrap());
        let gone = Refusal::CertificateNotLive;
        for (path, live, expected) in [
            ("modbus/1/holding/7", true, Ok(())),
            ("modbus/1/holding/9", true, Err(Refusal::DeniedByRule)),
            ("modbus/1/holding/8", false, Err(gone)),
        ] {
            let read = Action::Read;
            let question = snapshot.question(alice.clone(), read, plc.clone(), path, None);
            let mut certificate = certificate();
            if !live {
                certificate.serial = "7f".parse().unwrap();
            }
            let question = question.unwrap();
            let request = Request { question, subject: SubjectId(1), proof: certificate.into() };
            let plain = counted(|| snapshot.decide_again(&request, now()));
            assert_eq!(plain.0, expected, "{path}");
            assert!(plain.1 > 0, "{path}");
            assert_eq!(counted(|| cache.decide_again(&snapshot, &request, now())), plain, "{path}");
            let again = counted(|| cache.decide_again(&snapshot, &request, now()));
            assert_eq!(again, (expected, 0), "{path}");
        }
    }
}
