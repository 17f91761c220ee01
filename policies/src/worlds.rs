//! Small states, and the rules and questions that are generated about them.

use doorward_model::{Action, Device, Group, InterfaceId, Resource, Role, Subject, SubjectId};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use crate::bundle::{Bundle, BundleText};
use crate::membership::{Member, Membership};
use crate::question::Question;
use crate::rule::Rule;
use crate::snapshot::{Interface, Snapshot};

pub(super) fn now() -> Timestamp {
    "2027-01-04T12:00:00Z".parse().unwrap()
}

/// The interfaces of the devices `plc` and `cam`.
const INTERFACES: [(&str, &str, &str); 10] = [
    ("plc", "modbus", "modbus://h:502"),
    ("plc", "units", "modbus://h:503?unit=any"),
    ("plc", "tables", "modbus://h:504?tables=alias"),
    ("plc", "ssh", "tcp://h:22"),
    ("plc", "console", "serial:/dev/ttyS0"),
    ("cam", "web", "http://h:80"),
    ("cam", "exact", "http://h:82?paths=exact"),
    ("cam", "shop", "http://h:81?operand=query:item"),
    ("cam", "mqtt", "mqtt://h:1883"),
    ("cam", "coap", "coap://h:5683"),
];

/// A state of three people, of whom one has a role no more, two devices, and these rules.
pub(super) fn world(rules: &[String]) -> Option<Snapshot> {
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
    let an_hour_ago = Some(now() - SignedDuration::from_hours(1));
    let role = |name: &str, until| Membership { of: Role::new(name.parse().unwrap()), until };
    let group = |name: &str, until| Membership { of: Group::new(name.parse().unwrap()), until };
    let member =
        |id, roles, groups| Some(Member { id: SubjectId(id), enabled: true, roles, groups });
    let subject = |text: &str| text.parse::<Subject>().unwrap();
    let mut snapshot = Snapshot::new("a.b".parse().unwrap(), doorward_model::Revision(1), bundle)
        .with_member(subject("user/emil"), member(1, vec![role("chief", None)], vec![]))
        .with_member(subject("user/nora"), member(2, vec![role("guest", in_an_hour)], vec![]))
        .with_member(subject("user/otto"), member(5, vec![role("chief", an_hour_ago)], vec![]))
        .with_member(subject("device/plc"), member(3, vec![], vec![group("line", None)]))
        .with_member(
            subject("device/cam"),
            member(4, vec![], vec![group("plant", in_an_hour), group("line", an_hour_ago)]),
        );
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
        "web" | "exact" | "shop" => (
            &["a", "b", "", "@item=1", "10-19", "A", "a.", "b%20c", "b%2520c", "b+c"],
            &["get", "post", "connect"],
        ),
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
        "web" | "exact" | "shop" => &["c", "a;v", "%20", "B%20C.", "a%3B"],
        _ => &["c"],
    };
    let segment = prop_oneof![3 => prop::sample::select(segments), 1 => prop::sample::select(more)];
    let shape: std::ops::Range<usize> = match interface {
        "modbus" | "units" | "tables" => 3..4,
        "ssh" | "console" => 0..1,
        // A request always has a path.
        "web" | "exact" | "shop" => 1..4,
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

/// An interface, rules that speak of it, and questions about it.
pub(super) type RulesAndQuestions =
    ((&'static str, &'static str), Vec<String>, Vec<(String, Action)>);

pub(super) fn worlds() -> impl Strategy<Value = RulesAndQuestions> {
    let interfaces = INTERFACES.iter().map(|(device, name, _)| (*device, *name));
    let places: Vec<_> = interfaces.chain([("gateway", "gateway")]).collect();
    let modbus: Vec<_> = places.iter().copied().filter(|(_, name)| is_modbus(name)).collect();
    let place = prop_oneof![prop::sample::select(places), prop::sample::select(modbus)];
    place.prop_flat_map(|place| {
        let rules = prop::collection::vec(rule(place), 1..8);
        (Just(place), rules, prop::collection::vec(asked(place.1), 8..32))
    })
}

/// The state with another membership, and other options of the interfaces.
pub(super) fn changed(snapshot: Snapshot, moved: usize, urls: bool) -> Snapshot {
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
                    "shop" => "?operand=query:item&paths=exact",
                    _ => "",
                };
                one.target = format!("{plain}{query}").parse().unwrap();
            }
            snapshot = snapshot.with_interfaces(name, interfaces);
        }
    }
    snapshot
}

/// Returns whether a device can be asked that. `policy check` answers about more.
pub(super) fn is_asked(snapshot: &Snapshot, question: &Question) -> bool {
    let Resource { device: Device::Named(name), path } = &question.resource else { return true };
    let text = path.raw();
    let parts: Vec<_> = text.split('/').map(Some).collect();
    let first = parts[0].unwrap();
    let interfaces = snapshot.interfaces(name);
    let target = &interfaces.iter().find(|one| one.name.as_str() == first).unwrap().target;
    let decided = target.inspected().and_then(|inspected| inspected.http()?.operand.as_ref());
    target.protocol().operand().never(&parts, decided).is_none()
}
