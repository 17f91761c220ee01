//! The review against the decision: what it lists is permitted, and what it does not list is denied.

use doorward_model::{Action, Device, Path, Resource};
use proptest::prelude::*;

use super::*;
use crate::listed::Listed;
use crate::pattern::Pattern;
use crate::question::{Circumstances, Context, Question};
use crate::snapshot::Snapshot;
use crate::worlds::{changed, is_asked, now, world, worlds};

/// What somebody asks, and how.
struct Case {
    question: Question,
    aliases: Vec<Path>,
    context: Context,
    permitted: bool,
}

impl Case {
    /// Asks in a state. `None` if no device can be asked that.
    fn of(snapshot: &Snapshot, question: &Question) -> Option<Self> {
        let resolved = snapshot.resolve(question);
        is_asked(snapshot, question).then(|| Self {
            aliases: resolved.aliases(question),
            context: question.context(now(), resolved.evidence()),
            permitted: snapshot.opinion(question, now()).permits(),
            question: question.clone(),
        })
    }

    /// Returns whether one of the grants permits it.
    fn is_in<'a>(&self, mut grants: impl Iterator<Item = &'a Grant>) -> bool {
        let Question { subject, action, resource: Resource { device, path }, .. } = &self.question;
        let place = match device {
            Device::Gateway => "gateway".to_owned(),
            Device::Named(name) => format!("{name}/{}", path.raw().split('/').next().unwrap()),
        };
        grants.any(|one| {
            (&one.subject, one.action, &one.interface) == (subject, *action, &place)
                && one.permits(path, &self.aliases, &self.context)
        })
    }
}

const SUBJECTS: [&str; 3] = ["user/emil", "user/nora", "device/cam"];

/// The questions of each subject about these paths and actions of a device.
fn questions<'a>(
    snapshot: &'a Snapshot,
    device: &'a str,
    asked: &'a [(String, Action)],
    circumstances: &'a Circumstances,
) -> impl Iterator<Item = Question> + 'a {
    SUBJECTS.iter().flat_map(move |subject| {
        asked.iter().filter_map(move |(path, action)| {
            let (subject, device) = (subject.parse().unwrap(), device.parse().unwrap());
            let question = snapshot.question(subject, *action, device, path, None).ok()?;
            Some(Question { circumstances: circumstances.clone(), ..question })
        })
    })
}

