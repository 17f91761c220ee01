//! What the policy says: the default bundle as a golden matrix, and every bundle against an
//! oracle that knows nothing of Casbin.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use doorward_model::{
    Action, Device, Domain, InterfaceId, Kind, Name, Path, Protocol, Resource, Revision, Segment,
    Subject, SubjectId,
};
use doorward_policies::{
    Bundle, BundleText, Circumstances, Interface, Member, Membership, Pattern, Question, Refusal,
    Snapshot,
};
use doorward_tests::tools::root;
use jiff::Timestamp;
use proptest::prelude::*;

use crate::oracle::{self, Asked, Seg};

fn domain() -> Domain {
    "doorward.home.arpa".parse().unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// A house with one of everything.
fn house(bundle: BundleText) -> Snapshot {
    let mut snapshot =
        Snapshot::new(domain(), Revision(1), Arc::new(Bundle::parse(bundle).unwrap()));
    let mut number = 0;
    let mut add = |snapshot: Snapshot, subject: &str, roles: &[&str], groups: &[&str]| {
        number += 1;
        let of = |text: &&str| text.parse().unwrap();
        let roles = roles.iter().map(|role| Membership { of: of_role(role), until: None });
        let groups = groups.iter().map(|group| Membership { of: of(group), until: None });
        let member = Member {
            id: SubjectId(number),
            enabled: true,
            roles: roles.collect(),
            groups: groups.collect(),
        };
        snapshot.with_member(subject.parse().unwrap(), Some(member))
    };
    for (subject, roles) in [
        ("user/owner", &["role/owner"][..]),
        ("user/operator", &["role/operator"]),
        ("user/administrator", &["role/administrator"]),
        ("user/auditor", &["role/auditor"]),
        ("user/guest", &[]),
        ("gateway/main", &[]),
    ] {
        snapshot = add(snapshot, subject, roles, &[]);
    }
    snapshot = add(snapshot, "device/thermostat", &[], &[]);
    snapshot = add(snapshot, "device/plc", &[], &["group/plant"]);
    for device in ["thermostat", "plc"] {
        let interface = |(n, name): (i64, &str)| Interface {
            id: InterfaceId(n),
            name: name.parse().unwrap(),
            target: "tcp://127.0.0.1:1".parse().unwrap(),
            network: None,
            enabled: name != "off",
        };
        let interfaces = (0..).zip(["http", "off"]).map(interface).collect();
        snapshot = snapshot.with_interfaces(device.parse().unwrap(), interfaces);
    }
    snapshot
}

fn of_role(text: &str) -> doorward_model::Role {
    text.parse().unwrap()
}

/// Every subject × resource × action, a line each.
#[test]
fn the_default_bundle_answers_as_the_golden_matrix_says() {
    let snapshot = house(BundleText::default());
    let mut subjects: Vec<&Subject> = snapshot.members().map(|(subject, _)| subject).collect();
    subjects.sort();
    let ghost: Subject = "user/ghost".parse().unwrap();
    subjects.push(&ghost);
    let administration = [
        "status",
        "devices",
        "devices/plc",
        "devices/plc/identity",
        "users",
        "users/alice",
        "users/alice/identity",
        "interfaces",
        "interfaces/plc/http",
        "roles/owner",
        "roles/operator",
        "roles/auditor",
        "groups/plant",
        "networks/private",
        "networks/loopback",
        "networks/plant",
        "policies",
        "policies/check",
        "sessions",
        "sessions/ID",
        "audit",
        "ca",
    ];
    let mut lines = String::new();
    for subject in subjects {
        let mut row = |device: &str, path: &str, action: Action| {
            let device: Device = device.parse().unwrap();
            let question =
                snapshot.question(subject.clone(), action, device.clone(), path, None).unwrap();
            let opinion = snapshot.opinion(&question, at(0));
            let answer = match opinion.refusal {
                None => format!("permit by {:?}", opinion.rules),
                Some(refusal) => format!("deny: {}", refusal.as_str()),
            };
            writeln!(lines, "{subject} {action} {device}/{path}: {answer}").unwrap();
        };
        for device in ["thermostat", "plc", "nothing"] {
            for path in ["http", "off", "nothing"] {
                row(device, path, Action::Connect);
            }
            row(device, "http", Action::Get);
        }
        for path in administration {
            for action in Protocol::Administration.actions() {
                row("gateway", path, *action);
            }
        }
        row("gateway", "policies", Action::Connect);
    }
    let golden = root().join("tests/golden/default-bundle.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, &lines).unwrap();
    }
    let expected = std::fs::read_to_string(&golden).unwrap();
    for (number, (found, expected)) in lines.lines().zip(expected.lines()).enumerate() {
        assert_eq!(found, expected, "line {}", number + 1);
    }
    assert_eq!(lines.lines().count(), expected.lines().count());
}

/// The default bundle's own tests.
#[test]
fn an_owner_may_everything_and_a_guest_nothing() {
    let snapshot = house(BundleText::default());
    let opinion = |subject: &str, action: Action, device: &str, path: &str| {
        let device = device.parse().unwrap();
        let question = snapshot.question(subject.parse().unwrap(), action, device, path, None);
        snapshot.opinion(&question.unwrap(), at(0))
    };
    for action in Protocol::Administration.actions() {
        assert!(opinion("user/owner", *action, "gateway", "policies").permits());
        assert!(!opinion("user/guest", *action, "gateway", "policies").permits());
    }
    assert!(opinion("user/owner", Action::Connect, "plc", "http").permits());
    assert_eq!(
        opinion("user/owner", Action::Connect, "plc", "off").refusal,
        Some(Refusal::InterfaceDisabled)
    );
}

const USERS: [&str; 3] = ["user/a", "user/b", "device/d"];
const ROLES: [&str; 4] = ["role/r", "role/s", "role/t", "role/users"];
const DEVICES: [&str; 3] = ["d", "e", "gateway"];
const GROUPS: [&str; 4] = ["group/g", "group/h", "group/i", "group/devices"];
const NOW: i64 = 1_800_000_000;
const AGES: [&str; 4] = ["1s", "2s", "1m", "1h30m"];

/// A path as it is asked for: as our engine reads it, and as the oracle does.
#[derive(Clone, Debug)]
struct Ask {
    protocol: Protocol,
    action: Action,
    text: String,
}

impl Ask {
    fn path(&self) -> Path {
        Path::parse(self.protocol, self.action, &self.text).expect("what is generated parses")
    }

    fn asked(&self) -> Asked {
        let path = self.path();
        let address = |number: u32| u16::try_from(number).expect("a Modbus address");
        let segment = |segment: &Segment| match segment {
            Segment::Text(text) => Seg::Text(text.to_string()),
            Segment::Unit(unit) => Seg::Unit(*unit),
            Segment::Range(from, to) => Seg::Range(address(*from), address(*to)),
            Segment::Any => Seg::Any,
            Segment::OneOf(_) => panic!("nobody asks for readings"),
        };
        Asked {
            segments: path.segments().iter().map(segment).collect(),
            open: path.is_open(),
            topic: self.protocol == Protocol::Mqtt && self.action != Action::Connect,
            any_case: false,
        }
    }
}

fn level() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("a"), Just("b"), Just("$s"), Just(""), Just("1-9"), Just("5"), Just("a b")]
}

