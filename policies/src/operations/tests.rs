//! What rules match at interfaces: tables, and a property against the decision.

use doorward_model::{Action, Path};
use proptest::prelude::*;

use super::*;
use crate::decision::Refusal;
use crate::fixture::{self, now};

use Matched::{Nothing as N, Operations as Y, Sets as S};

/// Asks about rules at one interface, as allow and as deny rules.
fn table(url: &str, rows: &[(&str, &str, Matched, Matched)]) {
    assert!(rows.len() >= 15, "{url}");
    let target: Target = url.parse().unwrap();
    for (path, acts, allowed, denied) in rows {
        for (effect, expected) in [("allow", allowed), ("deny", denied)] {
            let line = format!("p, user/alice, plc, {path}, {acts}, , {effect}");
            let rule = Rule::read(1, &line).expect(&line);
            assert_eq!(
                InterfaceOperations::at(&target).matched_by(&rule),
                *expected,
                "{url} {line}"
            );
        }
    }
}

#[test]
fn what_rules_match_at_a_raw_interface() {
    for url in ["tcp://h:22", "udp://h:53", "unix:/run/x", "process:/bin/cat"] {
        table(
            url,
            &[
                ("ssh", "connect", Y, Y),
                ("ssh", "*", Y, Y),
                ("ssh/**", "connect", Y, Y),
                ("*", "connect", Y, Y),
                ("*/**", "connect", Y, Y),
                ("**", "connect|read", Y, Y),
                ("**", "*", Y, Y),
                ("ssh", "read", N, N),
                ("ssh/**", "get|head|post", N, N),
                ("**", "write", N, N),
                ("ssh/", "connect", N, N),
                ("ssh/*", "connect", N, N),
                ("ssh/a", "connect", N, N),
                ("ssh/a/**", "*", N, N),
                ("*/*", "*", N, N),
                ("ssh/0-9", "connect", N, N),
            ],
        );
    }
}

#[test]
fn what_rules_match_at_a_serial_line() {
    let rows = |control| {
        [
            ("line", "read", Y, Y),
            ("line", "write", Y, Y),
            ("line", "*", Y, Y),
            ("line/**", "read|write", Y, Y),
            ("*", "read", Y, Y),
            ("**", "*", Y, Y),
            ("**", "control|read", Y, Y),
            ("line", "control", control, control),
            ("line/**", "control", control, control),
            ("line", "connect", N, N),
            ("**", "connect", N, N),
            ("line", "get|subscribe", N, N),
            ("line/1", "read", N, N),
            ("line/*", "*", N, N),
            ("line/a/**", "write", N, N),
            ("line/", "*", N, N),
        ]
    };
    table("serial:/dev/ttyS0", &rows(Y));
    table("serial:/dev/ttyS0?line=%5Ea%24", &rows(N));
}

#[test]
fn what_rules_match_at_an_http_interface() {
    table(
        "http://h:80?operand=query:item",
        &[
            ("web/**", "*", Y, Y),
            ("web/", "get", Y, Y),
            ("web/*", "get", Y, Y),
            ("web/a/b/", "put", Y, Y),
            ("web/a%2520b", "get", Y, Y),
            ("web/a/@item=1", "get", Y, Y),
            ("web//@item=1", "get", Y, Y),
            ("web//*", "get", Y, Y),
            ("web/10-19", "get", Y, Y),
            ("**", "connect", Y, Y),
            ("*/**", "read|get", Y, Y),
            ("web", "get", N, N),
            ("*", "*", N, N),
            ("web/**", "read", N, N),
            ("web/**", "publish|observe", N, N),
            // A device may read /%20/a so.
            ("web//a", "get", N, Y),
            ("web/../a", "get", N, N),
            ("web/a%2Fb", "get", N, N),
            ("web/a/@other=1", "get", N, Y),
            ("web/a/@other/**", "get", Y, Y),
            ("web/a/@item=x%2Fy", "get", N, Y),
        ],
    );
}

#[test]
fn what_rules_match_at_an_mqtt_interface() {
    table(
        "mqtt://h:1883",
        &[
            ("bus", "connect", Y, Y),
            ("bus", "*", Y, Y),
            ("bus/**", "publish", Y, Y),
            ("bus/**", "connect", Y, Y),
            ("bus/a/*/b", "subscribe", Y, Y),
            ("bus//a", "publish", Y, Y),
            ("bus/a/", "publish", Y, Y),
            ("bus/$SYS/**", "subscribe", Y, Y),
            ("bus/$share/g/a", "publish", Y, Y),
            ("bus/0-9", "publish", Y, Y),
            ("**", "read|subscribe", Y, Y),
            ("bus", "publish", N, N),
            ("bus/", "publish", N, N),
            ("bus/a", "connect", N, N),
            ("bus/a/**", "connect", N, N),
            ("bus/a", "get|read", N, N),
            ("bus/a/+", "publish", N, N),
            ("bus/#", "publish", N, N),
            ("bus/a%00", "publish", N, N),
            ("bus/$a+/b", "subscribe", N, N),
            // A subscription to a/+, #, + or a/# meets such text.
            ("bus/a/+", "subscribe", N, S),
            ("bus/#", "publish|subscribe", N, S),
            ("bus", "subscribe", N, S),
            ("bus/", "subscribe", N, S),
            ("bus/$a/+", "subscribe", N, S),
        ],
    );
}