fn circumstances() -> impl Strategy<Value = Circumstances> {
    (any::<bool>(), any::<bool>()).prop_map(|(source, fresh)| Circumstances {
        source: source.then(|| "10.1.2.3".parse().unwrap()),
        proven: fresh.then(now),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(2_000), ..ProptestConfig::default() })]

    /// What the review lists is permitted, and what it does not list is denied.
    #[test]
    fn the_review_is_the_decision(
        ((device, _), rules, asked) in worlds(),
        suspended in prop::option::of(1..8_usize),
        circumstances in circumstances(),
    ) {
        let Some(snapshot) = world(&rules) else { return Ok(()) };
        let snapshot = snapshot.suspending(&suspended.into_iter().collect::<Vec<_>>());
        let grants = Review::of(&snapshot, &ReviewScope::default(), now()).all_grants();
        for question in questions(&snapshot, device, &asked, &circumstances) {
            let Some(case) = Case::of(&snapshot, &question) else { continue };
            prop_assert_eq!(
                case.is_in(grants.iter()), case.permitted,
                "{:?}; listed {:?}", question, grants
            );
        }
    }

    /// Whoever may do one operation is whoever is permitted to do it.
    #[test]
    fn whoever_holds_an_operation_is_permitted_it(
        ((device, _), rules, asked) in worlds(),
        suspended in prop::option::of(1..8_usize),
        circumstances in circumstances(),
    ) {
        let Some(snapshot) = world(&rules) else { return Ok(()) };
        let snapshot = snapshot.suspending(&suspended.into_iter().collect::<Vec<_>>());
        for question in questions(&snapshot, device, &asked[..4], &circumstances) {
            let Question { subject, action, resource, circumstances } = question.clone();
            let Some(case) = Case::of(&snapshot, &question) else { continue };
            // An interface's name alone asks about all of it.
            let whole = !resource.path.raw().contains('/') && resource.device != Device::Gateway;
            // Where no source is known, a condition on it holds for nobody who is looked at here.
            let unknown = circumstances.source.is_none() || circumstances.proven.is_none();
            let text = format!("{}/{}", resource.device, resource.path.raw());
            let scope = match ReviewScope::read(&snapshot, Some(action), Some(&text)) {
                Ok(scope) => scope.supposing(circumstances, Some(now())),
                // A star in a path is a wildcard here.
                Err(_) => { prop_assert!(text.contains('*') || !case.permitted, "{text}"); continue; }
            };
            let held = Review::of(&snapshot, &scope, now()).grants(&subject);
            if case.permitted || !(whole || unknown) {
                prop_assert_eq!(!held.is_empty(), case.permitted, "{:?} {:?}", question, held);
            }
            let whole_one = held.iter().any(|one| one.whole && one.when().is_empty());
            prop_assert!(!whole_one || whole || case.permitted, "{:?} {:?}", question, held);
        }
    }

    /// Whoever may do something that a pattern names is listed for it, and what is listed as the
    /// whole is the whole.
    #[test]
    fn whoever_holds_a_part_of_a_pattern_is_listed(
        ((device, interface), rules, asked) in worlds(),
        wide in 1..4_usize,
        circumstances in circumstances(),
    ) {
        // The pattern of a rule that is not in force, with one more wildcard.
        let (pattern, rules) = rules.split_last().unwrap();
        let Some(snapshot) = world(rules) else { return Ok(()) };
        let segments = pattern.split(", ").nth(3).unwrap().split('/').enumerate();
        let wider = segments.map(|(at, one)| if at == wide && one != "**" { "*" } else { one });
        let pattern = &wider.collect::<Vec<_>>().join("/");
        let text = format!("{device}/{pattern}");
        let Ok(scope) = ReviewScope::read(&snapshot, None, Some(&text)) else { return Ok(()) };
        let scope = scope.supposing(circumstances.clone(), Some(now()));
        let listed = Review::of(&snapshot, &scope, now()).all_grants();
        let pattern: Pattern = match pattern.as_str() {
            alone if alone == interface && device != "gateway" => format!("{alone}/**").parse().unwrap(),
            pattern => pattern.parse().unwrap(),
        };
        for question in questions(&snapshot, device, &asked, &circumstances) {
            let Some(case) = Case::of(&snapshot, &question) else { continue };
            if !pattern.covers(&question.resource.path) {
                continue;
            }
            let place = match &question.resource.device {
                Device::Gateway => "gateway".to_owned(),
                Device::Named(name) => format!("{name}/{interface}"),
            };
            let of_it: Vec<_> = listed
                .iter()
                .filter(|one| one.subject == question.subject && one.action == question.action)
                .filter(|one| one.interface == place)
                .collect();
            prop_assert!(!case.permitted || !of_it.is_empty(), "{:?} {:?}", question, listed);
            let whole = of_it.iter().find(|one| one.whole && one.when().is_empty());
            prop_assert!(
                whole.is_none() || case.permitted,
                "{:?} {:?} of {}", question, whole, pattern
            );
        }
    }

    /// What a change opens is in its list of what is opened, and so is what it closes.
    #[test]
    fn the_changes_are_the_difference(
        ((device, _), rules, asked) in worlds(),
        keep in prop::collection::vec(prop::bool::weighted(0.8), 8),
        more in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        (edited, moved, urls) in (any::<bool>(), 0..4_usize, any::<bool>()),
        circumstances in circumstances(),
    ) {
        // The new rules are the former ones; or some of these, in another order, and changed ones.
        let kept = rules.iter().zip(&keep).filter(|(_, keep)| **keep || !edited);
        let mut next: Vec<String> = kept.map(|(rule, _)| rule.clone()).collect();
        let more = if edited { more } else { vec![] };
        for index in more {
            let rule = index.get(&rules);
            next.push(rule.replace("allow", "deny"));
            next.insert(0, rule.replace("emil", "nora").replace("/**", "").replace("*, ", "5, "));
        }
        let (Some(before), Some(after)) = (world(&rules), world(&next)) else { return Ok(()) };
        let after = changed(after, moved, urls);
        let changes = GrantChanges::between(&before, &after, now());
        prop_assert!(changes.complete);
        // Of very many grants, only the first are listed.
        let listed = [changes.opened.count, changes.closed.count, changes.narrowed.count];
        if listed.into_iter().any(|count| count > Listed::<Grant>::LIMIT) {
            return Ok(());
        }
        let none = changes.opened.count + changes.closed.count + changes.narrowed.count == 0;
        for question in questions(&before, device, &asked, &circumstances) {
            let text = question.resource.path.raw();
            let (subject, device) = (question.subject.clone(), question.resource.device.clone());
            let Ok(new) = after.question(subject, question.action, device, &text, None) else { continue };
            let new = Question { circumstances: circumstances.clone(), ..new };
            let (Some(was), Some(is)) = (Case::of(&before, &question), Case::of(&after, &new)) else { continue };
            prop_assert!(!none || was.permitted == is.permitted);
            if is.permitted && !was.permitted {
                prop_assert!(is.is_in(changes.opened.first.iter()), "{:?} {:?}", new, changes);
            }
            if was.permitted && !is.permitted {
                let narrowed = changes.narrowed.first.iter();
                let (former, left): (Vec<_>, Vec<_>) = narrowed.map(|one| (&one.was, &one.now)).unzip();
                let gone = changes.closed.first.iter().chain(former);
                prop_assert!(was.is_in(gone), "{:?} {:?}", question, changes);
                prop_assert!(!is.is_in(left.into_iter().flatten()), "{:?} {:?}", question, changes);
            }
            if is.is_in(changes.opened.first.iter()) {
                prop_assert!(is.permitted, "{:?} {:?}", new, changes);
            }
        }
    }
}

#[test]
fn equal_rules_in_another_order_change_nothing() {
    let rules = [
        "p, role/engineer, group/plant, modbus/**, read|write, , allow\n",
        "p, role/engineer, plc, modbus/1/holding/0-9, write, time=Mon 11:00-13:00 UTC, deny\n",
        "p, user/nora, cam, mqtt/a/**, publish, until=2027-01-04T13:00:00Z, allow\n",
    ]
    .map(str::to_owned);
    let mut turned = rules.to_vec();
    turned.reverse();
    let (before, after) = (world(&rules).unwrap(), world(&turned).unwrap());
    let changes = GrantChanges::between(&before, &after, now());
    assert_eq!((changes.opened.count, changes.closed.count, changes.narrowed.count), (0, 0, 0));
}
