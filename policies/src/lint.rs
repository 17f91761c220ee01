//! Finds rules that have no effect, or more effect than they seem to.

use std::collections::BTreeSet;

use doorward_model::{Device, Group, Kind, Name, Operand, Protocol, Role, Subject, Target, escape};
use jiff::Timestamp;
use serde::Serialize;

use crate::membership::{built_in_group, built_in_role};
use crate::mismatch::{DeclaredInterfaces, Mismatch};
use crate::operations::Matched;
use crate::rule::{Effect, On, Rule, Who};
use crate::rule_use::RuleUse;
use crate::snapshot::Snapshot;

/// A remark on a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule's line in `policy.csv`.
    pub line: usize,
    /// The rule.
    pub rule: String,
    /// The kind of finding: `shadowed`, `never`, `sets`, `unused`, `everyone`, `operand`, `alias`.
    pub kind: &'static str,
    /// The finding, in words.
    pub what: String,
}

/// The most rules of a bundle in which each rule is compared with all others.
const COMPARED: usize = 5_000;

impl Snapshot {
    /// Returns remarks on the rules of this state's bundle. `used` says which rules have let
    /// something through; `None` if no record was read.
    #[must_use]
    pub fn lint(&self, used: Option<&RuleUse>, now: Timestamp) -> Vec<Finding> {
        let bundle = self.bundle();
        // Comparing each rule with all others needs them all in memory.
        let few: Vec<Rule> =
            if bundle.len() <= COMPARED { bundle.rules().collect() } else { vec![] };
        let (held, filled) = (self.roles_held(), self.groups_filled());
        let declared = DeclaredInterfaces::of(self);
        let mut found = Vec::new();
        for rule in bundle.rules() {
            let rule = &rule;
            let mut find = |kind, what: String| {
                found.push(Finding { line: rule.line(), rule: rule.to_string(), kind, what });
            };
            let mismatch = declared.mismatch(rule);
            let never = self.never(rule, (&held, &filled), mismatch.as_ref(), now);
            if let Some(what) = never {
                find("never", what);
                continue;
            }
            if let Some(mismatch) = mismatch {
                find("sets", mismatch.to_string());
            }
            if let Some(other) = few.iter().find(|other| self.shadows(other, rule)) {
                let word = match other.effect() {
                    Effect::Allow => "says all of it",
                    Effect::Deny => "denies all of it",
                };
                find("shadowed", format!("policy.csv:{} {word}", other.line()));
                continue;
            }
            if let Some(what) = self.everyone(rule) {
                find("everyone", what);
            }
            if let Some(what) = self.undecided(rule) {
                find("operand", what);
            }
            if let Some(what) = self.passed_by(rule) {
                find("alias", what);
            }
            let allows = rule.effect() == Effect::Allow;
            if let Some(what) = used.filter(|_| allows).and_then(|used| used.unused(rule.line())) {
                find("unused", what);
            }
        }
        found
    }

    /// Returns why a rule can never match.
    fn never(
        &self,
        rule: &Rule,
        (held, filled): (&BTreeSet<Role>, &BTreeSet<Group>),
        mismatch: Option<&Mismatch>,
        now: Timestamp,
    ) -> Option<String> {
        match rule.who() {
            Who::Subject(subject) if self.member(subject).is_none() => {
                return Some(format!("there is no {subject}"));
            }
            Who::Role(role) if !held.contains(role) => {
                return Some(format!("nobody has {role}"));
            }
            Who::Subject(_) | Who::Role(_) => {}
        }
        match rule.on() {
            On::Device(Device::Named(name)) => {
                let subject = Subject::new(Kind::Device, name.clone());
                if self.member(&subject).is_none() {
                    return Some(format!("there is no device {name}"));
                }
                if let Some(named) = rule.path().first().and_then(|text| text.parse::<Name>().ok())
                    && self.interface(name, &named).is_none()
                {
                    return Some(format!("{name} has no interface {named}"));
                }
            }
            On::Device(Device::Gateway) => {}
            On::Group(group) => {
                if !filled.contains(group) {
                    return Some(format!("no device is in {group}"));
                }
            }
        }
        if let Some(mismatch) = mismatch.filter(|one| one.matched == Matched::Nothing) {
            return Some(mismatch.wrong.to_string());
        }
        rule.when().is_over(now).then(|| "its time is over".to_owned())
    }

    /// Returns the roles that a subject has, direct or by links.
    pub(crate) fn roles_held(&self) -> BTreeSet<Role> {
        let direct = self.members().flat_map(|(subject, member)| {
            let direct = member.roles.iter().map(|one| one.of.clone());
            direct.chain(built_in_role(subject.kind()))
        });
        let direct: BTreeSet<Role> = direct.collect();
        self.bundle().role_links().closure(direct).into_iter().collect()
    }

