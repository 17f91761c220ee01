//! Answers that are given again while nothing that they rest on has changed.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};

use doorward_model::{CertificateId, DeviceId, SubjectId};
use jiff::Timestamp;

use crate::answer::{Judges, ResolvedQuestion, answer, identity};
use crate::bundle::Bundle;
use crate::decision::{Decision, DeclaredInterface, Opinion};
use crate::question::{Question, Request};
use crate::recent::Recent;
use crate::snapshot::{Certificate, Interface, KnownMember, Snapshot, Stamp};

/// Answers that are given again as long as they are what the compiled form would say: for the
/// operations of a flow, which ask much the same over and over.
///
/// An answer is kept by its whole question, together with the parts of the state that it was made
/// from. It is given again only while these are the same parts (not equal ones: the same), and
/// only from the instant at which it was made until the first at which time alone could change it.
/// Whether the identity behind a request still stands is asked each time. A cache is bounded, and
/// has one owner, so nobody waits for another.
#[derive(Debug)]
pub struct Cache {
    kept: Recent<Question, Kept>,
}

/// An opinion of the rules and of what a question names, and what it was made from.
#[derive(Debug)]
struct Kept {
    opinion: Opinion,
    from: Timestamp,
    parts: Parts,
    /// The last state that was seen to have these parts, and in that state the certificate that
    /// was last asked with.
    seen: Stamp,
    certificate: CertificateId,
    row: Option<Certificate>,
}

/// The parts of a state that an opinion rests on.
#[derive(Debug)]
struct Parts {
    /// It keeps no bundle alive, and no other bundle can take this one's place in memory.
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
    /// The answer to `request`, if it is still this one.
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
        if moved_on || self.certificate != request.certificate {
            self.row = snapshot.certificate(&request.certificate).cloned();
            self.certificate.clone_from(&request.certificate);
        }
        let subject: Option<SubjectId> = self.parts.subject.as_ref().map(|one| one.member.id);
        let not_after = identity(request, subject, self.row.as_ref(), now).ok()?;
        let device: Option<DeviceId> = self.parts.device.as_ref().map(|one| one.member.id.into());
        // The numbers are those of the present state, which has the same parts.
        let (epoch, revision) = (snapshot.epoch(), snapshot.revision());
        let opinion = Opinion { epoch, revision, ..self.opinion.clone() };
        let interface = self.parts.interface.clone();
        Some(answer(request, device, interface, Some(not_after), opinion))
    }
}

impl Cache {
    /// How many answers a cache keeps at most.
    pub const MOST: usize = 4096;

    /// An empty cache.
    #[must_use]
    pub fn new() -> Self {
        Self::of(Self::MOST)
    }

    /// An empty cache that keeps so many answers at most, and not more than [`Cache::MOST`]. Each
    /// takes some hundred bytes.
    #[must_use]
    pub fn of(most: usize) -> Self {
        Self { kept: Recent::new(most.min(Self::MOST) / 2) }
    }

    /// What [`Snapshot::decide_again`] says of `request` at `now`.
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
            certificate: request.certificate.clone(),
            row: snapshot.certificate(&request.certificate).cloned(),
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
