//! What a bundle would change, before it does.

use std::collections::BTreeMap;

use doorward_model::{Action, Device, Path, Protocol, Resource, Subject};
use jiff::Timestamp;
use serde::Serialize;

use crate::bundle::Bundle;
use crate::question::Question;
use crate::snapshot::Snapshot;

/// What would be different under another bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// Rules and links that there are only then.
    pub added: Listed<String>,
    /// Rules and links that there are no more then.
    pub removed: Listed<String>,
    /// Who may do what then that they may not do now.
    pub opened: Listed<Pair>,
    /// Who may not do what then that they may do now.
    pub closed: Listed<Pair>,
    /// Whether every pair of a subject with an interface, or with a part of the administration,
    /// was asked about; with very many, only the first are.
    pub all_pairs: bool,
}

/// How many there are, and the first of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed<T> {
    /// How many.
    pub count: usize,
    /// The first of them, up to [`Listed::LIMIT`].
    pub first: Vec<T>,
}

/// Somebody, and something that they may or may not do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pair {
    /// Who.
    pub subject: Subject,
    /// What.
    pub action: Action,
    /// On what.
    pub resource: String,
}

/// How many pairs are asked about.
const PAIRS: usize = 50_000;

/// The parts of the administration, as a preview asks about them.
const PARTS: [&str; 10] = [
    "status",
    "devices",
    "users",
    "interfaces",
    "roles",
    "groups",
    "policies",
    "sessions",
    "audit",
    "ca",
];

impl<T> Listed<T> {
    /// How many are listed.
    pub const LIMIT: usize = 100;

    fn of(all: Vec<T>) -> Self {
        let count = all.len();
        Self { count, first: all.into_iter().take(Self::LIMIT).collect() }
    }
}

impl Preview {
    /// What is different under `next`, which has the members, devices and interfaces of `present`.
    #[must_use]
    pub fn between(present: &Snapshot, next: &Snapshot, now: Timestamp) -> Self {
        let (removed, added) = differences(present.bundle(), next.bundle());
        let (mut opened, mut closed, mut asked) = (vec![], vec![], 0);
        let mut all_pairs = true;
        let mut subjects: Vec<&Subject> = next.members().map(|(subject, _)| subject).collect();
        subjects.sort();
        let resources = resources(next);
        'pairs: for subject in subjects {
            for (resource, action) in &resources {
                if asked == PAIRS {
                    all_pairs = false;
                    break 'pairs;
                }
                asked += 1;
                let (resource, action) = (resource.clone(), *action);
                let (subject, source, proven) = (subject.clone(), None, None);
                let question = Question { subject, resource, action, source, proven };
                let before = present.opinion(&question, now).permits();
                let after = next.opinion(&question, now).permits();
                let resource = question.resource.to_string();
                let Question { subject, action, .. } = question;
                match (before, after) {
                    (false, true) => opened.push(Pair { subject, action, resource }),
                    (true, false) => closed.push(Pair { subject, action, resource }),
                    _ => {}
                }
            }
        }
        Self {
            added: Listed::of(added),
            removed: Listed::of(removed),
            opened: Listed::of(opened),
            closed: Listed::of(closed),
            all_pairs,
        }
    }
}

/// Everything that a preview asks about: each interface as a whole, and each part of the
/// administration.
pub(crate) fn resources(snapshot: &Snapshot) -> Vec<(Resource, Action)> {
    let mut found = vec![];
    let mut interfaces: Vec<_> = snapshot.all_interfaces().collect();
    interfaces.sort_by_key(|(device, interface)| (*device, &interface.name));
    for (device, interface) in interfaces {
        for action in interface.target.protocol().actions() {
            let path = Path::parse(interface.target.protocol(), *action, interface.name.as_str());
            // An action that needs an operand is not about the interface as a whole.
            let Ok(path) = path else { continue };
            found.push((Resource { device: Device::Named(device.clone()), path }, *action));
        }
    }
    for part in PARTS {
        for action in Protocol::Administration.actions() {
            let Ok(path) = Path::parse(Protocol::Administration, *action, part) else { continue };
            found.push((Resource { device: Device::Gateway, path }, *action));
        }
    }
    found
}

/// The lines that only the first bundle has, and those that only the second has.
fn differences(first: &Bundle, second: &Bundle) -> (Vec<String>, Vec<String>) {
    let (first, second) = (lines(first), lines(second));
    let without = |these: &[(String, String)], others: &[(String, String)]| {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for (meaning, _) in others {
            *counts.entry(meaning).or_default() += 1;
        }
        let mut left = Vec::new();
        for (meaning, shown) in these {
            match counts.get_mut(meaning.as_str()) {
                Some(count) if *count > 0 => *count -= 1,
                _ => left.push(shown.clone()),
            }
        }
        left
    };
    (without(&first, &second), without(&second, &first))
}

/// The rules and links of a bundle: what each means, and how it is shown.
fn lines(bundle: &Bundle) -> Vec<(String, String)> {
    let text = bundle.text();
    let files =
        [("policy.csv", &text.policy), ("roles.csv", &text.roles), ("groups.csv", &text.groups)];
    let mut found = vec![];
    for (file, text) in files {
        for (number, line) in (1..).zip(text.lines()) {
            let fields = line.split(',').map(str::trim).collect::<Vec<_>>().join(", ");
            if !fields.is_empty() && !fields.starts_with('#') {
                found.push((fields.clone(), format!("{file}:{number} {fields}")));
            }
        }
    }
    found
}
