//! A state that was changed to permit a question, and the steps that led there.

use std::sync::Arc;

use doorward_model::{Device, Kind, Role, Segment, Subject, SubjectId};
use jiff::{SignedDuration, Timestamp};

use super::step::Step;
use crate::bundle::{Bundle, BundleText};
use crate::decision::Refusal;
use crate::membership::{Member, Membership, built_in_role};
use crate::pattern::{Pattern, PatternPiece};
use crate::question::Question;
use crate::rule::Rule;
use crate::snapshot::Snapshot;

/// How many changes of the answer a search for a later permit looks at.
const AHEAD: usize = 64;

/// How long a renewed membership lasts, where the asker says nothing.
const RENEWED: SignedDuration = SignedDuration::from_hours(2);

/// A state and a question, as some steps make them.
#[derive(Clone)]
pub(super) struct Attempt {
    pub(super) snapshot: Snapshot,
    pub(super) question: Question,
    pub(super) now: Timestamp,
    /// What the asker should know besides the steps.
    pub(super) fact: Option<String>,
    pub(super) steps: Vec<Step>,
    /// Whether others than the subject may do more after the steps.
    pub(super) for_others: bool,
}

impl Attempt {
    pub(super) fn permits(&self) -> bool {
        self.snapshot.opinion(&self.question, self.now).permits()
    }

    /// Adds the subject, and switches the subject, the device and the interface on. Returns false if
    /// the steps end there, because only their owner knows what the device or interface is.
    pub(super) fn admit(&mut self) -> bool {
        let subject = self.question.subject.clone();
        let (kind, name) = (subject.kind(), subject.name().clone());
        // Each round mends one refusal, and there are few.
        while let Some(bar) = self.snapshot.resolve(&self.question).bar() {
            let device = &self.question.resource.device;
            match bar {
                Refusal::UnknownSubject => {
                    let member =
                        Member { id: SubjectId(0), enabled: true, roles: vec![], groups: vec![] };
                    self.change(&subject, member);
                    self.steps.push(Step::run(format!("doorward {kind} add {name}")));
                }
                Refusal::SubjectDisabled => {
                    // A device that may act may be reached, too.
                    self.for_others |= kind == Kind::Device;
                    self.enable(&subject);
                    self.steps.push(Step::run(format!("doorward {kind} enable {name}")));
                }
                Refusal::DeviceDisabled => {
                    let step = Step::run(format!("doorward device enable {device}"));
                    if let Device::Named(name) = device.clone() {
                        self.enable(&Subject::new(Kind::Device, name));
                    }
                    self.for_others = true;
                    self.steps.push(step);
                }
                Refusal::InterfaceDisabled => {
                    let step = Step::run(format!("doorward interface enable {}", self.interface()));
                    self.enable_interface();
                    self.for_others = true;
                    self.steps.push(step);
                }
                Refusal::UnknownDevice => {
                    self.steps.push(Step::run(format!("doorward device add {device}")));
                    return false;
                }
                Refusal::UnknownInterface => {
                    let step = format!("doorward interface add {} URL", self.interface());
                    self.steps.push(Step::run(step));
                    return false;
                }
                Refusal::CertificateNotLive
                | Refusal::NotAnAction
                | Refusal::NoRule
                | Refusal::DeniedByRule
                | Refusal::OutsideTime
                | Refusal::Conditions
                | Refusal::TooBroad
                | Refusal::Disagreement
                | Refusal::Suspended => return false,
            }
        }
        true
    }

    /// Returns the interface that the question is about, without what follows its name.
    fn interface(&self) -> String {
        let resource = &self.question.resource;
        match resource.path.segments().first() {
            Some(Segment::Text(name)) => format!("{}/{name}", resource.device),
            Some(Segment::Unit(_) | Segment::Range(..) | Segment::Any | Segment::OneOf(_))
            | None => {
                format!("{}/NAME", resource.device)
            }
        }
    }

    fn enable(&mut self, subject: &Subject) {
        if let Some(member) = self.snapshot.member(subject) {
            let member = Member { enabled: true, ..member.clone() };
            self.change(subject, member);
        }
    }

