//! A device that nobody can reach, behind an address translation, reached all the same: over
//! QUIC, and over TLS where UDP is dropped. Everything in network namespaces of the test's own.

use std::process::Command;

use doorward_tests::gateway::Ran;
use doorward_tests::tools::{bin, program, python, script};

#[test]
fn a_device_behind_a_translation_is_reached_by_quic_and_by_tls() {
    let dir = tempfile::Builder::new().prefix("doorward-net-").tempdir().unwrap();
    for needed in ["ip", "nft", "sysctl"] {
        program(needed);
    }
    let mut command = Command::new(program("unshare"));
    command.args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    command.args(["--user", "--map-root-user", "bash"]).arg(script("namespaces.sh"));
    command.arg(bin()).arg(dir.path()).arg(python());
    let ran = Ran::of(command.output().unwrap());
    let log = |name| std::fs::read_to_string(dir.path().join(name)).unwrap_or_default();
    let logs = || format!("{}\n{}", log("gateway.err"), log("agent.err"));
    assert_eq!(ran.status, Some(0), "{ran:?}\n{}", logs());
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
    let lines: Vec<&str> = ran.out.lines().collect();
    assert_eq!(lines, expected, "{}\n{}", ran.err, logs());
}