    /// Returns the groups that a device is in, direct or by links.
    fn groups_filled(&self) -> BTreeSet<Group> {
        let devices = self.members().filter(|(subject, _)| subject.kind() == Kind::Device);
        let direct = devices.flat_map(|(_, member)| {
            let direct = member.groups.iter().map(|one| one.of.clone());
            direct.chain(built_in_group())
        });
        let direct: BTreeSet<Group> = direct.collect();
        self.bundle().group_links().closure(direct).into_iter().collect()
    }

    /// Returns whether `other` makes `rule` useless: it reaches everything that `rule` reaches,
    /// under every condition.
    fn shadows(&self, other: &Rule, rule: &Rule) -> bool {
        let same = other.line() == rule.line();
        // Of two equal rules, the later one is shadowed.
        let earlier = other.line() < rule.line() || !self.reaches_all(rule, other);
        !same
            && (other.effect() == Effect::Deny || rule.effect() == Effect::Allow)
            && self.reaches_all(other, rule)
            && (earlier || other.effect() != rule.effect())
            && !(other.effect() == Effect::Allow && rule.effect() == Effect::Deny)
    }

    fn reaches_all(&self, other: &Rule, rule: &Rule) -> bool {
        let bundle = self.bundle();
        let who = match (other.who(), rule.who()) {
            (Who::Role(wide), Who::Role(narrow)) => {
                bundle.role_links().closure([narrow.clone()]).contains(wide)
            }
            (wide @ Who::Subject(_), narrow) | (wide @ Who::Role(_), narrow @ Who::Subject(_)) => {
                wide == narrow
            }
        };
        let on = match (other.on(), rule.on()) {
            (On::Group(wide), On::Group(narrow)) => {
                bundle.group_links().closure([narrow.clone()]).contains(wide)
                    || wide.to_string() == "group/devices"
            }
            (On::Group(wide), On::Device(Device::Named(_))) => wide.to_string() == "group/devices",
            (wide @ On::Device(_), narrow)
            | (wide @ On::Group(_), narrow @ On::Device(Device::Gateway)) => wide == narrow,
        };
        let acts = other.acts().include_all(rule.acts());
        let when = other.when().to_string();
        let when = when.is_empty() || when == rule.when().to_string();
        who && on && acts && when && other.path().includes(rule.path())
    }

    /// Returns a remark if a rule speaks of a part of the query that the interface does not decide.
    /// Such a rule is about a path.
    fn undecided(&self, rule: &Rule) -> Option<String> {
        let On::Device(Device::Named(device)) = rule.on() else { return None };
        let interface = self.interface(device, &rule.path().first()?.parse::<Name>().ok()?)?;
        let last = rule.path().texts().last().flatten()?;
        let (key, _) = last.strip_prefix('@')?.split_once('=')?;
        if interface.target.protocol() != Protocol::Http {
            return None;
        }
        let (name, escaped) = (&interface.name, escape(key));
        match operand(&interface.target).map(Operand::key) {
            None => {
                Some(format!("{name} decides no part of queries: declare operand=query:{escaped}"))
            }
            // A device may read the name in any case.
            Some(decided) => (!decided.eq_ignore_ascii_case(key))
                .then(|| format!("{name} decides {decided} of queries, and not {escaped}")),
        }
    }

    /// Returns a remark if a rule denies one unit or table of a Modbus device that may answer under
    /// others.
    fn passed_by(&self, rule: &Rule) -> Option<String> {
        let On::Device(Device::Named(device)) = rule.on() else { return None };
        let interface = self.interface(device, &rule.path().first()?.parse::<Name>().ok()?)?;
        let options = interface.target.inspected()?.modbus()?;
        let mut texts = rule.path().texts().skip(1);
        let (unit, table) = (texts.next().flatten(), texts.next().flatten());
        let by_unit = unit.filter(|_| !options.any_unit).map(|_| "unit=any");
        let views = ["coil", "discrete", "input", "holding", "fifo"];
        let table = table.filter(|table| views.contains(table));
        let by_table = table.filter(|_| !options.aliased_tables).map(|_| "tables=alias");
        let options: Vec<&str> = by_unit.into_iter().chain(by_table).collect();
        (rule.effect() == Effect::Deny && !options.is_empty()).then(|| {
            format!(
                "if the device ignores the unit, or its tables are views of one memory, other \
                 requests reach the same: declare {} then (gateway/docs/modbus.md)",
                options.join(" and ")
            )
        })
    }

    /// Returns a remark if a rule allows every subject to use a device.
    fn everyone(&self, rule: &Rule) -> Option<String> {
        let whole = matches!(rule.who(), Who::Role(role)
            if ["role/users", "role/devices"].contains(&role.to_string().as_str()));
        let devices = !matches!(rule.on(), On::Device(Device::Gateway));
        (whole && devices && rule.effect() == Effect::Allow)
            .then(|| format!("every member of {} reaches what it speaks of", rule.who()))
    }
}

/// Returns the part of the query that the interface decides.
fn operand(target: &Target) -> Option<&Operand> {
    target.inspected()?.http()?.operand.as_ref()
}
