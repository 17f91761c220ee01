//! Programs behind interfaces: nothing that one has started outlives the flow that it ran for,
//! however that ends, at the gateway and at a device's agent.

use std::io::BufReader;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::ChildStdout;

use doorward_tests::Gateway;
use doorward_tests::running::{Patient, Running, line, wait_until};
use serde_json::json;

/// Says the numbers of three processes: itself, one in a session of its own, and an orphan in a
/// session of its own that has nothing of its parents and ignores what it can.
const SCRIPT: &str = "echo $$\n\
     setsid sh -c 'echo $$; exec sleep 1000' &\n\
     (env -i setsid sh -c 'trap \"\" HUP TERM INT; echo $$; exec sleep 1000 </dev/null >/dev/null 2>&1' &)\n\
     cat\n";

fn runs(id: &str) -> bool {
    Path::new("/proc").join(id).exists()
}

/// A URL of a program that runs the script. The file is named, since a shell is none that a
/// configuration should allow.
fn program(gateway: &Gateway) -> String {
    let path = gateway.dir().canonicalize().unwrap().join("escapes");
    std::fs::write(&path, format!("#!/bin/sh\n{SCRIPT}")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("process:{}", path.display())
}

/// A client that stays connected, with the end of its output that is read.
struct Flow {
    _client: Running,
    _output: BufReader<Patient<ChildStdout>>,
}

/// Connects, and waits for the numbers of the three processes.
fn connected(gateway: &Gateway, interface: &str) -> (Flow, Vec<String>) {
    let mut client = gateway.connected("alice", interface, &[]);
    let mut output = client.output();
    let found: Vec<String> = (0..3).map(|_| line(&mut output)).collect();
    assert!(found.iter().all(|id| runs(id)), "{found:?}");
    (Flow { _client: client, _output: output }, found)
}

fn gone(what: &str, found: &[String]) {
    wait_until(what, || !found.iter().any(|id| runs(id)));
}

fn cut(gateway: &Gateway) {
    gateway.owner(&["user", "disable", "alice"]);
}

/// Cuts alice's flow, which is one of two, and looks at the other.
fn only_its_own(gateway: &Gateway, interface: &str) {
    let (_one, first) = connected(gateway, interface);
    let (_two, second) = connected(gateway, interface);
    let listed = gateway.owner_json(&["session", "list"]);
    let sessions = listed.as_array().unwrap().iter();
    let mine: Vec<_> = sessions.filter(|one| one["subject"] == "user/alice").collect();
    assert_eq!(mine.len(), 2, "{listed}");
    gateway.owner(&["session", "cut", mine[0]["id"].as_str().unwrap()]);
    gone("of the flow that was cut", &first);
    assert!(second.iter().all(|id| runs(id)), "the other flow goes on");
    cut(gateway);
    gone("of the other", &second);
    gateway.owner(&["user", "enable", "alice"]);
}

#[test]
fn nothing_of_a_gateways_program_outlives_its_flow() {
    let mut gateway = Gateway::unclaimed("");
    let url = program(&gateway);
    let path = url.strip_prefix("process:").unwrap();
    gateway.configure(&format!("[dial]\nprocess = [\"{path}\"]\n"));
    gateway.serve();
    gateway.claim();
    gateway.enrol("user/alice", &["--role", "operator"]);
    gateway.declare("box/tool", &url);
    only_its_own(&gateway, "box/tool");
    let record = gateway.await_record("the cut", |record| {
        record["event"] == "flow-end" && record["path"] == "tool" && record["outcome"] == "cut"
    });
    assert_eq!(record["detail"], serde_json::Value::Null, "nothing was left: {record}");
    // A gateway that is killed takes them with it.
    let (_flow, found) = connected(&gateway, "box/tool");
    gateway.kill();
    gone("of a gateway that was killed", &found);
    gateway.serve();
    let (_flow, found) = connected(&gateway, "box/tool");
    gateway.stop();
    gone("of a gateway that was stopped", &found);
}

#[test]
fn nothing_of_an_agents_program_outlives_its_flow() {
    let gateway = Gateway::start();
    gateway.enrol("device/plc", &[]);
    gateway.enrol("user/alice", &["--role", "operator"]);
    gateway.owner(&["interface", "add", "plc/tool", "agent:tool"]);
    let config = format!("[interfaces.tool]\nurl = \"{}\"\n", program(&gateway));
    let mut running = gateway.agent("plc", &config);
    let seen = gateway.agent_status("plc");
    assert_eq!(seen["agent"]["offers"]["tool"], json!({ "taken": true, "why": null }));
    only_its_own(&gateway, "plc/tool");
    let (_flow, found) = connected(&gateway, "plc/tool");
    running.child().kill().unwrap();
    running.child().wait().unwrap();
    gone("of an agent that was killed", &found);
}
