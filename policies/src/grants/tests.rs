//! The review against the decision: what it lists is permitted, and what it does not list is denied.

use doorward_model::{
    Action, Device, Group, InterfaceId, Path, Resource, Role, Subject, SubjectId,
};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::bundle::{Bundle, BundleText};
use crate::membership::Membership;
use crate::pattern::Pattern;
use crate::question::{Circumstances, Context, Question};
use crate::rule::Rule;
use crate::snapshot::{Interface, Member, Snapshot};

fn now() -> Timestamp {
    "2027-01-04T12:00:00Z".parse().unwrap()
}

/// The interfaces of the devices `plc` and `cam`.
const INTERFACES: [(&str, &str, &str); 9] = [
    ("plc", "modbus", "modbus://h:502"),
    ("plc", "units", "modbus://h:503?unit=any"),
    ("plc", "tables", "modbus://h:504?tables=alias"),
    ("plc", "ssh", "tcp://h:22"),
    ("plc", "console", "serial:/dev/ttyS0"),
    ("cam", "web", "http://h:80"),
    ("cam", "shop", "http://h:81?operand=query:item"),
    ("cam", "mqtt", "mqtt://h:1883"),
    ("cam", "coap", "coap://h:5683"),
];

/// A state of two people, two devices, and these rules.
fn world(rules: &[String]) -> Option<Snapshot> {
    let valid = rules.iter().filter(|rule| Rule::read(1, rule.trim_end()).is_some());
    let text = BundleText {
        policy: valid.cloned().collect(),
        roles: "g, role/chief, role/engineer\n".to_owned(),
        groups: "g2, group/line, group/plant\n".to_owned(),
        tests: String::new(),
        ..BundleText::default()
    };
    let bundle = std::sync::Arc::new(Bundle::parse(text).ok()?);
    let in_an_hour = Some(now() + SignedDuration::from_hours(1));
    let role = |name: &str, until| Membership { of: Role::new(name.parse().unwrap()), until };
    let group = |name: &str, until| Membership { of: Group::new(name.parse().unwrap()), until };
    let member =
        |id, roles, groups| Some(Member { id: SubjectId(id), enabled: true, roles, groups });
    let subject = |text: &str| text.parse::<Subject>().unwrap();
    let mut snapshot = Snapshot::new("a.b".parse().unwrap(), doorward_model::Revision(1), bundle)
        .with_member(subject("user/emil"), member(1, vec![role("chief", None)], vec![]))
        .with_member(subject("user/nora"), member(2, vec![role("guest", in_an_hour)], vec![]))
        .with_member(subject("device/plc"), member(3, vec![], vec![group("line", None)]))
        .with_member(subject("device/cam"), member(4, vec![], vec![group("plant", in_an_hour)]));
    for device in ["plc", "cam"] {
        let of = INTERFACES.iter().filter(|(owner, ..)| *owner == device);
        let interfaces = of.zip(1..).map(|((_, name, url), id)| Interface {
            id: InterfaceId(id),
            name: name.parse().unwrap(),
            target: url.parse().unwrap(),
            network: None,
            enabled: true,
        });
        snapshot = snapshot.with_interfaces(device.parse().unwrap(), interfaces.collect());
    }
    Some(snapshot)
}

/// The segments of paths, and the actions, that rules and questions use at an interface.
fn words(interface: &str) -> (&'static [&'static str], &'static [&'static str]) {
    match interface {
        "modbus" | "units" | "tables" => (
            &["0", "1", "2", "0-3", "holding", "coil", "input", "5", "10-19", "15-30", "9-3", "80"],
            &["read", "write", "diagnose"],
        ),
        "ssh" => (&["a"], &["connect"]),
        "console" => (&["a"], &["read", "write", "control"]),
        "web" | "shop" => (&["a", "b", "", "@item=1", "10-19"], &["get", "post", "connect"]),
        "mqtt" => (&["a", "b", "", "$s", "10-19"], &["connect", "publish", "subscribe"]),
        "coap" => (&["a", "b", "", "10-19"], &["get", "observe"]),
        "gateway" => (&["devices", "status", "a"], &["create", "read", "update"]),
        other => panic!("no words for {other}"),
    }
}

/// What may follow the name of a Modbus interface in a rule, and in a question.
const ADDRESSES: [[&[&str]; 3]; 2] = [
    [&["0", "1", "2", "0-3"], &["holding", "input", "coil"], &["5", "10-19", "15-30", "0-65535"]],
    [
        &["0", "1", "2", "3"],
        &["holding", "input", "coil"],
        &["5", "10", "14-15", "19", "19-20", "20", "30", "10-30", "0-65535"],
    ],
];

fn is_modbus(interface: &str) -> bool {
    ["modbus", "units", "tables"].contains(&interface)
}

