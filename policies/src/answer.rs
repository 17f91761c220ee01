//! Answers: what a state says of a question.

use doorward_model::{Action, Device, Group, Kind, Protocol, Role, Segment, Subject};
use jiff::Timestamp;

use crate::decision::{Decision, Denial, Opinion, Permit, Refusal};
use crate::judge::{Case, casbin_permits, native_verdict};
use crate::question::{Question, Request};
use crate::snapshot::{Interface, Member, Membership, Snapshot};

/// Who judges.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judges {
    /// The native judge, and casbin-rs: both must permit.
    Both,
    /// The native judge alone.
    Native,
}

/// What somebody is a member of, and when time alone changes that.
type Held<T> = (Vec<T>, Option<Timestamp>);

impl Snapshot {
    /// What this state says of `question`. Gives no leave: see [`Snapshot::decide`].
    #[must_use]
    pub fn opinion(&self, question: &Question, now: Timestamp) -> Opinion {
        let standing = self.standing(question);
        self.judge(question, standing.refusal(), now)
    }

    /// What the rules alone say of `question`, whether or not what it names is there.
    #[must_use]
    pub fn rules_say(&self, question: &Question, now: Timestamp) -> Opinion {
        self.judge(question, None, now)
    }

    /// The answer to `request` at `now`, by both judges: for an admission.
    pub fn decide(&self, request: &Request, now: Timestamp) -> Decision {
        self.decide_by(Judges::Both, request, now)
    }

    /// The answer to `request` at `now`, by the native judge alone: for what both have admitted
    /// before, and is asked again.
    pub fn decide_again(&self, request: &Request, now: Timestamp) -> Decision {
        self.decide_by(Judges::Native, request, now)
    }

    fn decide_by(&self, judges: Judges, request: &Request, now: Timestamp) -> Decision {
        let standing = self.standing(&request.question);
        let identity = self.identity(request, now);
        let refusal = identity.err().or(standing.refusal());
        let mut opinion = self.judge_by(judges, &request.question, refusal, now);
        if let Ok(not_after) = identity {
            // The certificate's last instant is included, so the next one is the first to ask.
            let over = not_after.saturating_add(jiff::SignedDuration::from_nanos(1)).ok();
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
            device: standing.device.map(|member| member.id.into()),
            interface: standing.interface.map(|interface| interface.id),
            target: standing.interface.map(|interface| interface.target.clone()),
            opinion,
        })
    }

    /// Whether the identity behind a request still stands, and until when.
    fn identity(&self, request: &Request, now: Timestamp) -> Result<Timestamp, Refusal> {
        let member = self.member(&request.question.subject);
        if member.is_none_or(|member| member.id != request.subject) {
            return Err(Refusal::UnknownSubject);
        }
        match self.certificate(&request.certificate) {
            Some(row) if row.subject == request.subject && row.is_live(now) => Ok(row.not_after),
            _ => Err(Refusal::CertificateNotLive),
        }
    }

    fn standing(&self, question: &Question) -> Standing<'_> {
        let subject = self.member(&question.subject);
        let device = match &question.resource.device {
            Device::Gateway => None,
            Device::Named(name) => self.member(&Subject::new(Kind::Device, name.clone())),
        };
        let interface = match (&question.resource.device, question.resource.path.segments()) {
            (Device::Named(device), [Segment::Text(name), ..]) => {
                let interfaces = self.interfaces(device).iter();
                interfaces.clone().find(|interface| interface.name.as_str() == &**name)
            }
            _ => None,
        };
        let gateway = question.resource.device == Device::Gateway;
        Standing { action: question.action, gateway, subject, device, interface }
    }

    /// Judges by the rules, then lets `standing` refuse. The rules are judged even when the
    /// refusal is already known, so that an unknown name and a forbidden one cost the same.
    fn judge(&self, question: &Question, standing: Option<Refusal>, now: Timestamp) -> Opinion {
        self.judge_by(Judges::Both, question, standing, now)
    }

    fn judge_by(
        &self,
        judges: Judges,
        question: &Question,
        standing: Option<Refusal>,
        now: Timestamp,
    ) -> Opinion {
        let roles = self.roles(&question.subject, now);
        let groups = self.groups(&question.resource.device, now);
        self.judge_among(judges, question, standing, roles, groups, now)
    }

    /// Judges for a subject in those roles and a device in those groups.
    pub(crate) fn judge_among(
        &self,
        judges: Judges,
        question: &Question,
        standing: Option<Refusal>,
        (roles, roles_change): Held<Role>,
        (groups, groups_change): Held<Group>,
        now: Timestamp,
    ) -> Opinion {
        let case = Case::new(self.bundle(), question, question.context(now), roles, groups);
        let candidates = case.candidates();
        let verdict = native_verdict(&case, &candidates);
        let mut refusal = verdict.refusal;
        if refusal.is_none() && judges == Judges::Both {
            refusal = match casbin_permits(&case, &candidates) {
                Ok(true) => None,
                Ok(false) => {
                    tracing::error!(
                        ?question,
                        "the judges disagree: native permits, casbin denies"
                    );
                    Some(Refusal::Disagreement)
                }
                Err(error) => {
                    tracing::error!(?question, %error, "casbin failed");
                    Some(Refusal::Disagreement)
                }
            };
        }
        let (refusal, rules) = match standing {
            Some(standing) => (Some(standing), vec![]),
            None => (refusal, verdict.rules),
        };
        let changes = [verdict.changes_at, roles_change, groups_change];
        Opinion {
            refusal,
            rules,
            revision: self.revision(),
            epoch: self.epoch(),
            ask_again_at: changes.into_iter().flatten().min(),
        }
    }

    /// The roles of a subject at `now`, built-in ones included, and when time changes them.
    pub(crate) fn roles(
        &self,
        subject: &Subject,
        now: Timestamp,
    ) -> (Vec<Role>, Option<Timestamp>) {
        let Some(member) = self.member(subject) else { return (vec![], None) };
        let (mut roles, change) = held(&member.roles, now);
        roles.extend(built_in_role(subject.kind()));
        (roles, change)
    }

    /// The groups of a device at `now`, built-in ones included, and when time changes them.
    pub(crate) fn groups(
        &self,
        device: &Device,
        now: Timestamp,
    ) -> (Vec<Group>, Option<Timestamp>) {
        let Device::Named(name) = device else { return (vec![], None) };
        let Some(member) = self.member(&Subject::new(Kind::Device, name.clone())) else {
            return (vec![], None);
        };
        let (mut groups, change) = held(&member.groups, now);
        groups.extend(built_in_group(device));
        (groups, change)
    }
}

