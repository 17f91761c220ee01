//! Explains an answer, and what would change it. It looks at every rule, so it is not for the data
//! path.

use doorward_model::{Action, Device, Group, Kind, Path, Role};
use jiff::Timestamp;
use serde::Serialize;

use crate::answer::Judges;
use crate::bundle::Bundle;
use crate::decision::{Opinion, Refusal};
use crate::membership::{Membership, ResolvedMemberships};
use crate::question::{Context, Evidence, Question};
use crate::rule::{Effect, On, Rule, Who};
use crate::snapshot::Snapshot;
use crate::when::{Seen, Truth};

/// Why an answer is what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Whether the question is permitted.
    pub permit: bool,
    /// The answer, with the instant until which it holds.
    #[serde(flatten)]
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
    /// For a denial, the smallest change that would allow the question.
    pub change: Option<String>,
}

/// A rule, compared with a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Weighed {
    /// Its line in `policy.csv`.
    pub line: usize,
    /// Its text.
    pub text: String,
    /// The parts that do not match the question: `who`, `device`, `path`, `action`, `when`.
    pub failed: Vec<&'static str>,
    /// Its conditions, with the values that they saw.
    pub conditions: Vec<Seen>,
}

/// How many rules a denial names.
const NEAREST: usize = 5;

impl Snapshot {
    /// Explains the answer to `question` at `now`.
    #[must_use]
    pub fn explain(&self, question: &Question, now: Timestamp) -> Explanation {
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
        let change =
            opinion.refusal.map(|refusal| self.change(&scale, refusal, &opinion, &nearest));
        let why = match opinion.refusal {
            None => "a rule allows it".to_owned(),
            Some(refusal) => refusal.to_string(),
        };
        let permit = opinion.permits();
        Explanation { permit, opinion, why, roles, groups, decided, nearest, change }
    }

    /// Returns the smallest change that would allow a refused question, as a command or an edit.
    fn change(
        &self,
        scale: &Scale<'_>,
        refusal: Refusal,
        opinion: &Opinion,
        nearest: &[Weighed],
    ) -> String {
        let Question { subject, resource, action, .. } = scale.question;
        let device = &resource.device;
        let (kind, name) = (subject.kind(), subject.name());
        match refusal {
            Refusal::UnknownSubject => return format!("doorward {kind} add {name}"),
            Refusal::SubjectDisabled => return format!("doorward {kind} enable {name}"),
            Refusal::UnknownDevice => return format!("doorward device add {device}"),
            Refusal::DeviceDisabled => return format!("doorward device enable {device}"),
            Refusal::UnknownInterface => return format!("doorward interface add {resource} URL"),
            Refusal::InterfaceDisabled => return format!("doorward interface enable {resource}"),
            Refusal::NotAnAction => {
                return format!("ask for another action: {action} is none of this interface's");
            }
            Refusal::DeniedByRule => {
                let lines: Vec<String> =
                    opinion.rules.iter().map(|line| format!("policy.csv:{line}")).collect();
                return format!("take out or narrow {}", lines.join(" and "));
            }
            Refusal::TooBroad => {
                return format!(
                    "ask for less at once, such as a narrower filter, or write fewer deny rules \
                     for {device} below {}",
                    resource.path
                );
            }
            Refusal::Suspended => {
                let lines: Vec<String> =
                    self.suspended().iter().map(|line| format!("policy.csv:{line}")).collect();
                return format!(
                    "apply a bundle without {}, about which Doorward's judges have differed: a \
                     fault of Doorward, so please report it",
                    lines.join(" and ")
                );
            }
            Refusal::Disagreement => {
                return "none: Doorward's judges differ about it, which is a fault of Doorward; \
                        please report it with the bundle"
                    .to_owned();
            }
            Refusal::CertificateNotLive
            | Refusal::NoRule
            | Refusal::OutsideTime
            | Refusal::Conditions => {}
        }
        let add = format!(
            "add to policy.csv: p, {subject}, {device}, {}, {action}, , allow",
            resource.path
        );
        let near = nearest.iter().filter(|near| near.failed.len() == 1).find_map(|near| {
            let rule = self.bundle().on_lines(&[near.line]).next()?;
            // A role that may change the policy is never proposed for the sake of one interface.
            let too_much = near.failed.contains(&"who") && self.rules_the_policy(rule.who(), scale);
            (!too_much).then_some((near, rule))
        });
        let Some((near, rule)) = near else { return add };
        match (near.failed.first().copied(), rule.who().role(), rule.on().group()) {
            (Some("who"), Some(role), _) if kind == Kind::User => {
                format!("doorward user set {name} --role {}", role.name())
            }
            (Some("device"), _, Some(group)) if *device != Device::Gateway => {
                format!("doorward device set {device} --group {}", group.name())
            }
            (Some("when"), ..) => scale.when(&rule),
            (Some("action"), ..) => {
                format!("add {action} to the actions of policy.csv:{}", near.line)
            }
            _ => add,
        }
    }

