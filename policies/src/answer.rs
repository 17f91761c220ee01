//! Answers: what a state says of a question.

use std::sync::Arc;

use doorward_model::{
    Action, Device, DeviceId, Group, Kind, Protocol, Role, Segment, Subject, SubjectId,
};
use jiff::Timestamp;

use crate::bundle::Effect;
use crate::compiled::Found;
use crate::decision::{Decision, Declared, Denial, Opinion, Permit, Refusal};
use crate::held::Held;
use crate::judge::{Case, Search, Verdict, casbin_permits, verdict_of};
use crate::question::{Question, Request};
use crate::snapshot::{Certificate, Interface, Known, Snapshot};

/// Who judges.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judges {
    /// The compiled form, and casbin-rs: both must permit.
    Both,
    /// The compiled form alone.
    Compiled,
}

impl Snapshot {
    /// What this state says of `question`. Gives no leave: see [`Snapshot::decide`].
    #[must_use]
    pub fn opinion(&self, question: &Question, now: Timestamp) -> Opinion {
        let standing = self.standing(question);
        self.judge(Judges::Both, question, &standing, standing.refusal(), now)
    }

    /// What the rules alone say of `question`, whether or not what it names is there.
    #[must_use]
    pub fn rules_say(&self, question: &Question, now: Timestamp) -> Opinion {
        self.judge(Judges::Both, question, &self.standing(question), None, now)
    }

    /// What the compiled form alone says of `question`: to look at very many.
    pub(crate) fn outlook(&self, question: &Question, now: Timestamp) -> Opinion {
        let standing = self.standing(question);
        self.judge(Judges::Compiled, question, &standing, standing.refusal(), now)
    }

    /// The answer to `request` at `now`, by both judges: for an admission.
    pub fn decide(&self, request: &Request, now: Timestamp) -> Decision {
        self.decide_by(Judges::Both, request, now)
    }

    /// The answer to `request` at `now`, by the compiled form alone: for what both have admitted
    /// before, and is asked again.
    pub fn decide_again(&self, request: &Request, now: Timestamp) -> Decision {
        self.decide_by(Judges::Compiled, request, now)
    }

    fn decide_by(&self, judges: Judges, request: &Request, now: Timestamp) -> Decision {
        let standing = self.standing(&request.question);
        let row = self.certificate(&request.certificate);
        let identity = identity(request, standing.subject.map(|one| one.member.id), row, now);
        let refusal = identity.err().or(standing.refusal());
        let opinion = self.judge(judges, &request.question, &standing, refusal, now);
        let device = standing.device.map(|device| device.member.id.into());
        answer(request, device, standing.declared(), identity.ok(), opinion)
    }

