//! Answers questions and requests from a snapshot.

use doorward_model::{Device, DeviceId, Group, Kind, Path, Role, Segment, Subject, SubjectId};
use jiff::Timestamp;

use crate::compiled::{Limit, SearchControl};
use crate::decision::{Decision, DeclaredInterface, Denial, Opinion, Permit, Refusal};
use crate::judge::{Case, RulesVerdict, Search, casbin_permits, verdict_of};
use crate::membership::ResolvedMemberships;
use crate::proof::Standing;
use crate::question::{Context, Question};
use crate::request::Request;
use crate::resolved::ResolvedQuestion;
use crate::rule::Effect;
use crate::snapshot::Snapshot;

/// Which judges decide.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judges {
    /// The compiled form and casbin-rs: both must permit.
    Both,
    /// The compiled form alone.
    Compiled,
}

impl Snapshot {
    /// Returns what this state says of `question`. It makes no permit: see [`Snapshot::decide`].
    #[must_use]
    pub fn opinion(&self, question: &Question, now: Timestamp) -> Opinion {
        let resolved = self.resolve(question);
        self.judge(Judges::Both, question, &resolved, resolved.refusal(), now)
    }

    /// Returns what the rules alone say of `question`, even if the subject or the interface does
    /// not exist.
    #[must_use]
    pub fn rules_say(&self, question: &Question, now: Timestamp) -> Opinion {
        self.judge(Judges::Both, question, &self.resolve(question), None, now)
    }

    /// Returns what the compiled form alone says of `question`, for callers that ask very many.
    pub(crate) fn outlook(&self, question: &Question, now: Timestamp) -> Opinion {
        let resolved = self.resolve(question);
        self.judge(Judges::Compiled, question, &resolved, resolved.refusal(), now)
    }

    /// Decides `request` at `now` by both judges, for an admission.
    pub fn decide(&self, request: &Request, now: Timestamp) -> Decision {
        self.decide_by(Judges::Both, request, now)
    }

    /// Decides `request` at `now` by the compiled form alone, for requests that both judges have
    /// admitted before.
    pub fn decide_again(&self, request: &Request, now: Timestamp) -> Decision {
        self.decide_by(Judges::Compiled, request, now)
    }

    fn decide_by(&self, judges: Judges, request: &Request, now: Timestamp) -> Decision {
        let resolved = self.resolve(&request.question);
        let standing = self.standing(&request.proof);
        let identity = identity(request, resolved.subject.map(|one| one.member.id), standing, now);
        let refusal = identity.err().or(resolved.refusal());
        let opinion = self.judge(judges, &request.question, &resolved, refusal, now);
        let device = resolved.device.map(|device| device.member.id.into());
        answer(request, device, resolved.declared(), identity.ok(), opinion)
    }

    pub(crate) fn resolve(&self, question: &Question) -> ResolvedQuestion<'_> {
        let subject = self.known(&question.subject);
        let (device, among) = match &question.resource.device {
            Device::Gateway => (None, None),
            Device::Named(name) => {
                let device = self.known(&Subject::new(Kind::Device, name.clone()));
                (device, self.declared(name))
            }
        };
        let interface = match (among, question.resource.path.segments()) {
            (Some(among), [Segment::Text(name), ..]) => {
                among.iter().position(|interface| interface.name.as_str() == &**name)
            }
            _ => None,
        };
        let gateway = question.resource.device == Device::Gateway;
        ResolvedQuestion { action: question.action, gateway, subject, device, among, interface }
    }

    /// Judges by the rules, then applies `refusal`. It judges even if the refusal is already known,
    /// so that an unknown name takes as long as a forbidden one.
    pub(crate) fn judge(
        &self,
        judges: Judges,
        question: &Question,
        resolved: &ResolvedQuestion<'_>,
        refusal: Option<Refusal>,
        now: Timestamp,
    ) -> Opinion {
        let none = (ResolvedMemberships::none(), ResolvedMemberships::none());
        let (roles, groups) = self.memberships(resolved, &none);
        let aliases = resolved.aliases(question);
        let context = question.context(now, resolved.evidence());
        self.judge_among(judges, (question, &aliases), context, refusal, (roles, groups))
    }

    /// Returns the roles and groups that a question is judged with. A device that does not exist is
    /// in the groups that every device is in; the gateway is in none.
    pub(crate) fn memberships<'a>(
        &'a self,
        resolved: &ResolvedQuestion<'a>,
        none: &'a (ResolvedMemberships<Role>, ResolvedMemberships<Group>),
    ) -> (&'a ResolvedMemberships<Role>, &'a ResolvedMemberships<Group>) {
        let roles = resolved.subject.map_or(&none.0, |subject| &subject.roles);
        let groups = match resolved.device {
            Some(device) => &device.groups,
            None if resolved.gateway => &none.1,
            None => self.no_device(),
        };
        (roles, groups)
    }

    /// Judges a question with these other names, for a subject with these roles and a device in
    /// these groups.
    pub(crate) fn judge_among(
        &self,
        judges: Judges,
        (question, aliases): (&Question, &[Path]),
        context: Context,
        resolved: Option<Refusal>,
        (roles, groups): (&ResolvedMemberships<Role>, &ResolvedMemberships<Group>),
    ) -> Opinion {
        let now = context.now;
        let case = Case::new(self.bundle(), (question, aliases), context, roles, groups);
        let verdict = verdict_of(&case, Search::Few);
        let compiled = self.bundle().compiled();
        let (refusal, rules) = match (resolved, verdict.refusal) {
            (Some(resolved), _) => (Some(resolved), Default::default()),
            (None, found) => {
                let refusal = found
                    .or_else(|| self.is_suspended(&case).then_some(Refusal::Suspended))
                    .or_else(|| match judges {
                        Judges::Both => second_judge(&case, &verdict),
                        Judges::Compiled => None,
                    });
                (refusal, verdict.deciding.iter().map(|rule| compiled.line(*rule)).collect())
            }
        };
        let changes = [verdict.changes_at, roles.changes_at(now), groups.changes_at(now)];
        Opinion {
            refusal,
            rules,
            revision: self.revision(),
            epoch: self.epoch(),
            ask_again_at: changes.into_iter().flatten().min(),
        }
    }
}