#[test]
fn what_rules_match_at_a_modbus_interface() {
    for url in ["modbus://h:502", "modbus://h:502?unit=any&tables=alias"] {
        table(
            url,
            &[
                ("plc/1/holding/0-99", "read", Y, Y),
                ("plc/0/holding/7", "write", Y, Y),
                ("plc/0-3/coil/7", "write", Y, Y),
                ("plc/*/*/*", "read", Y, Y),
                ("plc/1/*/300", "read", Y, Y),
                ("plc/1/file/65535", "read", Y, Y),
                ("plc/1/function/43", "diagnose", Y, Y),
                ("plc/1/device/200-900", "read", Y, Y),
                ("plc/1/holding/40001-40099", "read", Y, Y),
                ("plc/255/**", "*", Y, Y),
                ("plc/1/holding/5/**", "read", Y, Y),
                ("plc/**", "read|get", Y, Y),
                ("**", "*", Y, Y),
                ("plc", "read", N, N),
                ("plc", "connect", N, N),
                ("plc/**", "connect", N, N),
                ("plc/1/holding", "read", N, N),
                ("plc/1/holding/0..99", "read", N, N),
                ("plc/1/hold/0-9", "read", N, N),
                ("plc/1/hold/**", "read", N, N),
                ("plc/40001-40099", "read", N, N),
                ("plc/1/holding/65536", "read", N, N),
                ("plc/1/holding/007", "read", N, N),
                ("plc/1/function/256", "diagnose", N, N),
                ("plc/1/device/256-300", "read", N, N),
                ("plc/1/holding/5/6", "read", N, N),
                ("plc/1/holding/5/6/**", "read", N, N),
                // A broadcast meets every unit.
                ("plc/256/holding/0-9", "write", N, S),
                ("plc/unit/**", "write", N, S),
                ("plc/0-0/**", "write", N, S),
            ],
        );
    }
}

#[test]
fn what_rules_match_at_a_coap_interface() {
    table(
        "coap://h:5683",
        &[
            ("lamp", "get", Y, Y),
            ("lamp/**", "*", Y, Y),
            ("lamp/", "get", Y, Y),
            ("lamp/a", "observe", Y, Y),
            ("lamp/*/b", "put|patch", Y, Y),
            ("lamp/a/", "get", Y, Y),
            ("lamp/a%2520b", "get", Y, Y),
            ("lamp/0-9", "get", Y, Y),
            ("**", "delete", Y, Y),
            ("*", "post", Y, Y),
            ("lamp/**", "read", N, N),
            ("lamp/**", "connect", N, N),
            ("lamp//a", "get", N, N),
            ("lamp/a//**", "get", Y, Y),
            ("lamp/./a", "get", N, N),
            ("lamp/..", "get", N, N),
            ("lamp/a%2Fb", "get", N, N),
            ("lamp/a?b=1", "get", N, N),
        ],
    );
}

/// Interfaces of the device `plc`.
const INTERFACES: [(&str, &str); 10] = [
    ("ssh", "tcp://h:22"),
    ("line", "serial:/dev/ttyS0"),
    ("lines", "serial:/dev/ttyS1?line=%5Ea%24"),
    ("web", "http://h:80"),
    ("shop", "http://h:81?operand=query:item"),
    ("bus", "mqtt://h:1883"),
    ("modbus", "modbus://h:502"),
    ("units", "modbus://h:503?unit=any"),
    ("tables", "modbus://h:504?tables=alias"),
    ("lamp", "coap://h:5683"),
];

/// Segments of rules, many of them wrong, and segments of requests at an interface.
fn words(interface: &str) -> (&'static [&'static str], &'static [&'static str]) {
    match interface {
        "ssh" | "line" | "lines" => (&["a", "", "0-9"], &[]),
        "web" | "shop" => (
            &[
                "a", "A", "", "b%2520c", "b%20c", "%252B", "@item=1", "@other=1", "a;x", ".",
                "a%2Fb", "%C3%A4",
            ],
            &["a", "A", "", "b%20c", "%2B", "+", "@item=1", "a;x", "a.", "%C3%A4"],
        ),
        "bus" => (
            &["a", "", "+", "#", "$s", "$+", "a+", "0-9", "%00"],
            &["a", "", "+", "#", "$s", "$share", "0-9"],
        ),
        "modbus" | "units" | "tables" => (
            &[
                "0", "1", "0-3", "255", "0-0", "256", "250-300", "holding", "hold", "device",
                "function", "fifo", "0..9", "5", "07", "65535", "65536", "x",
            ],
            &[
                "0", "1", "2", "255", "holding", "coil", "device", "function", "fifo", "5",
                "0-65535",
            ],
        ),
        _ => (&["a", "", ".", "a%2Fb", "a?b", "%2520"], &["a", "", "b"]),
    }
}