/// The role that everybody of a kind has.
pub(crate) fn built_in_role(kind: Kind) -> Option<Role> {
    let name = match kind {
        Kind::User => "users",
        Kind::Device => "devices",
        Kind::Gateway => return None,
    };
    name.parse().ok().map(Role::new)
}

/// The group that every device but the gateway is in.
pub(crate) fn built_in_group(device: &Device) -> Option<Group> {
    match device {
        Device::Gateway => None,
        Device::Named(_) => "devices".parse().ok().map(Group::new),
    }
}

fn held<T: Clone>(memberships: &[Membership<T>], now: Timestamp) -> (Vec<T>, Option<Timestamp>) {
    let live = memberships.iter().filter(|one| one.until.is_none_or(|until| now < until));
    let change = live.clone().filter_map(|one| one.until).min();
    (live.map(|one| one.of.clone()).collect(), change)
}

/// Who and what a question names, as far as they are known.
struct Standing<'a> {
    action: Action,
    gateway: bool,
    subject: Option<&'a Member>,
    device: Option<&'a Member>,
    interface: Option<&'a Interface>,
}

impl Standing<'_> {
    /// What refuses the question before any rule is asked.
    fn refusal(&self) -> Option<Refusal> {
        let Some(subject) = self.subject else { return Some(Refusal::UnknownSubject) };
        if !subject.enabled {
            return Some(Refusal::SubjectDisabled);
        }
        let protocol = if self.gateway {
            Protocol::Administration
        } else {
            let Some(device) = self.device else { return Some(Refusal::UnknownDevice) };
            let Some(interface) = self.interface else { return Some(Refusal::UnknownInterface) };
            if !device.enabled {
                return Some(Refusal::DeviceDisabled);
            }
            if !interface.enabled {
                return Some(Refusal::InterfaceDisabled);
            }
            interface.target.protocol()
        };
        (!protocol.actions().contains(&self.action)).then_some(Refusal::NotAnAction)
    }
}
