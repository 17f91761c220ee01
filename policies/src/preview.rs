//! Shows what a new bundle would change.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};

use jiff::Timestamp;

use crate::bundle::{Bundle, difference};
use crate::grants::GrantChanges;
use crate::listed::Listed;
use crate::snapshot::Snapshot;

/// The differences that another bundle would make.
#[derive(Clone, Debug)]
pub struct Preview {
    /// Rules and links that only the new bundle has.
    pub added: Listed<String>,
    /// Rules and links that only the present bundle has.
    pub removed: Listed<String>,
    /// What subjects may do under the new bundle only, and under the present one only.
    pub changes: GrantChanges,
}

impl Preview {
    /// Returns what `next` changes. It has the members, devices and interfaces of `present`.
    #[must_use]
    pub fn between(present: &Snapshot, next: &Snapshot, now: Timestamp) -> Self {
        let (removed, added) = differences(present.bundle(), next.bundle());
        Self { added, removed, changes: GrantChanges::between(present, next, now) }
    }
}

/// Returns the lines that only the first bundle has, and those that only the second has.
fn differences(first: &Bundle, second: &Bundle) -> (Listed<String>, Listed<String>) {
    let (mut without, mut within) = (Listed::none(), Listed::none());
    let (first, second) = (first.text(), second.text());
    for (file, old, new) in [
        ("policy.csv", &first.policy, &second.policy),
        ("roles.csv", &first.roles, &second.roles),
        ("groups.csv", &first.groups, &second.groups),
    ] {
        let (gone, come) = changed(old, new);
        // A line that has only moved, or has other spaces, counts as the same.
        only(file, &gone, &come, &mut without);
        only(file, &come, &gone, &mut within);
    }
    (without, within)
}

/// Lines with their numbers.
type Numbered<'a> = Vec<(usize, &'a str)>;

/// Returns the lines of each text after skipping equal lines at both ends.
fn changed<'a>(old: &'a str, new: &'a str) -> (Numbered<'a>, Numbered<'a>) {
    let numbered = |text: &'a str| (1..).zip(text.lines()).collect::<Vec<_>>();
    let Some(hunks) = difference(old, new) else { return (numbered(old), numbered(new)) };
    let (mut gone, mut come) = (vec![], vec![]);
    let (mut lines, mut moved) = ((1..).zip(old.lines()), 0);
    for hunk in hunks {
        let removed = hunk.at + 1..hunk.at + 1 + hunk.removed;
        if !removed.is_empty() {
            let from = lines.by_ref().skip_while(|(number, _)| *number < removed.start);
            gone.extend(from.take(hunk.removed));
        }
        let begins = (hunk.at + 1).saturating_add_signed(moved);
        moved += hunk.added.len().cast_signed() - hunk.removed.cast_signed();
        come.extend((begins..).zip(hunk.added));
    }
    (gone, come)
}

/// Adds those of `these` that are not among `others`, with file and line.
fn only(file: &str, these: &Numbered<'_>, others: &Numbered<'_>, left: &mut Listed<String>) {
    // Keeps hashes under a random key, since the lines would take much more memory.
    let hasher = RandomState::new();
    let mut counts: HashMap<u64, usize> = HashMap::new();
    for meaning in others.iter().filter_map(|(_, line)| meaning(line)) {
        *counts.entry(hasher.hash_one(meaning)).or_default() += 1;
    }
    for (number, line) in these {
        let Some(meaning) = meaning(line) else { continue };
        match counts.get_mut(&hasher.hash_one(&meaning)) {
            Some(count) if *count > 0 => *count -= 1,
            _ => left.add(|| format!("{file}:{number} {meaning}")),
        }
    }
}

/// Returns a rule or link without its spaces.
fn meaning(line: &str) -> Option<String> {
    let fields = line.split(',').map(str::trim).collect::<Vec<_>>().join(", ");
    (!fields.is_empty() && !fields.starts_with('#')).then_some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::BundleText;

    #[test]
    fn what_goes_and_what_comes_is_named_wherever_it_stands() {
        let rule = |number: usize| format!("p, role/r{number}, box, a/{number}, *, , allow");
        let old: Vec<String> = (1..=10).map(rule).collect();
        let mut new = old.clone();
        new.remove(8);
        new.insert(5, rule(12));
        new.insert(1, rule(11));
        let bundle = |lines: &[String]| {
            let policy = lines.join("\n");
            Bundle::parse(BundleText { policy, ..BundleText::default() }).unwrap()
        };
        let (gone, come) = differences(&bundle(&old), &bundle(&new));
        assert_eq!(gone.first, [format!("policy.csv:9 {}", rule(9))]);
        let added = [format!("policy.csv:2 {}", rule(11)), format!("policy.csv:7 {}", rule(12))];
        assert_eq!((gone.count, come.first), (1, added.to_vec()));
        let (gone, come) = differences(&bundle(&new), &bundle(&old));
        assert_eq!((gone.first.len(), come.first), (2, vec![format!("policy.csv:9 {}", rule(9))]));
        assert_eq!(gone.first, added);
    }
}
