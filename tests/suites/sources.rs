//! Where a session comes from is what its connection has proven, not what its last packet says.

use std::process::Command;

use doorward_tests::gateway::Ran;
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