    fn change(&mut self, subject: &Subject, member: Member) {
        self.snapshot = self.snapshot.clone().with_changed_member(subject, member);
    }

    fn enable_interface(&mut self) {
        let Device::Named(device) = self.question.resource.device.clone() else { return };
        let Some(Segment::Text(name)) = self.question.resource.path.segments().first() else {
            return;
        };
        let mut interfaces = self.snapshot.interfaces(&device).to_vec();
        for one in interfaces.iter_mut().filter(|one| one.name.as_str() == &**name) {
            one.enabled = true;
        }
        self.snapshot = self.snapshot.clone().with_interfaces(device, interfaces);
    }

    /// Returns the attempts that give back a membership of the subject, or of the device, which has
    /// ended: until `until`, or for some hours.
    pub(super) fn renewals(&self, until: Option<Timestamp>) -> Vec<Self> {
        let until = until.or_else(|| whole_minute(self.now.saturating_add(RENEWED).ok()?));
        let mut renewed = Vec::new();
        let subject = &self.question.subject;
        if let Some(member) = self.snapshot.member(subject) {
            for (at, ended) in ended(&member.roles, self.now) {
                let mut next = self.clone();
                let mut member = member.clone();
                if let Some(role) = member.roles.get_mut(at) {
                    role.until = until;
                }
                next.change(subject, member);
                let (kind, name) = (subject.kind(), subject.name());
                let (role, until) = (ended.of.name(), until_option(until));
                next.fact = Some(format!("{} ended at {}", ended.of, end(ended)));
                let command = format!("doorward {kind} set {name} --role {role}{until}");
                next.steps.push(Step::run(command));
                renewed.push(next);
            }
        }
        if let Device::Named(name) = &self.question.resource.device {
            let device = Subject::new(Kind::Device, name.clone());
            let member = self.snapshot.member(&device);
            for (at, ended) in member.iter().flat_map(|member| ended(&member.groups, self.now)) {
                let Some(member) = member else { continue };
                let (mut next, mut member) = (self.clone(), member.clone());
                if let Some(group) = member.groups.get_mut(at) {
                    group.until = until;
                }
                next.change(&device, member);
                next.for_others = true;
                let (group, until) = (ended.of.name(), until_option(until));
                next.fact = Some(format!("{name} was in {} until {}", ended.of, end(ended)));
                let command = format!("doorward device set {name} --group {group}{until}");
                next.steps.push(Step::run(command));
                renewed.push(next);
            }
        }
        renewed
    }

    /// Returns the attempt that waits until the rules permit the question.
    pub(super) fn wait(&self) -> Option<Self> {
        let mut next = self.clone();
        for _ in 0..AHEAD {
            let opinion = next.snapshot.outlook(&next.question, next.now);
            if opinion.permits() {
                let line = opinion.rules.to_vec().first().copied()?;
                next.steps.push(Step::Wait { until: next.now, line });
                return (self.now < next.now).then_some(next);
            }
            next.now = opinion.ask_again_at?;
            // Whoever asks later has connected later, too.
            if let Some(proven) = &mut next.question.circumstances.proven {
                *proven = next.now;
            }
        }
        None
    }

    /// Returns the attempt that asks as the conditions of a rule want it: from another address, or
    /// after another handshake, and then perhaps later.
    pub(super) fn meeting(&self, rule: &Rule) -> Option<Self> {
        let mut next = self.clone();
        let (line, when) = (rule.line(), rule.when());
        let context =
            self.question.context(self.now, self.snapshot.resolve(&self.question).evidence());
        if let Some((networks, address)) = when.other_source(&context) {
            next.question.circumstances.source = Some(address);
            next.steps.push(Step::AskFrom { networks, address, line });
        }
        if when.other_handshake(&context) {
            let known = self.question.circumstances.proven.is_some();
            next.question.circumstances.proven = Some(self.now);
            next.steps.push(Step::Handshake { line, known });
        }
        match next.steps.len() == self.steps.len() {
            true => None,
            false if next.permits() => Some(next),
            false => next.wait(),
        }
    }

