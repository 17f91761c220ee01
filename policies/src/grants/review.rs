//! A review of one state: what rules grant to each subject.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use doorward_model::{Action, Device, Group, Kind, Role, Subject};
use jiff::Timestamp;

use super::asked::AskedOperand;
use super::grant::{Exclusion, Grant, earlier};
use super::place::Place;
use super::reached::{Reached, reached};
use super::scope::ReviewScope;
use crate::compiled::RuleRef;
use crate::membership::{Membership, built_in_group, built_in_role, with_built_in};
use crate::question::Context;
use crate::rule::{Effect, On, Rule, Who};
use crate::snapshot::{Interface, Snapshot};

/// A review of one state: the interfaces that it is about, and the rules that speak of them.
pub struct Review<'a> {
    snapshot: &'a Snapshot,
    now: Timestamp,
    /// The context by which conditions are checked, and whether conditions of time are, too.
    supposed: (Context, bool),
    pub(super) places: Vec<Place<'a>>,
    /// What the review asks for at each place.
    asked: Vec<Vec<(Action, AskedOperand)>>,
    /// The places that each device or group stands for.
    on: HashMap<On, Vec<usize>>,
    /// The rules of whoever is there. A rule is read when it is needed: there may be very many.
    rules: HashMap<Who, Vec<RuleRef>>,
}

/// A rule that applies to a subject at a place, with the roles through which it does.
pub(super) struct Applied<'r> {
    pub(super) rule: Arc<Rule>,
    via: &'r [Role],
    /// When the memberships end through which it does.
    pub(super) until: Option<Timestamp>,
    /// Whether it is an allow rule that is suspended: what it would allow is denied.
    pub(super) suspended: bool,
}

impl Applied<'_> {
    /// Returns whether the rule takes off what others grant, now or later.
    fn denies(&self, now: Timestamp) -> bool {
        match self.rule.effect() {
            Effect::Deny => !self.rule.when().is_over(now),
            Effect::Allow => self.suspended,
        }
    }
}

impl<'a> Review<'a> {
    /// Prepares a review of what rules grant at `now`. What is switched off grants nothing.
    #[must_use]
    pub fn of(snapshot: &'a Snapshot, scope: &ReviewScope, now: Timestamp) -> Self {
        let (mut places, mut asked) = (vec![], vec![]);
        for place in all_places(snapshot, scope, now) {
            let at = |action| {
                let asked = AskedOperand::at(&place, action, scope.path.as_deref());
                // An operation that the place does not have is not granted there.
                asked.ok().flatten().map(|asked| (action, asked))
            };
            let at: Vec<_> = scope.actions(&place).filter_map(at).collect();
            if !at.is_empty() {
                places.push(place);
                asked.push(at);
            }
        }
        let mut on: HashMap<On, Vec<usize>> = HashMap::new();
        for (at, place) in places.iter().enumerate() {
            on.entry(On::Device(place.device.clone())).or_default().push(at);
            for group in place.groups.keys() {
                on.entry(On::Group(group.clone())).or_default().push(at);
            }
        }
        let held = snapshot.roles_held();
        let is_there = |who: &Who| match who {
            Who::Role(role) => held.contains(role),
            Who::Subject(subject) => snapshot.member(subject).is_some(),
        };
        let mut rules: HashMap<Who, Vec<RuleRef>> = HashMap::new();
        let compiled = snapshot.bundle().compiled();
        for reference in compiled.rule_refs() {
            let Some(rule) = compiled.rule(reference) else { continue };
            let asked = scope.action.is_none_or(|one| rule.acts().include(one));
            if asked && on.contains_key(rule.on()) && is_there(rule.who()) {
                rules.entry(rule.who().clone()).or_default().push(reference);
            }
        }
        Self { snapshot, now, supposed: scope.context(now), places, asked, on, rules }
    }

    /// Returns what rules grant to a subject: by interface, then by action and rule.
    #[must_use]
    pub fn grants(&self, subject: &Subject) -> Vec<Grant> {
        let roles = self.roles(subject);
        let mut found = Vec::new();
        for (at, rules) in self.applied(subject, roles.as_ref()) {
            self.at_place(subject, at, &rules, &mut found);
        }
        found
    }

    /// Returns what rules grant to all subjects, by subject.
    #[must_use]
    pub fn all_grants(&self) -> Vec<Grant> {
        let mut subjects: Vec<_> = self.snapshot.members().map(|(subject, _)| subject).collect();
        subjects.sort();
        subjects.into_iter().flat_map(|subject| self.grants(subject)).collect()
    }

    /// Returns the roles of a subject; `None` if it may not do anything at all.
    pub(super) fn roles(&self, subject: &Subject) -> Option<BTreeMap<Role, Reached<Role>>> {
        let member = self.snapshot.member(subject).filter(|member| member.enabled)?;
        let direct = live(&member.roles, self.now);
        let direct = with_built_in(&direct, built_in_role(subject.kind()));
        Some(reached(self.snapshot.bundle().role_links(), direct))
    }

