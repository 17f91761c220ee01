//! Explanations on the built program: the narrowest change comes first, and does what it says.

use doorward_tests::Gateway;
use serde_json::{Value, json};

/// A house with a PLC, a camera and a visitor, whose role ended in 2027.
fn house() -> Gateway {
    let gateway = Gateway::start();
    gateway.declare("plc/modbus", "modbus://127.0.0.1:502");
    gateway.declare("cam/web", "http://127.0.0.1:80");
    gateway.owner(&["user", "add", "victor"]);
    gateway.owner(&["user", "set", "victor", "--role", "visitor", "--until", ENDED]);
    gateway.owner(&["user", "add", "nora", "--role", "night"]);
    gateway.rules(
        "p, role/operator, plc, **, *, , allow\n\
         p, role/operator, cam, **, *, , allow\n\
         p, role/visitor, cam, web/live/**, get, , allow\n\
         p, role/reader, plc, modbus/1/holding/0-99, read, , allow\n\
         p, role/night, plc, modbus/**, read, time=22:00-06:00 UTC, allow\n\
         p, role/night, cam, web/**, get, from=10.0.0.0/8, allow",
    );
    gateway
}

const ENDED: &str = "2027-01-04T15:24:00Z";

/// The line of the first rule in `policy.csv` that begins so.
fn line(gateway: &Gateway, begin: &str) -> usize {
    let bundle = gateway.owner_json(&["policy", "show"]);
    let mut rules = bundle["policy"].as_str().unwrap().lines();
    rules.position(|line| line.starts_with(begin)).unwrap() + 1
}

fn explain(gateway: &Gateway, question: &str, more: &[&str]) -> Value {
    let question: Vec<&str> = question.split(' ').collect();
    gateway.owner_json(&[&["policy", "explain"], &question[..], more].concat())
}

fn texts(explained: &Value) -> Vec<&str> {
    let remedies = explained["remedies"].as_array().unwrap();
    remedies.iter().map(|remedy| remedy["text"].as_str().unwrap()).collect()
}

#[test]
fn the_narrowest_change_comes_first() {
    let gateway = house();
    let noon = ["--at", "2027-01-05T12:00:00Z"];
    let read = "user/victor read plc/modbus/1/holding/0-9";
    // A rule for exactly this, and a role that grants little more; never the one that may do all.
    let exact = "add to policy.csv: p, user/victor, plc, modbus/1/holding/0-9, read, , allow";
    let explained = explain(&gateway, read, &noon);
    let reader = "doorward user set victor --role reader (it opens 1 grant)";
    assert_eq!(texts(&explained), [exact, reader], "{explained}");
    assert_eq!(explained["change"], exact);
    let opens = &explained["remedies"][1]["opens"]["first"][0];
    assert_eq!(
        (&opens["interface"], &opens["operand"]),
        (&json!("plc/modbus"), &json!("1/holding/0-99"))
    );
    // It ends when the asker says.
    let until =
        explain(&gateway, read, &[&noon[..], &["--until", "2027-01-05T14:00:00Z"]].concat());
    let ending = exact.replace("read, ,", "read, until=2027-01-05T14:00:00Z,");
    assert_eq!(until["change"], ending);
    assert_eq!(
        texts(&until)[1],
        "doorward user set victor --role reader --until 2027-01-05T14:00:00Z (it opens 1 grant)"
    );

    // A role that has ended.
    let explained = explain(&gateway, "user/victor get cam/web/live/now", &noon);
    assert_eq!(
        explained["change"],
        format!(
            "role/visitor ended at {ENDED}: doorward user set victor --role visitor \
                 --until 2027-01-05T14:00:00Z (it opens 1 grant)"
        )
    );

    // Hours, and an address.
    let night = line(&gateway, "p, role/night, plc");
    let explained = explain(&gateway, "user/nora read plc/modbus/1/coil/7", &noon);
    let wait = format!("wait until 2027-01-05T22:00:00Z: policy.csv:{night} allows it then");
    assert_eq!(explained["change"], wait);
    assert_eq!(
        explained["remedies"][0]["steps"],
        json!([{"do": "wait", "until": "2027-01-05T22:00:00Z"}])
    );
    let inside = line(&gateway, "p, role/night, cam");
    let explained = explain(&gateway, "user/nora get cam/web/", &["--from", "192.0.2.1"]);
    assert_eq!(
        (&explained["refusal"], &explained["change"]),
        (
            &json!("conditions"),
            &json!(format!(
                "ask from 10.0.0.0/8, such as 10.0.0.1: policy.csv:{inside} allows it only from there"
            ))
        )
    );

    // What is switched off, and what an HTTP path is no part of.
    gateway.owner(&["interface", "disable", "cam/web"]);
    let explained = explain(&gateway, "user/owner get cam/web/live/now", &[]);
    assert!(texts(&explained)[0].starts_with("doorward interface enable cam/web"), "{explained}");
    let explained = explain(&gateway, "user/owner get cam/door/live/now", &[]);
    assert_eq!(explained["change"], "doorward interface add cam/door URL, then ask again");
}

#[test]
fn what_is_recommended_does_what_it_says() {
    let gateway = house();
    let read = "user/victor read plc/modbus/1/holding/0-9";
    let explained = explain(&gateway, read, &[]);
    let rule = explained["remedies"][0]["steps"][0]["rule"].as_str().unwrap();
    let former = gateway.owner_json(&["policy", "show"])["policy"].as_str().unwrap().to_owned();
    gateway.rules(&format!("{former}\n{rule}"));
    assert_eq!(explain(&gateway, read, &[])["permit"], true);
    let shown = gateway.owner(&[
        "policy",
        "explain",
        "user/nora",
        "read",
        "plc/modbus/1/coil/7",
        "--at",
        "2027-01-05T12:00:00Z",
    ]);
    assert!(shown.contains("to allow it  wait until 2027-01-05T22:00:00Z"), "{shown}");
    assert!(
        shown.contains(
            "or           add to policy.csv: p, user/nora, plc, modbus/1/coil/7, read, , allow"
        ),
        "{shown}"
    );
}