fn asks() -> impl Strategy<Value = Ask> {
    let interface = prop_oneof![3 => Just("i"), 1 => Just("j")];
    let literal = (interface.clone(), prop::collection::vec(level(), 0..4)).prop_map(
        |(interface, levels)| Ask {
            protocol: Protocol::Coap,
            action: Action::Get,
            text: [&[interface][..], &levels].concat().join("/"),
        },
    );
    const ODD: [&str; 8] = ["A", "a;x", "a.", "a+b", "a%20b", "%40", "a%20", "B.;x"];
    let odd = prop_oneof![2 => level(), 1 => prop::sample::select(&ODD[..])];
    let http =
        (interface.clone(), prop::collection::vec(odd, 1..4)).prop_map(|(interface, levels)| Ask {
            protocol: Protocol::Http,
            action: Action::Get,
            text: [&[interface][..], &levels].concat().join("/"),
        });
    let topic = (interface.clone(), prop::collection::vec(level(), 1..4)).prop_map(
        |(interface, levels)| Ask {
            protocol: Protocol::Mqtt,
            action: Action::Publish,
            text: [&[interface][..], &levels].concat().join("/"),
        },
    );
    let filter_level = prop_oneof![3 => level(), 2 => Just("+")];
    let filter = (interface.clone(), prop::collection::vec(filter_level, 0..4), any::<bool>())
        .prop_map(|(interface, levels, open)| {
            let tail: &[&str] = if open { &["#"] } else { &[] };
            Ask {
                protocol: Protocol::Mqtt,
                action: Action::Subscribe,
                text: [&[interface][..], &levels, tail].concat().join("/"),
            }
        });
    let table = prop_oneof![
        4 => Just("holding"),
        4 => Just("coil"),
        1 => Just("input"),
        1 => Just("fifo"),
        1 => Just("file"),
    ];
    let modbus = (interface, 0..4u8, table, 0..12u16, 0..6u16).prop_map(
        |(interface, unit, table, from, more)| Ask {
            protocol: Protocol::Modbus,
            action: Action::Read,
            text: format!("{interface}/{unit}/{table}/{from}-{}", from + more),
        },
    );
    let parses = |ask: &Ask| Path::parse(ask.protocol, ask.action, &ask.text).is_ok();
    prop_oneof![1 => literal, 2 => http, 1 => topic, 2 => filter, 2 => modbus]
        .prop_filter("a topic is not empty, and HTTP refuses some paths", parses)
}

