//! Rules that match no operation of the interfaces that they name.

mod spelling;

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use doorward_model::{Device, DoorName, Group, Kind, Name, OperandForm, Subject};

use crate::membership::{built_in_group, with_built_in};
use crate::operations::{InterfaceOperations, Matched};
use crate::rule::{
    BundleError, BundleErrors, Effect, On, Reason, Rule, read_row, without_byte_order_mark,
};
use crate::snapshot::{Interface, Snapshot};

pub(crate) use spelling::Misspelling;
use spelling::misspelling;

/// The rules of a bundle that match no operation of the interfaces that they name. A rule that
/// names no declared interface is not among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mismatches {
    /// The deny rules that deny nothing.
    pub denying: BundleErrors,
    /// The allow rules that allow nothing, and the deny rules that deny only operations on many
    /// things at once.
    pub others: BundleErrors,
}

/// A rule that matches nothing, or sets only, at any interface that it names.
pub(crate) struct Mismatch {
    pub(crate) matched: Matched,
    pub(crate) wrong: Misspelling,
    effect: Effect,
    /// Whether what follows the interface's name is a topic.
    of_topics: bool,
    /// One of these interfaces, as `plc-3/modbus`.
    at: String,
    /// How many others there are.
    others: usize,
}

/// Interfaces that are alike, by one of them.
struct Alike<'a> {
    operations: InterfaceOperations<'a>,
    one: String,
    count: usize,
}

/// The declared interfaces that rules can name, and the administration.
pub(crate) struct DeclaredInterfaces<'a> {
    snapshot: &'a Snapshot,
    /// The interfaces of the devices in each group, by their names.
    grouped: HashMap<Group, BTreeMap<&'a Name, Vec<Alike<'a>>>>,
}

impl<'a> DeclaredInterfaces<'a> {
    /// Reads the interfaces of a state. Whether they are on, and until when a device is in a group,
    /// does not matter.
    pub(crate) fn of(snapshot: &'a Snapshot) -> Self {
        let mut grouped: HashMap<Group, BTreeMap<&Name, Vec<Alike<'_>>>> = HashMap::new();
        for (subject, member) in snapshot.members() {
            if subject.kind() != Kind::Device {
                continue;
            }
            let interfaces = snapshot.interfaces(subject.name());
            let direct = with_built_in(&member.groups, built_in_group()).into_iter();
            let groups = snapshot.bundle().group_links().closure(direct.map(|one| one.of));
            for group in groups {
                let named = grouped.entry(group).or_default();
                for interface in interfaces {
                    let all = named.entry(&interface.name).or_default();
                    enter(all, subject.name(), interface);
                }
            }
        }
        Self { snapshot, grouped }
    }

    /// Returns a rule's mismatch; `None` if it may match something, or names no declared interface.
    pub(crate) fn mismatch(&self, rule: &Rule) -> Option<Mismatch> {
        let administration;
        let mut own = Vec::new();
        let named: Vec<&Alike<'_>> = match rule.on() {
            On::Device(Device::Gateway) => {
                let (operations, one) =
                    (InterfaceOperations::administration(), "gateway".to_owned());
                administration = Alike { operations, one, count: 1 };
                vec![&administration]
            }
            On::Device(Device::Named(device)) => {
                let interfaces = self.snapshot.interfaces(device).iter();
                for one in interfaces.filter(|one| rule.path().names(one.name.as_str())) {
                    enter(&mut own, device, one);
                }
                own.iter().collect()
            }
            On::Group(group) => {
                let interfaces = self.grouped.get(group).into_iter().flatten();
                let named = interfaces.filter(|(name, _)| rule.path().names(name.as_str()));
                named.flat_map(|(_, alike)| alike).collect()
            }
        };
        let mut matched = None;
        for alike in &named {
            let here = alike.operations.matched_by(rule);
            if here == Matched::Operations {
                return None;
            }
            matched = matched.max(Some(here));
        }
        let matched = matched?;
        let here = named.iter().filter(|alike| alike.operations.matched_by(rule) == matched);
        let wrong = here.map(|alike| (misspelling(&alike.operations, rule), *alike));
        // The interface that has the actions, and at which a right spelling is known, says most.
        let (wrong, alike) = wrong.min_by_key(|(wrong, alike)| {
            (wrong.instead.is_none(), wrong.of_actions, alike.one.clone())
        })?;
        let of_topics = alike.operations.protocol().operand() == OperandForm::Topic;
        let (effect, at) = (rule.effect(), alike.one.clone());
        let others = named.iter().map(|alike| alike.count).sum::<usize>().saturating_sub(1);
        Some(Mismatch { matched, wrong, effect, of_topics, at, others })
    }
}