/// A rule that may speak of an interface.
fn rule((device, interface): (&'static str, &'static str)) -> impl Strategy<Value = String> {
    let (segments, actions) = words(interface);
    let who = prop::sample::select(vec![
        "role/engineer",
        "role/chief",
        "role/guest",
        "role/users",
        "user/emil",
        "device/cam",
        "role/devices",
    ]);
    let groups = ["group/plant", "group/line", "group/devices"];
    let on: Vec<&str> = match device {
        "gateway" => vec!["gateway"],
        _ => [device].into_iter().chain(groups).collect(),
    };
    let named = prop_oneof![6 => Just(interface), 1 => Just("*"), 1 => Just("other")];
    let first = named.prop_map(move |name| (device != "gateway").then_some(name));
    let segment = prop_oneof![4 => prop::sample::select(segments), 1 => Just("*")];
    let any_order = prop::collection::vec(segment, 0..4);
    let [units, tables, numbers] =
        ADDRESSES[0].map(|names| prop_oneof![4 => prop::sample::select(names), 1 => Just("*")]);
    let in_order =
        (units, tables, numbers, 0..4_usize).prop_map(|(unit, table, numbers, length)| {
            [unit, table, numbers][..length.min(3)].to_vec()
        });
    let weight = if is_modbus(interface) { 6 } else { 0 };
    let rest = (prop_oneof![1 => any_order, weight => in_order], any::<bool>());
    let path = (first, rest).prop_map(|(first, (rest, open))| {
        let open = if open { Some("**") } else { None };
        let parts: Vec<&str> = first.into_iter().chain(rest).chain(open).collect();
        if parts.is_empty() { "**".to_owned() } else { parts.join("/") }
    });
    let path = prop_oneof![1 => Just("**".to_owned()), 9 => path];
    let acts = prop_oneof![1 => Just("*"), 2 => prop::sample::select(actions)];
    let when = prop_oneof![
        4 => Just(""),
        3 => prop::sample::select(vec![
            "from=10.0.0.0/8", "time=Mon 11:00-13:00 UTC", "until=2027-01-04T13:00:00Z",
            "until=2027-01-04T11:00:00Z", "after=2027-01-04T12:30:00Z", "auth-age<=1h",
        ]),
    ];
    let effect = prop_oneof![3 => Just("allow"), 2 => Just("deny")];
    (who, prop::sample::select(on), path, acts, when, effect).prop_map(
        |(who, on, path, acts, when, effect)| {
            format!("p, {who}, {on}, {path}, {acts}, {when}, {effect}\n")
        },
    )
}

/// A path and an action at an interface.
fn asked(interface: &'static str) -> impl Strategy<Value = (String, Action)> {
    let (segments, actions) = words(interface);
    let more: &[&str] = match interface {
        "mqtt" => &["+", "#"],
        "modbus" | "units" | "tables" => &["3", "9", "10", "14-15", "20", "0-65535", "160", "fifo"],
        _ => &["c"],
    };
    let segment = prop_oneof![3 => prop::sample::select(segments), 1 => prop::sample::select(more)];
    let shape: std::ops::Range<usize> = match interface {
        "modbus" | "units" | "tables" => 3..4,
        "ssh" | "console" => 0..1,
        // A request always has a path.
        "web" | "shop" => 1..4,
        _ => 0..4,
    };
    let any_order = prop::collection::vec(segment, shape);
    let [units, tables, numbers] = ADDRESSES[1].map(prop::sample::select);
    let in_order =
        (units, tables, numbers).prop_map(|(unit, table, numbers)| vec![unit, table, numbers]);
    let weight = if is_modbus(interface) { 9 } else { 0 };
    let rest = prop_oneof![1 => any_order, weight => in_order];
    (rest, prop::sample::select(actions)).prop_map(move |(rest, action)| {
        let first = (interface != "gateway").then_some(interface);
        let parts: Vec<&str> = first.into_iter().chain(rest).collect();
        (parts.join("/"), action.parse().unwrap())
    })
}

/// Returns whether a device can be asked that. `policy check` answers about more.
fn is_asked(snapshot: &Snapshot, question: &Question) -> bool {
    let Resource { device: Device::Named(name), path } = &question.resource else { return true };
    let text = path.raw();
    let parts: Vec<_> = text.split('/').map(Some).collect();
    let first = parts[0].unwrap();
    let interfaces = snapshot.interfaces(name);
    let target = &interfaces.iter().find(|one| one.name.as_str() == first).unwrap().target;
    let decided = target.inspected().and_then(|inspected| inspected.http()?.operand.as_ref());
    target.protocol().operand().never(&parts, decided).is_none()
}

/// An interface, rules that speak of it, and questions about it.
type World = ((&'static str, &'static str), Vec<String>, Vec<(String, Action)>);

fn worlds() -> impl Strategy<Value = World> {
    let interfaces = INTERFACES.iter().map(|(device, name, _)| (*device, *name));
    let places: Vec<_> = interfaces.chain([("gateway", "gateway")]).collect();
    let modbus: Vec<_> = places.iter().copied().filter(|(_, name)| is_modbus(name)).collect();
    let place = prop_oneof![prop::sample::select(places), prop::sample::select(modbus)];
    place.prop_flat_map(|place| {
        let rules = prop::collection::vec(rule(place), 1..8);
        (Just(place), rules, prop::collection::vec(asked(place.1), 8..32))
    })
}

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

/// The state with another membership, and other options of the interfaces.
fn changed(snapshot: Snapshot, moved: usize, urls: bool) -> Snapshot {
    let mut snapshot = snapshot;
    let mut member = |name: &str, change: &dyn Fn(&mut Member)| {
        let subject: Subject = name.parse().unwrap();
        let mut member = snapshot.member(&subject).unwrap().clone();
        change(&mut member);
        snapshot = snapshot.clone().with_member(subject, Some(member));
    };
    match moved {
        0 => {}
        1 => member("user/nora", &|member| member.roles[0].until = None),
        2 => member("user/emil", &|member| member.enabled = false),
        _ => member("device/cam", &|member| member.groups.clear()),
    }
    if urls {
        for device in ["plc", "cam"] {
            let name: doorward_model::Name = device.parse().unwrap();
            let mut interfaces = snapshot.interfaces(&name).to_vec();
            for one in &mut interfaces {
                let text = one.target.to_string();
                let (plain, _) = text.split_once('?').unwrap_or((&text, ""));
                let query = match one.name.as_str() {
                    "modbus" => "?unit=any",
                    "web" => "?operand=query:item",
                    _ => "",
                };
                one.target = format!("{plain}{query}").parse().unwrap();
            }
            snapshot = snapshot.with_interfaces(name, interfaces);
        }
    }
    snapshot
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
