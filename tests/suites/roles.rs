//! Devices hold roles as users do.

use std::io::BufRead;

use doorward_tests::backend::GREETING;
use doorward_tests::running::{Running, line};
use doorward_tests::{Backend, Gateway, Kind};
use serde_json::{Value, json};

const RULE: &str = "p, role/sensors, hub, tcp, connect, , allow";

/// A flow of a device that has had its greeting, and what comes next on it.
fn flow(gateway: &Gateway, device: &str) -> (Running, impl BufRead) {
    let mut flow = gateway.connected(device, "hub/tcp", &["--stdio"]);
    let mut output = flow.output();
    assert_eq!(line(&mut output).as_bytes(), GREETING.trim_ascii_end());
    (flow, output)
}

/// A hub that whoever has `role/sensors` may reach.
fn world() -> (Gateway, Backend) {
    let (gateway, backend) = (Gateway::start(), Backend::tcp(Kind::Echo));
    gateway.declare("hub/tcp", backend.url());
    gateway.rules(RULE);
    (gateway, backend)
}

/// Has the flow end, for want of a rule.
#[track_caller]
fn is_cut(gateway: &Gateway, mut flow: Running, device: &str) {
    assert_eq!(flow.ended(), Some(1), "{}", flow.complaint());
    gateway.await_record("the end of the flow", |record| {
        record["event"] == "flow-end"
            && record["subject"] == format!("device/{device}")
            && record["reason"] == "no-rule"
    });
}

#[test]
fn a_device_acts_by_its_roles_while_it_has_them() {
    let (gateway, _backend) = world();
    gateway.enrol("device/s1", &[]);
    let check = || gateway.run("owner", &["policy", "check", "device/s1", "connect", "hub/tcp"]);
    assert_eq!(check().status, Some(3));
    let refused = gateway.connected("s1", "hub/tcp", &["--stdio"]).ended();
    assert_eq!(refused, Some(1));

    gateway.owner(&["device", "set", "s1", "--role", "sensors"]);
    assert_eq!(check().status, Some(0));
    let shown = gateway.owner_json(&["device", "show", "s1"]);
    assert_eq!(shown["roles"], json!([{"role": "role/sensors", "until": null}]));
    assert!(gateway.owner(&["device", "list"]).contains("role/sensors"));
    for review in [&["what-can", "device/s1"][..], &["who-can", "connect", "hub/tcp"]] {
        let grants = gateway.owner_json(&[&["policy"], review].concat());
        let grants = grants.as_array().unwrap().iter();
        let mut own = grants.filter(|grant| grant["subject"] == "device/s1");
        assert_eq!(own.next().unwrap()["via"], json!(["role/sensors"]), "{review:?}");
    }
    let (first, _output) = flow(&gateway, "s1");
    gateway.owner(&["device", "set", "s1", "--no-role", "sensors"]);
    is_cut(&gateway, first, "s1");
    assert_eq!(check().status, Some(3));

    // A role that ends takes its flows with it.
    gateway.owner(&["device", "set", "s1", "--role", "sensors", "--until", "20s"]);
    let until = gateway.owner_json(&["device", "show", "s1"])["roles"][0]["until"].clone();
    assert!(until.is_string(), "{until}");
    let (second, _output) = flow(&gateway, "s1");
    is_cut(&gateway, second, "s1");
    gateway.await_record("the grant", |record| {
        let detail = record["detail"].as_str().unwrap_or_default();
        detail.starts_with("grant role/sensors until 20")
    });
}

#[test]
fn a_new_device_may_have_roles_at_once_and_loses_them_with_its_name() {
    let (gateway, _backend) = world();
    gateway.enrol("device/s1", &["--role", "sensors", "--until", "1h"]);
    let (first, _output) = flow(&gateway, "s1");
    gateway.owner(&["device", "remove", "s1"]);
    let mut first = first;
    assert_eq!(first.ended(), Some(1), "{}", first.complaint());
    gateway.enrol("device/s1", &[]);
    assert_eq!(gateway.owner_json(&["device", "show", "s1"])["roles"], json!([]));
    let again = ["policy", "check", "device/s1", "connect", "hub/tcp"];
    assert_eq!(gateway.run("owner", &again).status, Some(3));
    let said = gateway.run("owner", &["device", "add", "lamp", "--agentless", "--role", "sensors"]);
    assert!(said.err.contains("device/lamp has no agent"), "{said:?}");
    assert_eq!(gateway.run("owner", &["device", "add", "x", "--until", "1h"]).status, Some(2));
}

#[test]
fn a_role_is_given_to_a_device_by_those_who_may_give_it_to_anybody() {
    let (gateway, _backend) = world();
    gateway.enrol("user/ada", &["--role", "administrator"]);
    gateway.enrol("user/dora", &[]);
    gateway.rules(&format!(
        "{RULE}\n\
         p, user/dora, gateway, devices/**, *, , allow\n\
         p, user/dora, gateway, groups/**, *, , allow"
    ));
    gateway.owner(&["device", "add", "s1"]);
    for (who, args, right) in [
        (
            "dora",
            &["device", "add", "s2", "--role", "sensors"][..],
            "create on gateway/roles/sensors",
        ),
        ("dora", &["device", "set", "s1", "--role", "sensors"], "create on gateway/roles/sensors"),
        (
            "dora",
            &["device", "set", "s1", "--no-role", "sensors"],
            "delete on gateway/roles/sensors",
        ),
        ("ada", &["device", "set", "s1", "--role", "owner"], "create on gateway/roles/owner"),
        ("ada", &["device", "add", "s2", "--role", "owner"], "create on gateway/roles/owner"),
    ] {
        let complaint = gateway.run(who, args).failed();
        assert!(complaint.contains(&format!("must allow {right}")), "{args:?}: {complaint}");
    }
    let shown = |name: &str| gateway.owner_json(&["device", "show", name])["roles"].clone();
    assert_eq!(shown("s1"), json!([]));
    assert_eq!(gateway.owner_json(&["device", "list"]).as_array().map(Vec::len), Some(2));

    gateway.owner(&["device", "set", "s1", "--role", "sensors"]);
    // Whoever makes an identity for it could act by its role.
    for args in [
        &["device", "code", "s1"][..],
        &["device", "enable", "s1"],
        &["device", "disable", "s1"],
        &["device", "revoke", "s1"],
        &["device", "remove", "s1"],
    ] {
        let complaint = gateway.run("dora", args).failed();
        assert!(complaint.contains("on gateway/roles/sensors"), "{args:?}: {complaint}");
    }
    gateway.owner(&["device", "set", "s1", "--no-role", "sensors"]);
    let code = gateway.run("dora", &["device", "code", "s1", "--json"]).json();
    assert!(matches!(code["code"], Value::String(_)));
}