fn rules(interface: &'static str) -> impl Strategy<Value = (String, String, bool)> {
    let (words, _) = words(interface);
    let first = prop_oneof![6 => Just(interface), 1 => Just("*")];
    let segment = prop_oneof![5 => prop::sample::select(words), 1 => Just("*")];
    let path = (first, prop::collection::vec(segment, 0..5), any::<bool>());
    let path = path.prop_map(|(first, rest, open)| {
        let open = if open { Some("**") } else { None };
        let parts: Vec<&str> = std::iter::once(first).chain(rest).chain(open).collect();
        parts.join("/")
    });
    let act = prop::sample::select(Action::ALL);
    let acts = prop::collection::vec(act, 1..3)
        .prop_map(|acts| acts.iter().map(|action| action.as_str()).collect::<Vec<_>>().join("|"));
    (path, prop_oneof![1 => Just("*".to_owned()), 3 => acts], any::<bool>())
}

fn operations(interface: &'static str) -> impl Strategy<Value = (String, Action)> {
    let (_, words) = words(interface);
    let words = if words.is_empty() { &["a"][..] } else { words };
    let rest = prop::collection::vec(prop::sample::select(words), 0..5);
    (rest, prop::sample::select(Action::ALL)).prop_map(move |(rest, action)| {
        let parts: Vec<&str> = std::iter::once(interface).chain(rest).collect();
        (parts.join("/"), action)
    })
}

/// Returns whether somebody can ask that at the door of an interface.
fn is_asked(target: &Target, path: &Path, action: Action) -> bool {
    let text = path.raw();
    let parts: Vec<_> = text.split('/').map(Some).collect();
    let sets_the_line = action == Action::Control && target.lines().is_some();
    let decided = target.inspected().and_then(|inspected| inspected.http()?.operand.as_ref());
    // A part of a query follows a path, which is `shop/` at least.
    let part = decided.map(|operand| format!("/@{}=", operand.key()));
    let shortest = if part.is_some_and(|part| text.contains(&part)) { 3 } else { 2 };
    let has_path = target.protocol() != Protocol::Http || parts.len() >= shortest;
    !sets_the_line && has_path && target.protocol().operand().never(&parts, decided).is_none()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(4_000), ..ProptestConfig::default() })]

    /// A rule of which it is said that it matches nothing decides nothing, and one that is said to
    /// match sets only decides nothing else.
    #[test]
    fn a_rule_that_matches_nothing_decides_nothing(
        (interface, (path, acts, denies), asked) in prop::sample::select(&INTERFACES[..])
            .prop_flat_map(|(name, _)| (Just(name), rules(name), prop::collection::vec(operations(name), 24))),
    ) {
        let effect = if denies { "deny" } else { "allow" };
        let line = format!("p, user/alice, plc, {path}, {acts}, , {effect}");
        let Some(rule) = Rule::read(1, &line) else { return Ok(()) };
        let mut policy = format!("{line}\n");
        if denies {
            policy.push_str("p, user/alice, plc, **, *, , allow\n");
        }
        let snapshot = fixture::snapshot(&policy, &INTERFACES);
        let (_, url) = INTERFACES.into_iter().find(|(name, _)| *name == interface).unwrap();
        let target: Target = url.parse().unwrap();
        let matched = InterfaceOperations::at(&target).matched_by(&rule);
        for (path, action) in asked {
            let subject = "user/alice".parse().unwrap();
            let device = "plc".parse().unwrap();
            let question = snapshot.question(subject, action, device, &path, None);
            let Ok(question) = question else { continue };
            if !is_asked(&target, &question.resource.path, action) {
                continue;
            }
            let opinion = snapshot.opinion(&question, now());
            let decided = match denies {
                true => opinion.refusal == Some(Refusal::DeniedByRule),
                false => opinion.permits(),
            };
            let wide = question.resource.path.is_wide()
                || snapshot.resolve(&question).aliases(&question).iter().any(Path::is_wide);
            match matched {
                Y => {}
                S => prop_assert!(!decided || wide, "{} decides {:?}", line, question),
                N => prop_assert!(!decided, "{} decides {:?}", line, question),
            }
        }
    }
}
