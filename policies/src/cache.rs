//! A cache of decisions.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};

use doorward_model::{DeviceId, SubjectId};
use jiff::Timestamp;

use crate::answer::{Judges, ResolvedQuestion, answer, identity};
use crate::bundle::Bundle;
use crate::decision::{Decision, DeclaredInterface, Opinion};
use crate::proof::{Proof, Standing};
use crate::question::Question;
use crate::recent::Recent;
use crate::request::Request;
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
        let subject: Option<SubjectId> = self.parts.subject.as_ref().map(|one| one.member.id);
        let not_after = identity(request, subject, self.standing, now).ok()?;
        let device: Option<DeviceId> = self.parts.device.as_ref().map(|one| one.member.id.into());
        // The present state has the same parts, so its numbers are right.
        let (epoch, revision) = (snapshot.epoch(), snapshot.revision());
        let opinion = Opinion { epoch, revision, ..self.opinion.clone() };
        let interface = self.parts.interface.clone();
        Some(answer(request, device, interface, Some(not_after), opinion))
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
        self.kept.insert(question.clone(), kept);
        snapshot.decide_again(request, now)
    }
}

impl Default for Cache {
    fn default() -> Self {
        Self::new()
    }
}