    /// Returns the attempt that allows the subject exactly what it asks for, until `until`.
    pub(super) fn rule(&self, until: Option<Timestamp>) -> Option<Self> {
        let Question { subject, resource, action, .. } = &self.question;
        let path = exactly(&self.question)?;
        let when = until.map_or_else(String::new, |until| format!("until={until}"));
        let rule = format!("p, {subject}, {}, {path}, {action}, {when}, allow", resource.device);
        let bundle = self.snapshot.bundle();
        let text = BundleText {
            policy: appended(&bundle.text().policy, &rule),
            ..(**bundle.text()).clone()
        };
        let bundle: Bundle = bundle.revise(text).ok()?;
        let mut next = self.clone();
        let suspended = Arc::clone(next.snapshot.suspended());
        let revision = next.snapshot.revision();
        // The next bundle ends a suspension, but the fault behind it may come back.
        next.snapshot =
            next.snapshot.with_bundle(revision, Arc::new(bundle)).with_suspended(&suspended);
        next.steps.push(Step::AddRule { rule });
        Some(next)
    }

    /// Returns the attempt that gives the subject a role which it never had; `None` if nobody can
    /// give it.
    pub(super) fn role(&self, role: &Role, until: Option<Timestamp>) -> Option<Self> {
        let subject = &self.question.subject;
        let built_in = [Kind::User, Kind::Device].into_iter().filter_map(built_in_role);
        let mut next = self.clone();
        let mut member = self.snapshot.member(subject)?.clone();
        let had = member.roles.iter().any(|held| held.of == *role);
        if had || built_in.into_iter().any(|one| one == *role) {
            return None;
        }
        member.roles.push(Membership { of: role.clone(), until });
        next.change(subject, member);
        let (kind, name, role) = (subject.kind(), subject.name(), role.name());
        let until = until_option(until);
        let command = format!("doorward {kind} set {name} --role {role}{until}");
        next.steps.push(Step::run(command));
        Some(next)
    }
}

/// Returns the memberships that have ended, with their places in the list.
fn ended<T>(
    all: &[Membership<T>],
    now: Timestamp,
) -> impl Iterator<Item = (usize, &Membership<T>)> {
    let over = move |one: &Membership<T>| one.until.is_some_and(|until| until <= now);
    all.iter().enumerate().filter(move |(_, one)| over(one))
}

/// Returns the option of a command by which a membership ends.
fn until_option(until: Option<Timestamp>) -> String {
    until.map_or_else(String::new, |until| format!(" --until {until}"))
}

fn end<T>(of: &Membership<T>) -> String {
    of.until.map_or_else(String::new, |until| until.to_string())
}

/// Returns the first whole minute from an instant on.
fn whole_minute(at: Timestamp) -> Option<Timestamp> {
    let seconds = at.as_second();
    let up = if at.subsec_nanosecond() > 0 { 1 } else { 0 };
    let minutes = (seconds + up).div_euclid(60) + i64::from((seconds + up).rem_euclid(60) > 0);
    Timestamp::from_second(minutes.checked_mul(60)?).ok()
}

/// Returns the pattern of exactly what a question asks for.
pub(super) fn exactly(question: &Question) -> Option<Pattern> {
    let path = &question.resource.path;
    let piece = |segment: &Segment| match segment {
        Segment::Any => Some(PatternPiece::One),
        Segment::Text(text) => Some(PatternPiece::text(text.to_string())),
        Segment::Unit(unit) => Some(PatternPiece::text(unit.to_string())),
        Segment::Range(first, last) if first == last => Some(PatternPiece::text(first.to_string())),
        Segment::Range(first, last) => Some(PatternPiece::text(format!("{first}-{last}"))),
        // Only other names of an operation have these.
        Segment::OneOf(_) => None,
    };
    let pieces: Vec<PatternPiece<'_>> = path.segments().iter().map(piece).collect::<Option<_>>()?;
    let pattern = Pattern::of(pieces.into_iter(), path.is_open());
    // What a rule cannot write, it cannot allow.
    let written: Pattern = pattern.to_string().parse().ok()?;
    written.covers(path).then_some(written)
}

/// Returns a text of rules with one more at its end.
fn appended(policy: &str, rule: &str) -> String {
    let end = if policy.is_empty() || policy.ends_with('\n') { "" } else { "\n" };
    format!("{policy}{end}{rule}\n")
}