pub(crate) fn pattern() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => Just("*".to_owned()),
        2 => Just("a".to_owned()),
        1 => Just("b".to_owned()),
        1 => Just("$s".to_owned()),
        1 => Just(String::new()),
        1 => Just("a%20b".to_owned()),
        1 => Just("a%2520b".to_owned()),
        1 => Just("A".to_owned()),
        1 => Just("@".to_owned()),
        1 => Just("1%2D9".to_owned()),
        1 => Just("holding".to_owned()),
        1 => Just("coil".to_owned()),
        1 => Just("fifo".to_owned()),
        1 => Just("0".to_owned()),
        1 => Just("0-0".to_owned()),
        1 => Just("%30".to_owned()),
        3 => (0..12u16, 0..8u16).prop_map(|(from, more)| format!("{from}-{}", from + more)),
        1 => (0..12u16).prop_map(|number| number.to_string()),
    ];
    let first = prop_oneof![4 => Just("i"), 1 => Just("j"), 2 => Just("*")];
    let tail = prop_oneof![2 => Just(""), 1 => Just("/**")];
    let whole =
        (first, prop::collection::vec(part, 0..4), tail).prop_map(|(first, parts, tail)| {
            let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
            [&[first][..], &parts].concat().join("/") + tail
        });
    prop_oneof![9 => whole, 1 => Just("**".to_owned())]
}

fn instant(offset: i64) -> String {
    at(NOW + offset).to_string()
}

fn when() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => Just(String::new()),
        1 => (-2..3i64).prop_map(|offset| format!("until={}", instant(offset))),
        1 => (-2..3i64).prop_map(|offset| format!("after={}", instant(offset))),
        1 => Just("from=10.0.0.0/8|192.168.1.0/24".to_owned()),
        1 => (-2..3i64).prop_map(|offset| format!("from=10.0.0.0/8;until={}", instant(offset))),
        1 => prop::sample::select(&AGES[..]).prop_map(|age| format!("auth-age<={age}")),
        1 => prop::sample::select(&AGES[..])
            .prop_map(|age| format!("from=10.0.0.0/8;auth-age<={age}")),
    ]
}

fn acts() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        4 => Just("*"),
        1 => Just("get"),
        1 => Just("read|subscribe"),
        1 => Just("publish|get"),
        1 => Just("write"),
    ]
}

pub(crate) fn rule() -> impl Strategy<Value = String> {
    let who = prop_oneof![
        2 => prop::sample::select(&USERS[..]),
        3 => prop::sample::select(&ROLES[..]),
    ];
    let on = prop_oneof![
        2 => prop::sample::select(&DEVICES[..]),
        3 => prop::sample::select(&GROUPS[..]),
    ];
    let effect = prop_oneof![3 => Just("allow"), 1 => Just("deny")];
    (who, on, pattern(), acts(), when(), effect).prop_map(|(who, on, path, acts, when, effect)| {
        format!("p, {who}, {on}, {path}, {acts}, {when}, {effect}")
    })
}

