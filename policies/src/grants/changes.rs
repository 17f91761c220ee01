//! What a change of the state opens, closes and narrows.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use doorward_model::Subject;
use jiff::Timestamp;

use super::grant::Grant;
use super::place::Place;
use super::review::{Applied, Review};
use super::scope::ReviewScope;
use crate::listed::Listed;
use crate::snapshot::Snapshot;

/// What a change of the state opens, closes and narrows, for each subject.
///
/// Whatever a subject may do afterwards and not before is in one of the grants of `opened`. Whatever
/// it may do before and not afterwards is in one of `closed`, or in the former grant of one of
/// `narrowed` and in none of its new grants.
#[derive(Clone, Debug)]
pub struct GrantChanges {
    /// The new grants that no former grant includes.
    pub opened: Listed<Grant>,
    /// The former grants of which nothing is left.
    pub closed: Listed<Grant>,
    /// The former grants of which a part is left.
    pub narrowed: Listed<Narrowed>,
    /// Whether the grants of every subject were compared. Of very many, only the first are.
    pub complete: bool,
    /// Whether one of `opened` is a grant over the gateway itself.
    pub administers: bool,
}

/// A grant of which a change leaves a part.
#[derive(Clone, Debug)]
pub struct Narrowed {
    /// The grant as it was.
    pub was: Grant,
    /// The grants that permit something of it from then on.
    pub now: Vec<Grant>,
}

/// The most work: a rule that applies to one subject at one interface counts once, and so does each
/// comparison of two grants.
const MOST: usize = 20_000_000;

/// One interface in both states, or the administration.
#[derive(Default)]
struct PlacePair {
    before: Option<usize>,
    after: Option<usize>,
    /// Whether operations have the same names before and after.
    named_alike: bool,
    /// Whether, besides, the device may read them under the same other names.
    read_alike: bool,
}

impl GrantChanges {
    /// Compares what subjects are granted at `now` in two states.
    #[must_use]
    pub fn between(present: &Snapshot, next: &Snapshot, now: Timestamp) -> Self {
        let members = present.members().chain(next.members());
        Self::for_subjects(members.map(|(subject, _)| subject).collect(), (present, next), now)
    }

    /// Compares what one subject is granted at `now` in two states.
    #[must_use]
    pub fn for_subject(
        subject: &Subject,
        present: &Snapshot,
        next: &Snapshot,
        now: Timestamp,
    ) -> Self {
        Self::for_subjects(BTreeSet::from([subject]), (present, next), now)
    }

    /// Returns no changes.
    pub(crate) fn none() -> Self {
        Self {
            opened: Listed::none(),
            closed: Listed::none(),
            narrowed: Listed::none(),
            complete: true,
            administers: false,
        }
    }

    fn for_subjects(
        subjects: BTreeSet<&Subject>,
        (present, next): (&Snapshot, &Snapshot),
        now: Timestamp,
    ) -> Self {
        let scope = ReviewScope::default();
        let (before, after) = (Review::of(present, &scope, now), Review::of(next, &scope, now));
        let pairs = pairs(&before.places, &after.places);
        let mut changes = Self::none();
        let mut left = MOST;
        for subject in subjects {
            let (roles, new_roles) = (before.roles(subject), after.roles(subject));
            let was = before.applied(subject, roles.as_ref());
            let is = after.applied(subject, new_roles.as_ref());
            let rules = was.values().chain(is.values()).map(Vec::len).sum();
            changes.complete &= spend(&mut left, rules);
            for pair in &pairs {
                let was = pair.before.and_then(|at| was.get_key_value(&at));
                let is = pair.after.and_then(|at| is.get_key_value(&at));
                if changes.complete && !(pair.read_alike && apply_alike(was, is)) {
                    let (was, is) = (grants(&before, subject, was), grants(&after, subject, is));
                    changes.complete = changes.compare(&was, &is, pair, &mut left);
                }
            }
            if !changes.complete {
                break;
            }
        }
        changes
    }

    /// Compares the grants of one subject at one place. Returns false if that takes too long.
    fn compare(&mut self, was: &[Grant], is: &[Grant], pair: &PlacePair, left: &mut usize) -> bool {
        let (gone, come) = if pair.read_alike {
            (changed(was, is), changed(is, was))
        } else {
            (was.iter().collect(), is.iter().collect())
        };
        if !spend(left, gone.len() * is.len() + come.len() * was.len()) {
            return false;
        }
        let includes = |wide: &Grant, narrow: &Grant| {
            let alike = pair.read_alike || pair.named_alike && wide.except.is_empty();
            alike && wide.action == narrow.action && wide.includes(narrow)
        };
        for new in come {
            if !was.iter().any(|former| includes(former, new)) {
                self.administers |= new.interface == "gateway";
                self.opened.add(|| new.clone());
            }
        }
        for former in gone {
            if is.iter().any(|new| includes(new, former)) {
                continue;
            }
            let left = is.iter().filter(|new| pair.named_alike && new.meets(former));
            let now: Vec<Grant> = left.cloned().collect();
            if now.is_empty() {
                self.closed.add(|| former.clone());
            } else {
                self.narrowed.add(|| Narrowed { was: former.clone(), now });
            }
        }
        true
    }
}

/// Takes work from what is left. Returns false if there is not so much.
fn spend(left: &mut usize, work: usize) -> bool {
    let enough = work <= *left;
    *left = left.saturating_sub(work);
    enough
}

/// Returns the grants that have no equal among others.
fn changed<'a>(grants: &'a [Grant], others: &[Grant]) -> Vec<&'a Grant> {
    let others: HashSet<String> = others.iter().map(Grant::meaning).collect();
    grants.iter().filter(|grant| !others.contains(&grant.meaning())).collect()
}

/// Returns each place that is in one of the states, by name.
fn pairs(before: &[Place<'_>], after: &[Place<'_>]) -> Vec<PlacePair> {
    let mut pairs: BTreeMap<String, PlacePair> = BTreeMap::new();
    for (at, place) in before.iter().enumerate() {
        pairs.entry(place.name()).or_default().before = Some(at);
    }
    for (at, place) in after.iter().enumerate() {
        let pair = pairs.entry(place.name()).or_default();
        pair.after = Some(at);
        if let Some(former) = pair.before.and_then(|at| before.get(at)) {
            pair.named_alike = former.names_like(place);
            pair.read_alike = pair.named_alike && former.reads_like(place);
        }
    }
    pairs.into_values().collect()
}

/// The rules that apply to a subject at a place, with the index of the place.
type AtPlace<'a, 'r> = Option<(&'a usize, &'a Vec<Applied<'r>>)>;

/// Returns whether the same rules apply in both states, for the same time.
fn apply_alike(was: AtPlace<'_, '_>, is: AtPlace<'_, '_>) -> bool {
    let (was, is) =
        (was.map_or(&[][..], |(_, rules)| rules), is.map_or(&[][..], |(_, rules)| rules));
    was.len() == is.len()
        && was.iter().zip(is).all(|(was, is)| {
            (was.until, was.suspended) == (is.until, is.suspended) && was.rule.says_like(&is.rule)
        })
}

fn grants(review: &Review<'_>, subject: &Subject, at: AtPlace<'_, '_>) -> Vec<Grant> {
    let mut found = Vec::new();
    if let Some((at, rules)) = at {
        review.at_place(subject, *at, rules, &mut found);
    }
    found
}