impl Snapshot {
    /// Returns whether a suspended rule would allow the question. Its conditions do not matter, so
    /// time alone ends no suspension.
    fn is_suspended(&self, case: &Case<'_>) -> bool {
        if self.suspended().is_empty() {
            return false;
        }
        let mut found = false;
        let all = case.find(Effect::Allow, Limit::Few, &mut |rule, _| {
            found = self.suspended().contains(&(case.bundle.compiled().line(rule) as usize));
            if found { SearchControl::Stop } else { SearchControl::Next }
        });
        found || !all
    }
}

/// Asks Casbin about a permit, with the rules that bear on the case. Returns a refusal if Casbin
/// does not permit.
fn second_judge(case: &Case<'_>, verdict: &RulesVerdict) -> Option<Refusal> {
    // One allow rule is enough for a permit; every deny rule counts.
    let rules = verdict.deciding.iter().take(1).chain(&verdict.waiting).copied();
    let (rules, question) = (case.rules(rules), case.question);
    match casbin_permits(case, &rules) {
        Ok(true) => None,
        Ok(false) => {
            tracing::error!(
                ?question,
                "the judges disagree: the compiled form permits, Casbin denies; the question is refused"
            );
            Some(Refusal::Disagreement)
        }
        Err(error) => {
            tracing::error!(?question, %error, "casbin failed; the question is refused");
            Some(Refusal::Disagreement)
        }
    }
}

/// Returns the decision that follows from an opinion and from an identity that ends at `not_after`.
pub(crate) fn answer(
    request: &Request,
    device: Option<DeviceId>,
    interface: Option<DeclaredInterface>,
    not_after: Option<Timestamp>,
    mut opinion: Opinion,
) -> Decision {
    if let Some(not_after) = not_after {
        // The certificate is still valid at its last instant, so the question is asked again at the
        // next one. At the end of time there is no next one, and this check avoids making an error
        // each time.
        let ends = (not_after < Timestamp::MAX).then_some(not_after);
        let over = ends.and_then(|end| end.checked_add(jiff::SignedDuration::from_nanos(1)).ok());
        opinion.ask_again_at = [opinion.ask_again_at, over].into_iter().flatten().min();
    }
    if opinion.refusal.is_some() {
        return Decision::Denial(Denial { opinion });
    }
    Decision::Permit(Permit {
        subject: request.question.subject.clone(),
        subject_id: request.subject,
        resource: request.question.resource.clone(),
        action: request.question.action,
        device,
        interface,
        opinion,
    })
}

/// Returns until when the identity of a request holds: the name must still have that number, and
/// its proof must be valid.
pub(crate) fn identity(
    request: &Request,
    subject: Option<SubjectId>,
    standing: Option<Standing>,
    now: Timestamp,
) -> Result<Timestamp, Refusal> {
    if subject != Some(request.subject) {
        return Err(Refusal::UnknownSubject);
    }
    match standing {
        Some(one) if one.subject == request.subject && one.is_live(now) => Ok(one.not_after),
        Some(_) | None => Err(Refusal::CertificateNotLive),
    }
}

#[cfg(test)]
mod tests;
