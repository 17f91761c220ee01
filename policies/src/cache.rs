use std::collections::BTreeSet;
use std::sync::{Arc, Weak};

use jiff::Timestamp;

use crate::answer::{Judges, Standing, answer};
use crate::bundle::Bundle;
use crate::decision::{Decision, Opinion};
use crate::question::{Question, Request};
use crate::recent::Recent;
use crate::snapshot::{Interface, Known, Snapshot};

/// Answers that are given again as long as they are what the compiled form would say: for the
/// operations of a flow, which ask much the same over and over.
///
/// An answer is kept by its whole question, together with the parts of the state that it was made
/// from. It is given again only while these are the same parts (not equal ones: the same), and
/// only from the instant at which it was made until the first at which time alone could change it.
/// Whether the identity behind a request still stands is asked each time. It is bounded, and for
/// one owner: nobody waits for another.
#[derive(Debug)]
pub struct Cache {
    kept: Recent<Question, Kept>,
}

/// An opinion, and what it was made from.
#[derive(Debug)]
struct Kept {
    opinion: Opinion,
    from: Timestamp,
    /// It keeps no bundle alive, and no other bundle can take this one's place in memory.
    bundle: Weak<Bundle>,
    subject: Option<Arc<Known>>,
    device: Option<Arc<Known>>,
    among: Option<Arc<[Interface]>>,
    suspended: Arc<BTreeSet<usize>>,
}

impl Kept {
    fn stands(&self, snapshot: &Snapshot, standing: &Standing<'_>, now: Timestamp) -> bool {
        fn same<T: ?Sized>(one: &Option<Arc<T>>, other: Option<&Arc<T>>) -> bool {
            match (one, other) {
                (Some(one), Some(other)) => Arc::ptr_eq(one, other),
                (None, None) => true,
                _ => false,
            }
        }
        self.from <= now
            && self.opinion.ask_again_at.is_none_or(|at| now < at)
            && std::ptr::eq(self.bundle.as_ptr(), Arc::as_ptr(snapshot.bundle()))
            && same(&self.subject, standing.subject)
            && same(&self.device, standing.device)
            && same(&self.among, standing.among)
            && Arc::ptr_eq(&self.suspended, snapshot.suspended())
    }
}

impl Cache {
    /// How many answers a cache keeps at most.
    pub const MOST: usize = 4096;

    /// An empty cache.
    #[must_use]
    pub fn new() -> Self {
        Self { kept: Recent::new(Self::MOST / 2) }
    }

    /// What [`Snapshot::decide_again`] says of `request` at `now`.
    pub fn decide_again(
        &mut self,
        snapshot: &Snapshot,
        request: &Request,
        now: Timestamp,
    ) -> Decision {
        let question = &request.question;
        let standing = snapshot.standing(question);
        let identity = snapshot.identity(request, standing.subject, now);
        if let Err(refusal) = identity {
            let refusal = Some(refusal);
            let opinion = snapshot.judge(Judges::Native, question, &standing, refusal, now);
            return answer(request, &standing, None, opinion);
        }
        let kept = self.kept.with(question, |kept| {
            kept.stands(snapshot, &standing, now).then(|| kept.opinion.clone())
        });
        let opinion = match kept.flatten() {
            // Numbers of the present state, which has the same parts.
            Some(opinion) => {
                Opinion { epoch: snapshot.epoch(), revision: snapshot.revision(), ..opinion }
            }
            None => {
                let refusal = standing.refusal();
                let opinion = snapshot.judge(Judges::Native, question, &standing, refusal, now);
                let kept = Kept {
                    opinion: opinion.clone(),
                    from: now,
                    bundle: Arc::downgrade(snapshot.bundle()),
                    subject: standing.subject.cloned(),
                    device: standing.device.cloned(),
                    among: standing.among.cloned(),
                    suspended: Arc::clone(snapshot.suspended()),
                };
                self.kept.insert(question.clone(), kept);
                opinion
            }
        };
        answer(request, &standing, identity.ok(), opinion)
    }
}

impl Default for Cache {
    fn default() -> Self {
        Self::new()
    }
}
