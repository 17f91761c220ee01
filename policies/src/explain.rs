//! Explains an answer, and what would change it. It looks at every rule, so it is not for the data
//! path.

use doorward_model::{Group, Role};
use jiff::Timestamp;

use crate::decision::{Opinion, Refusal};
use crate::question::Question;
use crate::remedy::Remedy;
use crate::snapshot::Snapshot;
use crate::weigh::{Scale, Weighed};

/// Why an answer is what it is.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// Whether the question is permitted.
    pub permit: bool,
    /// The answer, with the instant until which it holds.
    pub opinion: Opinion,
    /// The reason in words.
    pub why: String,
    /// All roles of the subject, direct or by links.
    pub roles: Vec<Role>,
    /// All groups of the device, direct or by links.
    pub groups: Vec<Group>,
    /// The rules that decided.
    pub decided: Vec<Weighed>,
    /// For a denial, the allow rules that come nearest, the nearest first.
    pub nearest: Vec<Weighed>,
    /// For a denial, the ways to permit the question, the narrowest first.
    pub remedies: Vec<Remedy>,
    /// For a denial, the first of `remedies` in words, or what else there is to do.
    pub change: Option<String>,
}

impl Snapshot {
    /// Explains the answer to `question` at `now`. `until` is when what it would take should end: it
    /// goes into the proposed rule or membership.
    #[must_use]
    pub fn explain(
        &self,
        question: &Question,
        until: Option<Timestamp>,
        now: Timestamp,
    ) -> Explanation {
        let opinion = self.opinion(question, now);
        let bundle = self.bundle();
        let resolved = self.resolve(question);
        let context = question.context(now, resolved.evidence());
        let direct = resolved.subject.iter().flat_map(|subject| subject.roles.direct(now));
        let roles = bundle.role_links().closure(direct.cloned());
        let direct = resolved.device.iter().flat_map(|device| device.groups.direct(now));
        let groups = bundle.group_links().closure(direct.cloned());
        let aliases = &resolved.aliases(question)[..];
        let scale = Scale { question, aliases, context: &context, roles: &roles, groups: &groups };
        let deciding = opinion.rules.to_vec();
        let decided = bundle.on_lines(&deciding).map(|rule| scale.weigh(&rule)).collect();
        let nearest = if opinion.permits() { vec![] } else { scale.nearest(bundle) };
        let remedies = match opinion.refusal {
            None
            | Some(
                Refusal::CertificateNotLive
                | Refusal::NotAnAction
                | Refusal::TooBroad
                | Refusal::Suspended
                | Refusal::Disagreement,
            ) => vec![],
            Some(
                Refusal::UnknownSubject
                | Refusal::SubjectDisabled
                | Refusal::UnknownDevice
                | Refusal::DeviceDisabled
                | Refusal::UnknownInterface
                | Refusal::InterfaceDisabled
                | Refusal::NoRule
                | Refusal::DeniedByRule
                | Refusal::OutsideTime
                | Refusal::Conditions,
            ) => {
                let failing = |part: &str| -> Vec<_> {
                    let only = nearest.iter().filter(|near| near.failed == [part]);
                    let lines: Vec<usize> = only.map(|near| near.line).collect();
                    bundle.on_lines(&lines).collect()
                };
                self.remedies(question, (&failing("when"), &failing("who")), until, now)
            }
        };
        let change = opinion.refusal.map(|refusal| match remedies.first() {
            Some(remedy) => remedy.text(),
            None => self.without_remedy(question, refusal, &opinion),
        });
        let why = match opinion.refusal {
            None => "a rule allows it".to_owned(),
            Some(refusal) => refusal.to_string(),
        };
        let permit = opinion.permits();
        Explanation { permit, opinion, why, roles, groups, decided, nearest, remedies, change }
    }

    /// Returns what to do where no single change would permit the question.
    fn without_remedy(&self, question: &Question, refusal: Refusal, opinion: &Opinion) -> String {
        let Question { resource, action, .. } = question;
        let device = &resource.device;
        match refusal {
            Refusal::NotAnAction => {
                let has = self.resolve(question).protocol().map_or(&[][..], |one| one.actions());
                let has: Vec<&str> = has.iter().map(|one| one.as_str()).collect();
                format!(
                    "ask for another action: this interface has {}, not {action}",
                    has.join(", ")
                )
            }
            Refusal::DeniedByRule => format!(
                "take out or narrow {}: no allow rule overrides a deny rule",
                policy_lines(opinion.rules.to_vec())
            ),
            Refusal::TooBroad => format!(
                "ask for less at once, such as a narrower filter, or write fewer deny rules for \
                 {device} below {}",
                resource.path
            ),
            Refusal::Suspended => format!(
                "apply a bundle without {}, about which Doorward's judges have differed: a fault \
                 of Doorward, so please report it",
                policy_lines(self.suspended().iter().copied())
            ),
            Refusal::Disagreement => {
                "none: Doorward's judges differ about it, which is a fault of \
                                      Doorward; please report it with the bundle"
                    .to_owned()
            }
            Refusal::UnknownSubject
            | Refusal::SubjectDisabled
            | Refusal::CertificateNotLive
            | Refusal::UnknownDevice
            | Refusal::DeviceDisabled
            | Refusal::UnknownInterface
            | Refusal::InterfaceDisabled
            | Refusal::NoRule
            | Refusal::OutsideTime
            | Refusal::Conditions => {
                "no rule of policy.csv can allow exactly this; ask for something else".to_owned()
            }
        }
    }
}

fn policy_lines(lines: impl IntoIterator<Item = usize>) -> String {
    let lines: Vec<String> = lines.into_iter().map(|line| format!("policy.csv:{line}")).collect();
    lines.join(" and ")
}