    pub(crate) fn standing(&self, question: &Question) -> Standing<'_> {
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
        Standing { action: question.action, gateway, subject, device, among, interface }
    }

    /// Judges by the rules, then lets `refusal` refuse. The rules are judged even when the
    /// refusal is already known, so that an unknown name and a forbidden one cost the same.
    pub(crate) fn judge(
        &self,
        judges: Judges,
        question: &Question,
        standing: &Standing<'_>,
        refusal: Option<Refusal>,
        now: Timestamp,
    ) -> Opinion {
        let none = (Held::none(), Held::none());
        let (roles, groups) = self.memberships(standing, &none);
        self.judge_among(judges, question, refusal, roles, groups, now)
    }

    /// The roles and groups that a question is judged with. A device that is not there is in the
    /// groups that every device is in; the gateway is in none.
    pub(crate) fn memberships<'a>(
        &'a self,
        standing: &Standing<'a>,
        none: &'a (Held<Role>, Held<Group>),
    ) -> (&'a Held<Role>, &'a Held<Group>) {
        let roles = standing.subject.map_or(&none.0, |subject| &subject.roles);
        let groups = match standing.device {
            Some(device) => &device.groups,
            None if standing.gateway => &none.1,
            None => self.no_device(),
        };
        (roles, groups)
    }

    /// Judges for a subject in those roles and a device in those groups.
    pub(crate) fn judge_among(
        &self,
        judges: Judges,
        question: &Question,
        standing: Option<Refusal>,
        roles: &Held<Role>,
        groups: &Held<Group>,
        now: Timestamp,
    ) -> Opinion {
        let case = Case::new(self.bundle(), question, question.context(now), roles, groups);
        let verdict = verdict_of(&case, Search::Few);
        let compiled = self.bundle().compiled();
        let (refusal, rules) = match (standing, verdict.refusal) {
            (Some(standing), _) => (Some(standing), Default::default()),
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
    /// Whether a rule that allows what is asked is suspended. Its conditions don't matter: a rule
    /// about which the judges differed says nothing, at no time, and so time alone ends no
    /// suspension.
    fn is_suspended(&self, case: &Case<'_>) -> bool {
        if self.suspended().is_empty() {
            return false;
        }
        let mut found = false;
        case.find(Effect::Allow, &mut |rule, _| {
            found = self.suspended().contains(&(case.bundle.compiled().line(rule) as usize));
            if found { Found::Enough } else { Found::On }
        });
        found
    }
}

/// What Casbin has against a permit, on the rules that bear on the case.
fn second_judge(case: &Case<'_>, verdict: &Verdict) -> Option<Refusal> {
    // One rule that allows is enough for a permit; of those that could deny, each counts.
    let rules = verdict.deciding.iter().take(1).chain(&verdict.waiting).copied();
    let (rules, question) = (case.rules(rules), case.question);
    match casbin_permits(case, &rules) {
        Ok(true) => None,
        Ok(false) => {
            tracing::error!(?question, "the judges disagree: one permits, Casbin denies");
            Some(Refusal::Disagreement)
        }
        Err(error) => {
            tracing::error!(?question, %error, "casbin failed");
            Some(Refusal::Disagreement)
        }
    }
}

/// The decision that follows from an opinion and, until `not_after`, an identity.
pub(crate) fn answer(
    request: &Request,
    device: Option<DeviceId>,
    interface: Option<Declared>,
    not_after: Option<Timestamp>,
    mut opinion: Opinion,
) -> Decision {
    if let Some(not_after) = not_after {
        // The certificate's last instant is included, so the next one is the first to ask.
        // Past the end of time there is none, and an error for that is not made each time.
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

/// Whether the identity behind a request still stands, and until when: the subject's name is
/// `subject`'s now, and its certificate's row is `row`.
pub(crate) fn identity(
    request: &Request,
    subject: Option<SubjectId>,
    row: Option<&Certificate>,
    now: Timestamp,
) -> Result<Timestamp, Refusal> {
    if subject != Some(request.subject) {
        return Err(Refusal::UnknownSubject);
    }
    match row {
        Some(row) if row.subject == request.subject && row.is_live(now) => Ok(row.not_after),
        _ => Err(Refusal::CertificateNotLive),
    }
}

/// Who and what a question names, as far as they are known.
pub(crate) struct Standing<'a> {
    action: Action,
    gateway: bool,
    pub(crate) subject: Option<&'a Arc<Known>>,
    pub(crate) device: Option<&'a Arc<Known>>,
    /// The interfaces of the device, and which of them it is.
    pub(crate) among: Option<&'a Arc<[Interface]>>,
    interface: Option<usize>,
}

impl Standing<'_> {
    pub(crate) fn declared(&self) -> Option<Declared> {
        Some(Declared { among: Arc::clone(self.among?), at: self.interface? })
    }

    fn interface(&self) -> Option<&Interface> {
        self.among.zip(self.interface).and_then(|(among, at)| among.get(at))
    }

    /// What is spoken there; `None` if there is no such interface.
    pub(crate) fn protocol(&self) -> Option<Protocol> {
        match self.gateway {
            true => Some(Protocol::Administration),
            false => self.interface().map(|interface| interface.target.protocol()),
        }
    }

    /// What refuses every question about this subject and this interface.
    pub(crate) fn bar(&self) -> Option<Refusal> {
        let Some(subject) = self.subject else { return Some(Refusal::UnknownSubject) };
        if !subject.member.enabled {
            return Some(Refusal::SubjectDisabled);
        }
        if self.gateway {
            return None;
        }
        let Some(device) = self.device else { return Some(Refusal::UnknownDevice) };
        let Some(interface) = self.interface() else { return Some(Refusal::UnknownInterface) };
        if !device.member.enabled {
            return Some(Refusal::DeviceDisabled);
        }
        (!interface.enabled).then_some(Refusal::InterfaceDisabled)
    }

    /// What refuses the question before any rule is asked.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        let is_action = |protocol: Protocol| protocol.actions().contains(&self.action);
        let unheard_of =
            || (!self.protocol().is_some_and(is_action)).then_some(Refusal::NotAnAction);
        self.bar().or_else(unheard_of)
    }
}
