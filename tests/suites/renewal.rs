//! An identity that keeps itself fresh: renewals under traffic, the way back after sleep, and no
//! way back for whoever was revoked.

use std::io::Write as _;

use doorward_tests::running::{line, wait_until};
use doorward_tests::{Backend, Gateway, Kind};

const SHORT: &str = "[certificates]\ndevice = \"10s\"\nuser = \"10s\"\n";

fn certificates(gateway: &Gateway, device: &str) -> Vec<serde_json::Value> {
    let shown = gateway.owner_json(&["device", "show", device]);
    shown["certificates"].as_array().unwrap().clone()
}

#[test]
fn five_renewals_under_traffic_drop_no_flow() {
    // People's certificates are long here, so that the flow lives by the device's.
    let gateway = Gateway::with("[certificates]\ndevice = \"10s\"\n");
    gateway.enrol("device/plc", &[]);
    gateway.enrol("device/pump", &[]);
    gateway.rules("p, device/pump, plc, **, connect, , allow");
    gateway.owner(&["interface", "add", "plc/echo", "agent:echo"]);
    let backend = Backend::tcp(Kind::Echo);
    let config = format!("[interfaces.echo]\nurl = \"{}\"\n", backend.url());
    let _agent = gateway.agent("plc", &config);
    // Both ends of the flow are devices, and both certificates end again and again.
    let mut flow = gateway.connected("pump", "plc/echo", &[]);
    let (mut got, mut input) = (flow.output(), flow.input());
    assert!(!line(&mut got).is_empty());
    let mut count = 0;
    let mut exchange = |got: &mut dyn std::io::BufRead| {
        count += 1;
        input.write_all(format!("{count}\n").as_bytes()).unwrap();
        let mut back = String::new();
        got.read_line(&mut back).unwrap();
        assert_eq!(back.trim(), count.to_string());
    };
    for device in ["plc", "pump"] {
        wait_until("five renewals", || {
            exchange(&mut got);
            certificates(&gateway, device).len() >= 6
        });
    }
    exchange(&mut got);
    assert!(flow.runs());
    let dropped = gateway
        .audit()
        .into_iter()
        .find(|record| record["event"] == "flow-end" && record["path"] == "echo");
    assert_eq!(dropped, None);
}

#[test]
fn whoever_slept_comes_back_and_whoever_was_revoked_does_not() {
    let gateway = Gateway::with(SHORT);
    for device in ["sleeper", "thief"] {
        gateway.enrol(&format!("device/{device}"), &[]);
    }
    let ended =
        |device: &str| certificates(&gateway, device).iter().all(|one| one["state"] != "live");
    wait_until("the ends of the certificates", || ended("sleeper") && ended("thief"));
    gateway.owner(&["device", "revoke", "thief"]);

    let _sleeper = gateway.agent("sleeper", "");
    assert!(!ended("sleeper"));
    let recovered = gateway.await_record("the recovery", |record| {
        record["event"] == "issued" && record["door"] == "recover"
    });
    assert_eq!(recovered["subject"], "device/sleeper");

    let mut thief = gateway.start_agent("thief", "");
    gateway.await_agent("thief", |seen| seen["state"]["is"] == "waiting");
    assert!(thief.runs());
    assert!(ended("thief"));
    let issued = gateway
        .audit()
        .into_iter()
        .filter(|record| record["event"] == "issued" && record["subject"] == "device/thief");
    assert_eq!(issued.count(), 1, "its enrolment, and nothing after");
    thief.signal("TERM");
    assert_eq!(thief.ended(), Some(0));
}
