//! Devices and people whose networks are not still: behind an address translation, over QUIC and
//! over TLS where UDP is dropped; with addresses that change; and with lines that are cut.
//! Everything in network namespaces of the tests' own.

use std::process::Command;

use doorward_tests::gateway::Ran;
use doorward_tests::tools::{bin, program, python, script};

/// What a script of `tests/clients` tells of its world, line by line.
#[track_caller]
fn tells(name: &str, expected: &[impl AsRef<str>]) {
    let dir = tempfile::Builder::new().prefix("doorward-net-").tempdir().unwrap();
    for needed in ["ip", "nft", "sysctl"] {
        program(needed);
    }
    let mut command = Command::new(program("unshare"));
    command.args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    command.args(["--user", "--map-root-user", "bash"]).arg(script(name));
    command.arg(bin()).arg(dir.path()).arg(python());
    let ran = Ran::of(command.output().unwrap());
    let log = |name| std::fs::read_to_string(dir.path().join(name)).unwrap_or_default();
    let logs = || format!("{}\n{}", log("gateway.err"), log("agent.err"));
    assert_eq!(ran.status, Some(0), "{ran:?}\n{}", logs());
    let lines: Vec<&str> = ran.out.lines().collect();
    let expected: Vec<&str> = expected.iter().map(AsRef::as_ref).collect();
    assert_eq!(lines, expected, "{}\n{}", ran.err, logs());
}

#[test]
fn a_device_behind_a_translation_is_reached_by_quic_and_by_tls() {
    let mut expected = vec![
        "the gateway has no route to the device".to_owned(),
        "the agent is connected by quic".to_owned(),
    ];
    let tour = |by: &str| {
        ["tcp", "udp", "sock", "line"].map(|interface| {
            [
                format!("{by} alice {interface}: through the gateway"),
                format!("{by} mallory {interface}: refused 1"),
            ]
        })
    };
    expected.extend(tour("quic").into_iter().flatten());
    expected.push("the gateway sees the device by quic".to_owned());
    expected.push("without UDP the agent is connected by tls".to_owned());
    expected.extend(tour("tls").into_iter().flatten());
    tells("namespaces.sh", &expected);
}

#[test]
fn a_gateway_that_chooses_its_port_finds_the_one_that_is_free_over_udp() {
    tells(
        "ports.sh",
        &[
            "it listens at 127.0.0.1:40005",
            "no port of 127.0.0.1 is free; stop programs that listen, or choose a port with \
             --listen ADDRESS:PORT",
        ],
    );
}

#[test]
fn whoever_moves_keeps_the_flows_that_are_not_bound_to_a_network() {
    tells(
        "moving.sh",
        &[
            "free: before",
            "bound: before",
            "device/plc: 1 10.1.0.2, 1 begun",
            "free: the device has moved",
            "bound: and goes on",
            "its agent noticed nothing of it",
            "device/plc: 1 10.2.0.2, 1 begun",
            "user/alice: 2 10.3.0.2, 2 begun",
            "free: alice has moved",
            "bound ended with 1",
            "user/alice: 1 10.4.0.2, 2 begun",
            "the flow to bound ended: conditions",
            "bound again ended with 1",
            "free: still here",
        ],
    );
}

#[test]
fn a_short_outage_loses_nothing_and_after_a_long_one_the_agent_is_back_by_itself() {
    tells(
        "outage.sh",
        &[
            "short: before",
            "after a short while, what was said meanwhile has come back up to 20000",
            "the agent has the session that it had",
            "the agent is waiting",
            "not connected: timed out",
            "the flow ended with 1",
            "meanwhile, another ended with 1: could not be reached",
            "afterwards the agent is up",
            "by another session",
            "by the same identity",
            "again: as before",
        ],
    );
}
