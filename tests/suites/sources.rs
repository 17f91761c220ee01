//! Where a session comes from is what its connection has proven, not what its last packet says.

use std::process::Command;

use doorward_tests::gateway::{Ran, agent};
use doorward_tests::tools::{python, script};
use doorward_tests::{Backend, Gateway, Kind};
use serde_json::Value;

fn forges(gateway: &Gateway, text: &str, source: &str) -> Value {
    let mut command = Command::new(python());
    command.arg(script("forged.py")).arg(gateway.identity("alice")).args(["plc/tcp", text, source]);
    Ran::of(command.output().unwrap()).json()
}

/// Whoever forges a source within the network is judged by where they are, and so is whoever
/// forges one outside of a network that is denied.
#[test]
fn a_forged_source_opens_nothing() {
    for (rules, name) in [
        ("p, user/alice, plc, tcp, connect, from=127.0.0.9/32, allow", "allowed from elsewhere"),
        (
            "p, user/alice, plc, tcp, connect, , allow\n\
             p, user/alice, plc, tcp, connect, from=127.0.0.1/32, deny",
            "denied from here",
        ),
    ] {
        let gateway = Gateway::start();
        let backend = Backend::tcp(Kind::Count);
        gateway.declare("plc/tcp", backend.url());
        gateway.enrol("user/alice", &[]);
        gateway.rules(rules);
        let said = forges(&gateway, "FORGED", "127.0.0.9");
        assert_eq!(said["shaken"], true, "{name}: {said}");
        assert_eq!(backend.saw(), (0, 0), "{name}: {said}");
        assert_eq!(said["answer"], 22, "{name}: refused, and told so at its own address: {said}");
        let refused = gateway.await_record("the refusal", |one| one["event"] == "flow-refused");
        let from = refused["source"].as_str().unwrap();
        assert!(from.starts_with("127.0.0.1:"), "{name}: {refused}");
    }
}

/// Whoever is where a rule wants them, and has their packets claim that they come from elsewhere, is
/// known to be there only as long as they prove it; and no record names the forged address.
#[test]
fn no_record_names_a_forged_source() {
    let gateway = Gateway::start();
    let backend = Backend::tcp(Kind::Count);
    gateway.declare("plc/tcp", backend.url());
    gateway.enrol("user/alice", &[]);
    gateway.rules("p, user/alice, plc, tcp, connect, from=127.0.0.1/32, allow");
    let said = forges(&gateway, "HONEST", "127.0.0.9");
    assert_eq!(said["shaken"], true, "{said}");
    let opened = gateway.await_record("the flow", |one| one["event"] == "flow-open");
    assert!(opened["source"].as_str().unwrap().starts_with("127.0.0.1:"), "{opened}");
    gateway.await_record("the end", |one| one["event"] == "flow-end");
    let all = gateway.audit();
    assert!(all.iter().all(|one| !one.to_string().contains("127.0.0.9")), "{all:#?}");
}

/// A flow that is refused because a condition does not hold has that reason on record, with the
/// rules, at an interface of any protocol. So a person learns that another place or time would do.
#[test]
fn a_condition_that_does_not_hold_is_the_reason_on_record() {
    let gateway = Gateway::start();
    gateway.enrol("user/alice", &[]);
    let interfaces = [("tcp", "connect"), ("http", "get"), ("mqtt", "connect"), ("modbus", "read")];
    for (protocol, _) in interfaces {
        gateway.declare(&format!("box/{protocol}"), &format!("{protocol}://127.0.0.1:9"));
    }
    let refused = |interface: &str| {
        let before = gateway.audit().len();
        let mut command = agent();
        command.args(["connect", &format!("box/{interface}"), "--stdio", "--dir"]);
        command.arg(gateway.identity("alice"));
        let ran = Ran::fed(command, b"");
        assert_eq!(ran.status, Some(1), "{interface}: {ran:?}");
        let is_it = |one: &Value| {
            one["event"] == "flow-refused" && one["path"] == interface && one["device"] == "box"
        };
        gateway.await_record("the refusal", |one| is_it(one) && gateway.audit().len() > before)
    };
    let rules = |when: &str| {
        let rule = |(name, action): (&str, &str)| {
            let path = if action == "connect" { name.to_owned() } else { format!("{name}/**") };
            format!("p, user/alice, box, {path}, {action}, {when}, allow\n")
        };
        gateway.rules(&interfaces.map(rule).concat());
    };
    for (interface, _) in interfaces {
        assert_eq!(refused(interface)["reason"], "no-rule", "{interface}");
    }
    for (when, reason) in [
        ("from=10.0.0.0/8", "conditions"),
        ("until=2020-01-01T00:00:00Z", "outside-time"),
        ("after=2100-01-01T00:00:00Z; from=127.0.0.0/8", "outside-time"),
        ("after=2100-01-01T00:00:00Z; from=10.0.0.0/8", "conditions"),
    ] {
        rules(when);
        for (interface, action) in interfaces {
            let record = refused(interface);
            assert_eq!(record["reason"], reason, "{interface}, {when}: {record}");
            let line = record["rules"][0].as_u64().expect("the rule");
            let shown = gateway.owner_json(&["policy", "show"]);
            let text = shown["policy"].as_str().unwrap().lines().nth(line as usize - 1).unwrap();
            assert!(text.contains(&format!("box, {interface}")), "{text}");
            // The same is said to whoever asks about it.
            let resource = match interface {
                "http" => "box/http/a",
                "modbus" => "box/modbus/1/holding/0",
                other => &format!("box/{other}"),
            };
            let asked =
                ["policy", "explain", "user/alice", action, resource, "--from", "127.0.0.1"];
            assert_eq!(gateway.owner_json(&asked)["refusal"], reason, "{interface}, {when}");
        }
    }
}