/// A rule that is likely to be about `ask`: each part of its path is the asked one, or wider.
fn fitting(subject: &str, device: &str, ask: &Ask, choices: &[u8], when: &str) -> String {
    let pick = |n: usize| choices.get(n).copied().unwrap_or_default();
    let written = |text: &str| text.replace('%', "%25").replace(' ', "%20").replace(';', "%3B");
    let part = |(n, segment): (usize, &Segment)| match (pick(n) % 3, segment) {
        (0, Segment::Text(text)) => written(text),
        (0, Segment::Unit(unit)) => unit.to_string(),
        (0, Segment::Range(from, to)) => format!("{}-{}", from.saturating_sub(1), to + 1),
        (1, Segment::Range(from, to)) => format!("{from}-{to}"),
        (1, Segment::Text(text)) if n > 0 => written(text),
        _ => "*".to_owned(),
    };
    let path = ask.path();
    let mut parts: Vec<String> = path.segments().iter().enumerate().map(part).collect();
    if path.is_open() || pick(9) % 4 == 0 {
        parts.truncate(parts.len().max(2) - usize::from(pick(8) % 3 == 0));
        parts.push("**".to_owned());
    }
    let kind = if subject.starts_with("user/") { "role/users" } else { "role/devices" };
    let who = if pick(10) % 2 == 0 { subject } else { kind };
    let on = if pick(11) % 2 == 0 { device } else { "group/devices" };
    format!("p, {who}, {on}, {}, *, {when}, allow", parts.join("/"))
}

/// Links that go one way only, so that there is no circle.
fn links(marker: &'static str, names: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::collection::vec((0..names.len(), 0..names.len()), 0..4).prop_map(move |pairs| {
        let downwards = pairs.into_iter().filter(|(from, to)| from < to);
        downwards.map(|(from, to)| format!("{marker}, {}, {}\n", names[from], names[to])).collect()
    })
}

type Memberships = Vec<(usize, usize, Option<i64>)>;

fn memberships() -> impl Strategy<Value = Memberships> {
    let until = prop_oneof![3 => Just(None), 1 => (-2..3i64).prop_map(Some)];
    prop::collection::vec((0..3usize, 0..3usize, until), 0..5)
}

#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) policy: Vec<String>,
    pub(crate) roles: String,
    pub(crate) groups: String,
    members: Memberships,
    grouped: Memberships,
    subject: &'static str,
    device: &'static str,
    ask: Ask,
    source: Option<u32>,
    /// The last full handshake, as seconds after the present.
    proven: Option<i64>,
    /// What a device says of itself: `unit=any` or, at HTTP, `paths=exact`; and `tables=alias`.
    pub(crate) reads: (bool, bool),
}

pub(crate) fn cases() -> impl Strategy<Value = Case> {
    let source = prop_oneof![
        Just(None),
        Just(Some(u32::from(Ipv4Addr::new(10, 1, 2, 3)))),
        Just(Some(u32::from(Ipv4Addr::new(192, 168, 2, 1)))),
    ];
    let proven = prop::sample::select(vec![
        None,
        Some(1),
        Some(0),
        Some(-1),
        Some(-2),
        Some(-60),
        Some(-61),
    ]);
    let context = (source, proven, any::<(bool, bool)>());
    (
        prop::collection::vec(rule(), 1..9),
        links("g", &ROLES),
        links("g2", &GROUPS),
        memberships(),
        memberships(),
        prop::sample::select(&USERS[..]),
        prop::sample::select(&DEVICES[..2]),
        asks(),
        (context, prop::collection::vec(any::<u8>(), 12), when(), any::<bool>()),
    )
        .prop_map(
            |(mut policy, roles, groups, members, grouped, subject, device, ask, more)| {
                let ((source, proven, reads), choices, when, fits) = more;
                if fits {
                    policy.push(fitting(subject, device, &ask, &choices, &when));
                }
                Case {
                    policy,
                    roles,
                    groups,
                    members,
                    grouped,
                    subject,
                    device,
                    ask,
                    source,
                    proven,
                    reads,
                }
            },
        )
}