    /// Returns whether a role may change the policy itself.
    fn rules_the_policy(&self, who: &Who, scale: &Scale<'_>) -> bool {
        let Who::Role(role) = who else { return false };
        let subject = scale.question.subject.clone();
        let change = self.question(subject, Action::Update, Device::Gateway, "policies", None);
        change.is_ok_and(|mut question| {
            // A member of the role can always make a new handshake.
            question.circumstances.proven = Some(scale.context.now);
            let of = Membership { of: role.clone(), until: None };
            let roles = self.bundle().resolve_roles(vec![of]);
            let (groups, now) = (ResolvedMemberships::none(), scale.context.now);
            let asked = (&question, &[][..]);
            let context = question.context(now, Evidence::default());
            self.judge_among(Judges::Both, asked, context, None, (&roles, &groups)).permits()
        })
    }
}

/// Returns how far a rule is from allowing. Fewer failed parts come first, then parts that are
/// easier to change.
fn distance(failed: &[&str]) -> (usize, usize) {
    let weight = |part: &str| match part {
        "when" => 0,
        "who" => 1,
        "device" => 2,
        "action" => 3,
        _ => 4,
    };
    (failed.len(), failed.iter().map(|part| weight(part)).sum())
}

/// A question, with everything that a rule is compared with.
struct Scale<'a> {
    question: &'a Question,
    /// Other names of the resource.
    aliases: &'a [Path],
    context: &'a Context,
    roles: &'a [Role],
    groups: &'a [Group],
}

impl Scale<'_> {
    /// Returns the allow rules that come nearest to allowing, the nearest first.
    fn nearest(&self, bundle: &Bundle) -> Vec<Weighed> {
        let mut best: Vec<((usize, usize), Rule)> = Vec::with_capacity(NEAREST + 1);
        for rule in bundle.rules().filter(|rule| rule.effect() == Effect::Allow) {
            let distance = distance(&self.failed(&rule));
            // Of equally near rules, the first ones are kept.
            let at = best.partition_point(|(other, _)| *other <= distance);
            if at < NEAREST {
                best.insert(at, (distance, rule));
                best.truncate(NEAREST);
            }
        }
        best.iter().map(|(_, rule)| self.weigh(rule)).collect()
    }

    fn weigh(&self, rule: &Rule) -> Weighed {
        let conditions = rule.when().seen(self.context);
        let (line, text) = (rule.line(), rule.to_string());
        Weighed { line, text, failed: self.failed(rule), conditions }
    }

    /// Returns the parts of a rule that do not match the question.
    fn failed(&self, rule: &Rule) -> Vec<&'static str> {
        let Question { subject, resource, action, .. } = self.question;
        let who = match rule.who() {
            Who::Role(role) => self.roles.contains(role),
            Who::Subject(named) => named == subject,
        };
        let on = match rule.on() {
            On::Group(group) => self.groups.contains(group),
            On::Device(named) => *named == resource.device,
        };
        let path = match rule.effect() {
            Effect::Allow => rule.path().covers(&resource.path),
            Effect::Deny => {
                let mut names = std::iter::once(&resource.path).chain(self.aliases);
                names.any(|name| rule.path().overlaps(name))
            }
        };
        let when = rule.when().holds(self.context) == Truth::True;
        let parts = [
            ("who", who),
            ("device", on),
            ("path", path),
            ("action", rule.acts().include(*action)),
            ("when", when),
        ];
        parts.into_iter().filter(|(_, meets)| !meets).map(|(part, _)| part).collect()
    }

    /// Returns what would make the failed conditions of a rule hold.
    fn when(&self, rule: &Rule) -> String {
        let (when, line) = (rule.when(), rule.line());
        if when.fails_by_age_only(self.context) {
            return match self.context.circumstances.proven {
                Some(_) => {
                    format!(
                        "connect again: the last full handshake is too old for policy.csv:{line}"
                    )
                }
                None => format!(
                    "say how old the last full handshake is, by --attr auth-age=TIME: \
                     policy.csv:{line} asks for it"
                ),
            };
        }
        // Waiting makes a handshake only older, so the search ignores it.
        let mut clock = self.context.clone();
        clock.circumstances.proven = None;
        let holds_at = || when.holds_at(&clock);
        match when.fails_by_time_only(self.context).then(holds_at).flatten() {
            Some(at) => format!("wait until {at}, or change the conditions of policy.csv:{line}"),
            None => format!("change the conditions of policy.csv:{line}"),
        }
    }
}