    /// Returns the rules that apply to a subject with these roles, in the order of their lines, by
    /// place.
    pub(super) fn applied<'r>(
        &'r self,
        subject: &Subject,
        roles: Option<&'r BTreeMap<Role, Reached<Role>>>,
    ) -> BTreeMap<usize, Vec<Applied<'r>>> {
        let mut at: BTreeMap<usize, Vec<Applied<'r>>> = BTreeMap::new();
        let Some(roles) = roles else { return at };
        let reached = |(role, reached): (&Role, &'r Reached<Role>)| {
            (Who::Role(role.clone()), reached.via.as_slice(), reached.until)
        };
        let own = (Who::Subject(subject.clone()), &[][..], None);
        for (who, via, until) in roles.iter().map(reached).chain([own]) {
            for reference in self.rules.get(&who).into_iter().flatten() {
                let Some(rule) = self.snapshot.bundle().compiled().rule(*reference) else {
                    continue;
                };
                let rule = Arc::new(rule);
                let suspended = rule.effect() == Effect::Allow
                    && self.snapshot.suspended().contains(&rule.line());
                for index in self.on.get(rule.on()).into_iter().flatten() {
                    let Some(place) = self.places.get(*index) else { continue };
                    let in_group = match rule.on() {
                        On::Group(group) => place.groups.get(group).and_then(|one| one.until),
                        On::Device(_) => None,
                    };
                    let until = earlier(until, in_group);
                    let applied = Applied { rule: Arc::clone(&rule), via, until, suspended };
                    at.entry(*index).or_default().push(applied);
                }
            }
        }
        at.values_mut().for_each(|rules| rules.sort_by_key(|one| one.rule.line()));
        at
    }

    /// Adds what these rules grant to a subject at one place.
    pub(super) fn at_place(
        &self,
        subject: &Subject,
        at: usize,
        rules: &[Applied<'_>],
        found: &mut Vec<Grant>,
    ) {
        let (Some(place), Some(asked)) = (self.places.get(at), self.asked.get(at)) else { return };
        for (action, asked) in asked {
            let speaking: Vec<_> =
                rules.iter().filter(|one| one.rule.acts().include(*action)).collect();
            let denying: Vec<_> =
                speaking.iter().copied().filter(|one| one.denies(self.now)).collect();
            for one in &speaking {
                let grant = self.grant(subject, place, *action, one, &denying);
                found.extend(grant.and_then(|grant| grant.narrowed(asked, &self.supposed)));
            }
        }
    }

    /// Returns what a rule grants for an action at a place, where these rules deny.
    fn grant(
        &self,
        subject: &Subject,
        place: &Place<'_>,
        action: Action,
        one: &Applied<'_>,
        denying: &[&Applied<'_>],
    ) -> Option<Grant> {
        let rule = &*one.rule;
        let operand = place.granted(rule.path(), action)?;
        if rule.effect() == Effect::Deny || one.suspended || rule.when().is_over(self.now) {
            return None;
        }
        let (naming, mut except) = (place.naming(), Vec::new());
        for other in denying {
            let excluded = &*other.rule;
            let Some(denied) = place.operand(excluded.path()) else { continue };
            if !naming.may_meet(&denied, &operand) {
                continue;
            }
            let always = other.suspended || excluded.when().is_empty();
            if always && excluded.path().includes_as(rule.path(), naming.numbers) {
                return None;
            }
            let (line, suspended) = (excluded.line(), other.suspended);
            let excluded = excluded.clone();
            except.push(Exclusion { operand: denied, rule: line, suspended, excluded });
        }
        Some(Grant {
            subject: subject.clone(),
            interface: place.name(),
            action,
            operand,
            except,
            rule: rule.line(),
            until: earlier(one.until, rule.when().until()),
            via: one.via.to_vec(),
            whole: true,
            granted: rule.clone(),
            naming,
        })
    }
}

/// Returns the memberships that count at `now`.
fn live<T: Clone>(all: &[Membership<T>], now: Timestamp) -> Vec<Membership<T>> {
    all.iter().filter(|one| one.until.is_none_or(|until| now < until)).cloned().collect()
}

/// Returns the groups of a device.
fn groups(
    snapshot: &Snapshot,
    own: &[Membership<Group>],
    now: Timestamp,
) -> BTreeMap<Group, Reached<Group>> {
    let direct = with_built_in(&live(own, now), built_in_group());
    reached(snapshot.bundle().group_links(), direct)
}

/// Returns the places of a scope: the interfaces that are on, by name, and the administration.
fn all_places<'a>(snapshot: &'a Snapshot, scope: &ReviewScope, now: Timestamp) -> Vec<Place<'a>> {
    let asked = |device: &Device| scope.device.as_ref().is_none_or(|one| one == device);
    let mut places = Vec::new();
    let mut devices: Vec<_> =
        snapshot.members().filter(|(one, _)| one.kind() == Kind::Device).collect();
    devices.sort_by_key(|(subject, _)| *subject);
    for (subject, member) in devices {
        let name = subject.name();
        if !member.enabled || !asked(&Device::Named(name.clone())) {
            continue;
        }
        let groups = groups(snapshot, &member.groups, now);
        let wanted = |one: &Interface| {
            one.enabled && scope.interface.as_ref().is_none_or(|only| *only == one.name)
        };
        let interfaces = snapshot.interfaces(name).iter().filter(|one| wanted(one));
        places.extend(interfaces.map(|one| Place::interface(name, one, groups.clone())));
    }
    if asked(&Device::Gateway) {
        places.push(Place::administration());
    }
    places
}