/// Adds an interface to those that are alike.
fn enter<'a>(all: &mut Vec<Alike<'a>>, device: &Name, interface: &'a Interface) {
    let operations = InterfaceOperations::at(&interface.target);
    let one = format!("{device}/{}", interface.name);
    match all.iter_mut().find(|alike| alike.operations == operations) {
        Some(alike) => {
            alike.count += 1;
            if one < alike.one {
                alike.one = one;
            }
        }
        None => all.push(Alike { operations, one, count: 1 }),
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { matched, wrong, effect, of_topics, at, others } = self;
        f.write_str(match (effect, matched) {
            (Effect::Allow, Matched::Nothing | Matched::Sets | Matched::Operations) => {
                "the rule allows nothing at "
            }
            (Effect::Deny, Matched::Nothing) => "the rule denies nothing at ",
            (Effect::Deny, Matched::Sets | Matched::Operations) if *of_topics => {
                "the rule denies only subscriptions with wildcards at "
            }
            (Effect::Deny, Matched::Sets | Matched::Operations) => {
                "the rule denies only broadcasts to unit 0 at "
            }
        })?;
        match others {
            0 => write!(f, "{at}")?,
            1 => write!(f, "{at} and 1 more interface")?,
            more => write!(f, "{at} and {more} more interfaces")?,
        }
        write!(f, ": {wrong}")
    }
}

impl fmt::Display for Misspelling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)?;
        self.instead.iter().try_for_each(|instead| write!(f, "; write {instead}"))
    }
}

impl Snapshot {
    /// Compares each rule with all declared interfaces that it names. With `only`, it passes over
    /// rules that do not name this interface.
    #[must_use]
    pub fn mismatches(&self, only: Option<&DoorName>) -> Mismatches {
        let declared = DeclaredInterfaces::of(self);
        let groups = only.map(|door| self.groups_of(&door.device)).unwrap_or_default();
        let names = |rule: &Rule| {
            only.is_none_or(|door| {
                let on = match rule.on() {
                    On::Device(device) => *device == door.device,
                    On::Group(group) => groups.contains(group),
                };
                on && rule.path().names(door.interface.as_str())
            })
        };
        let mut all = Mismatches::default();
        let mut found: BTreeMap<usize, Mismatch> = BTreeMap::new();
        for rule in self.bundle().rules().filter(names) {
            let Some(mismatch) = declared.mismatch(&rule) else { continue };
            let listed = found.values().filter(|one| one.is_error() == mismatch.is_error());
            if listed.count() < BundleErrors::LIMIT {
                found.insert(rule.line(), mismatch);
            } else {
                all.of(&mismatch).leave_out();
            }
        }
        let policy = &self.bundle().text().policy;
        for (number, line) in (1..).zip(without_byte_order_mark(policy).lines()) {
            if let Some(mismatch) = found.remove(&number) {
                all.of(&mismatch).push(mismatch.on_line(number, line));
            }
        }
        all
    }

    /// Returns the groups that a device is in, directly or by links.
    fn groups_of(&self, device: &Device) -> Vec<Group> {
        let Device::Named(name) = device else { return vec![] };
        let member = self.member(&Subject::new(Kind::Device, name.clone()));
        let direct = member.map(|member| with_built_in(&member.groups, built_in_group()));
        let direct = direct.into_iter().flatten().map(|one| one.of);
        self.bundle().group_links().closure(direct)
    }
}

impl Mismatches {
    /// Returns the list to which a mismatch belongs.
    fn of(&mut self, mismatch: &Mismatch) -> &mut BundleErrors {
        if mismatch.is_error() { &mut self.denying } else { &mut self.others }
    }
}

impl Mismatch {
    /// Returns whether a bundle with such a rule is refused: nobody wants a rule that protects
    /// nothing.
    fn is_error(&self) -> bool {
        self.effect == Effect::Deny && self.matched == Matched::Nothing
    }

    /// Returns the mismatch as an error of the line of `policy.csv` on which the rule is.
    fn on_line(&self, number: usize, line: &str) -> BundleError {
        let row = read_row("policy.csv", number, line, &mut BundleErrors::default());
        let columns = row.as_ref().map(|row| row.fields()).unwrap_or_default();
        let wrong = columns.get(if self.wrong.of_actions { 4 } else { 3 });
        let (column, length) = wrong.map_or((1, 0), |wrong| (wrong.column, wrong.text.len()));
        let (what, fix) = (self.to_string(), self.wrong.instead.clone());
        BundleError::new("policy.csv", number, column, Reason::Never { what, length, fix })
    }
}