impl Case {
    fn by_oracle(&self) -> bool {
        let named = |list: &Memberships, who: &[&str], of: &[&str]| {
            let mut map: BTreeMap<String, Vec<oracle::Membership>> = BTreeMap::new();
            for (member, group, until) in list {
                let of = of[*group].to_owned();
                let until = until.map(|offset| NOW + offset);
                let memberships = map.entry(who[*member].to_owned()).or_default();
                if !memberships.iter().any(|one| one.of == of) {
                    memberships.push(oracle::Membership { of, until });
                }
            }
            map
        };
        let world = oracle::World {
            members: named(&self.members, &USERS, &ROLES),
            groups: named(&self.grouped, &DEVICES, &GROUPS),
        };
        let question = oracle::Question {
            subject: self.subject.to_owned(),
            device: self.device.to_owned(),
            action: self.ask.action.to_string(),
            path: self.ask.asked(),
            names: self.other_names(),
            now: NOW,
            source: self.source,
            proven: self.proven.map(|offset| NOW + offset),
        };
        let policy = self.policy.join("\n");
        oracle::permitted(&policy, &self.roles, &self.groups, &world, &question)
    }

    /// What else the device may take the message for, by the oracle.
    pub(crate) fn other_names(&self) -> Vec<Asked> {
        let (any_unit, one_memory) = self.reads;
        match self.ask.protocol {
            Protocol::Modbus => oracle::other_names(&self.ask.asked(), any_unit, one_memory),
            Protocol::Http if !self.reads.0 => oracle::http_readings(&self.ask.asked()),
            _ => vec![],
        }
    }

    /// The interfaces' target. Only what a device says of itself counts: what is asked here is what
    /// the rules say, so the path is typed by hand.
    fn target(&self) -> String {
        if self.ask.protocol == Protocol::Http {
            let exact = if self.reads.0 { "?paths=exact" } else { "" };
            return format!("http://127.0.0.1:1{exact}");
        }
        if self.ask.protocol != Protocol::Modbus {
            return "tcp://127.0.0.1:1".to_owned();
        }
        let options = [(self.reads.0, "unit=any"), (self.reads.1, "tables=alias")];
        let options = options.into_iter().filter(|(said, _)| *said).map(|(_, option)| option);
        let options = options.collect::<Vec<_>>().join("&");
        let mark = if options.is_empty() { "" } else { "?" };
        format!("modbus://127.0.0.1:1{mark}{options}")
    }

    pub(crate) fn text(&self) -> BundleText {
        BundleText {
            policy: self.policy.join("\n"),
            roles: self.roles.clone(),
            groups: self.groups.clone(),
            ..BundleText::default()
        }
    }

    /// The same case, at an interface at which everything is one operation.
    pub(crate) fn at_a_raw_interface(mut self) -> Self {
        let (protocol, action) = (Protocol::Tcp, Action::Connect);
        self.ask = Ask { protocol, action, text: "i".to_owned() };
        self
    }

    /// The instant that is asked about.
    pub(crate) fn now() -> Timestamp {
        at(NOW)
    }

    /// The state under a bundle.
    pub(crate) fn state(&self, bundle: Bundle) -> Snapshot {
        let bundle = Arc::new(bundle);
        let mut snapshot = Snapshot::new(domain(), Revision(1), bundle);
        let until = |offset: &Option<i64>| offset.map(|offset| at(NOW + offset));
        for (number, user) in USERS.iter().enumerate() {
            snapshot = snapshot.with_member(
                user.parse().unwrap(),
                Some(member(number, &first_of(&self.members, number, &ROLES, &until), &[])),
            );
        }
        for (number, device) in DEVICES.iter().enumerate().take(2) {
            // A device's memberships in roles stay what they are.
            let subject = format!("device/{device}").parse().unwrap();
            let roles = snapshot.member(&subject).map(|one| one.roles.clone()).unwrap_or_default();
            let groups = first_of(&self.grouped, number, &GROUPS, &until);
            let mut one = member(number + 10, &[], &groups);
            one.roles = roles;
            snapshot = snapshot.with_member(subject, Some(one));
            let interfaces = ["i", "j"].iter().zip(0..).map(|(name, id)| Interface {
                id: InterfaceId(id),
                name: name.parse().unwrap(),
                target: self.target().parse().unwrap(),
                network: None,
                enabled: true,
            });
            let name: Name = device.parse().unwrap();
            snapshot = snapshot.with_interfaces(name, interfaces.collect());
        }
        snapshot
    }

