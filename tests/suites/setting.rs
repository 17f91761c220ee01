//! `doorward interface set`: an interface that is changed in place.

use std::io::{BufRead, Write as _};

use doorward_tests::backend::GREETING;
use doorward_tests::running::{Running, line};
use doorward_tests::{Backend, Gateway, Kind};
use serde_json::{Value, json};

/// Bob may declare interfaces on 127.0.0.5, which is called `plant`; alice may use them.
fn plant() -> Gateway {
    let gateway = Gateway::with("[dial.named]\nplant = [\"127.0.0.5/32\"]\n");
    gateway.enrol("user/bob", &[]);
    gateway.enrol("user/mona", &[]);
    gateway.enrol("user/alice", &["--role", "operator"]);
    gateway.rules(
        "p, user/bob, gateway, interfaces/**, *, , allow\n\
         p, user/bob, gateway, networks/plant, create, , allow\n\
         p, user/mona, gateway, interfaces/**, read|update|delete, , allow\n\
         p, user/mona, gateway, networks/**, create, , allow",
    );
    gateway
}

fn listed(gateway: &Gateway, name: &str) -> Value {
    let listed = gateway.owner_json(&["interface", "list"]);
    let found = listed.as_array().unwrap().iter().find(|one| one["name"] == name);
    found.unwrap_or_else(|| panic!("{name} is declared: {listed}")).clone()
}

/// A flow of alice that has had its greeting, and what comes next on it.
fn flow(gateway: &Gateway, interface: &str) -> (Running, impl BufRead) {
    let mut flow = gateway.connected("alice", interface, &["--stdio"]);
    let mut output = flow.output();
    assert_eq!(line(&mut output).as_bytes(), GREETING.trim_ascii_end());
    (flow, output)
}

#[test]
fn an_interface_is_changed_by_those_who_may_declare_it_only() {
    let gateway = plant();
    gateway.declare("plc/modbus", "modbus://127.0.0.5:502?unit=any");
    let before = listed(&gateway, "modbus");
    let set = |who: &str, args: &[&str]| {
        gateway.run(who, &[&["interface", "set", "plc/modbus"], args].concat())
    };
    // Mona may change and remove interfaces, and not declare them.
    for args in [["--option", "tables=alias"], ["--no-option", "tables"], ["--network", "attic"]] {
        let complaint = set("mona", &args).failed();
        let right = "must allow create on gateway/interfaces/plc/modbus";
        assert!(complaint.contains(right), "{complaint}");
    }
    for (args, says) in [
        (&["modbus://127.0.0.1:502"][..], "must allow create on gateway/networks/loopback."),
        (&["--network", "loopback"], "is in the network plant, and not in loopback"),
        (&["--network", "attic"], "No network is called attic"),
        (&["gopher://127.0.0.5"], "is no interface URL"),
        (&["--option", "unit"], "write KEY=VALUE"),
        (&["--option", "unit=some"], "is no option of such an interface"),
        (&["--option", "rate=1/s"], "is no option of such an interface"),
        (&["--no-option", "tables"], "it has unit"),
        (&["--option", "unit=any", "--no-option", "unit"], "set and removed at once"),
    ] {
        let complaint = set("bob", args).failed();
        assert!(complaint.contains(says), "{args:?}: {complaint}");
    }
    assert_eq!(set("bob", &[]).status, Some(2));
    let nowhere = ["interface", "set", "plc/none", "modbus://127.0.0.5:502"];
    assert!(gateway.run("bob", &nowhere).failed().contains("none--plc"));
    assert_eq!(listed(&gateway, "modbus"), before);

    set("bob", &["--option", "tables=alias", "--no-option", "unit"]).ok();
    assert_eq!(listed(&gateway, "modbus")["url"], "modbus://127.0.0.5:502?tables=alias");
    let said = set("bob", &["modbus://127.0.0.5:503", "--option", "audit=sync"]).ok();
    assert!(said.contains("leads to modbus://127.0.0.5:503?audit=sync now"), "{said}");
    assert_eq!(listed(&gateway, "modbus")["network"], "plant");
    gateway.await_record("the change", |record| {
        record["event"] == "request"
            && record["subject"] == "user/bob"
            && record["path"] == "interfaces/plc/modbus"
            && record["detail"] == "set modbus://127.0.0.5:503?audit=sync"
    });
    // The owner may lead it into another network.
    gateway.owner(&["interface", "set", "plc/modbus", "modbus://127.0.0.1:502"]);
    assert_eq!(listed(&gateway, "modbus")["network"], "loopback");
}

#[test]
fn an_interface_that_is_off_stays_off_and_setting_the_same_changes_nothing() {
    let gateway = plant();
    gateway.declare("plc/web", "http://127.0.0.5:80?rate=10/s&query=off");
    gateway.owner(&["interface", "disable", "plc/web"]);
    let set =
        |args: &[&str]| gateway.owner_json(&[&["interface", "set", "plc/web"], args].concat());
    let answer = set(&["--option", "rate=5/s"]);
    assert_eq!((&answer["changed"], &answer["ended"]), (&json!(true), &json!(0)));
    assert_eq!(answer["url"], "http://127.0.0.5:80?rate=5/s&query=off");
    assert_eq!(listed(&gateway, "web")["enabled"], false, "{answer}");
    for same in [
        &["--option", "rate=5/s"][..],
        &["http://127.0.0.5:80?query=off&rate=5/s"],
        &["--network", "plant"],
    ] {
        let again = set(same);
        assert_eq!((&again["changed"], &again["epoch"]), (&json!(false), &answer["epoch"]));
    }
    let said = gateway.owner(&["interface", "set", "plc/web", "--option", "rate=5/s"]);
    assert!(said.contains("already; nothing was changed"), "{said}");
}

#[test]
fn flows_end_where_the_interface_leads_elsewhere_and_nowhere_else() {
    let gateway = plant();
    let (first, second) = (Backend::tcp(Kind::Echo), Backend::tcp(Kind::Echo));
    gateway.declare("plc/tcp", first.url());
    gateway.declare("plc/other", first.url());
    let (mut ends, _output) = flow(&gateway, "plc/tcp");
    let (mut stays, mut output) = flow(&gateway, "plc/other");
    let same = gateway.owner_json(&["interface", "set", "plc/tcp", first.url()]);
    assert_eq!((&same["changed"], &same["ended"]), (&json!(false), &json!(0)));
    assert!(ends.runs());

    let changed = gateway.owner_json(&["interface", "set", "plc/tcp", second.url()]);
    assert_eq!((&changed["changed"], &changed["ended"]), (&json!(true), &json!(1)));
    assert_eq!(ends.ended(), Some(1), "{}", ends.complaint());
    gateway.await_record("the end of the flow", |record| {
        record["event"] == "flow-end"
            && record["path"] == "tcp"
            && record["outcome"] == "cut"
            && record["reason"] == "interface-changed"
    });
    // The rules go by the name, so alice still reaches it: where it leads now.
    let (before, _) = second.saw();
    drop(flow(&gateway, "plc/tcp"));
    assert_eq!(second.saw().0, before + 1);
    stays.input().write_all(b"still here\n").unwrap();
    assert_eq!(line(&mut output), "still here");
}