    pub(crate) fn question(&self) -> Question {
        Question {
            subject: self.subject.parse().unwrap(),
            resource: Resource { device: self.device.parse().unwrap(), path: self.ask.path() },
            action: self.ask.action,
            circumstances: Circumstances {
                source: self.source.map(|bits| IpAddr::V4(Ipv4Addr::from(bits))),
                proven: self.proven.map(|offset| at(NOW + offset)),
            },
        }
    }

    fn by_us(&self) -> bool {
        let snapshot = self.state(Bundle::parse(self.text()).unwrap());
        let opinion = snapshot.rules_say(&self.question(), at(NOW));
        assert_ne!(opinion.refusal, Some(Refusal::Disagreement), "the two judges agree");
        opinion.permits()
    }
}

fn member(
    number: usize,
    roles: &[(&str, Option<Timestamp>)],
    groups: &[(&str, Option<Timestamp>)],
) -> Member {
    fn of<T: std::str::FromStr>(list: &[(&str, Option<Timestamp>)]) -> Vec<Membership<T>>
    where
        T::Err: std::fmt::Debug,
    {
        let one = |(name, until): &(&str, Option<Timestamp>)| Membership {
            of: name.parse().unwrap(),
            until: *until,
        };
        list.iter().map(one).collect()
    }
    Member { id: SubjectId(number as i64), enabled: true, roles: of(roles), groups: of(groups) }
}

/// The first membership of each kind counts, as a table with one row each would have it.
fn first_of<'n>(
    list: &Memberships,
    number: usize,
    names: &[&'n str],
    until: &impl Fn(&Option<i64>) -> Option<Timestamp>,
) -> Vec<(&'n str, Option<Timestamp>)> {
    let mut found: Vec<(&str, Option<Timestamp>)> = vec![];
    for (member, of, end) in list {
        if *member == number && !found.iter().any(|(name, _)| *name == names[*of]) {
            found.push((names[*of], until(end)));
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("POLICY_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(4000),
        max_shrink_iters: 2000,
        ..ProptestConfig::default()
    })]

    /// Our engine, both its judges, and the oracle give one answer.
    #[test]
    fn every_bundle_means_what_the_oracle_says(case in cases()) {
        prop_assert_eq!(case.by_us(), case.by_oracle());
    }

    /// Allow covers, deny overlaps.
    #[test]
    fn patterns_cover_and_overlap_what_the_oracle_says(pattern in pattern(), ask in asks()) {
        let parsed: Pattern = pattern.parse().unwrap();
        let (path, asked) = (ask.path(), ask.asked());
        prop_assert_eq!(parsed.covers(&path), oracle::covers(&pattern, &asked), "covers");
        prop_assert_eq!(parsed.overlaps(&path), oracle::overlaps(&pattern, &asked), "overlaps");
    }

    /// Nothing granted is nothing allowed: without allow rules nobody may anything.
    #[test]
    fn nothing_granted_is_nothing_allowed(mut case in cases()) {
        for rule in &mut case.policy {
            *rule = rule.replace(", allow", ", deny");
        }
        prop_assert!(!case.by_us());
    }

    /// Deny overrides: one more deny rule never opens anything.
    #[test]
    fn one_more_deny_rule_opens_nothing(case in cases(), deny in rule()) {
        let mut more = case.clone();
        more.policy.insert(0, deny.replace(", allow", ", deny"));
        prop_assert!(case.by_us() || !more.by_us());
    }
}

#[test]
fn the_kinds_of_subjects_are_told_apart() {
    // A device and a user called alike are two.
    let policy = "p, user/d, d, **, *, , allow\n";
    let text = BundleText { policy: policy.into(), ..BundleText::default() };
    let snapshot = house(text);
    let question = snapshot
        .question(
            "device/plc".parse().unwrap(),
            Action::Connect,
            "plc".parse().unwrap(),
            "http",
            None,
        )
        .unwrap();
    assert_eq!(question.subject.kind(), Kind::Device);
    assert!(!snapshot.opinion(&question, at(0)).permits());
}

/// The generator is worth something only if both answers are common.
#[test]
fn generated_cases_are_permitted_and_denied_often_enough() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let total = 2000;
    let permitted = (0..total)
        .filter(|_| {
            let tree = proptest::strategy::Strategy::new_tree(&cases(), &mut runner).unwrap();
            proptest::strategy::ValueTree::current(&tree).by_us()
        })
        .count();
    assert!((total / 20..total / 2).contains(&permitted), "{permitted} of {total}");
}
