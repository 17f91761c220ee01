//! An identity that keeps itself fresh: renewals under traffic, the way back after sleep, and no
//! way back for whoever was revoked.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use doorward_tests::gateway::agent;
use doorward_tests::running::{Running, line, wait_until};
use doorward_tests::tools::{bin, program};
use doorward_tests::{Backend, Gateway, Kind, Ran};
use serde_json::Value;

const SHORT: &str = "[certificates]\ndevice = \"10s\"\nuser = \"10s\"\n";

fn certificates(gateway: &Gateway, device: &str) -> Vec<Value> {
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
    gateway.await_agent("thief", |seen| seen["state"]["is"] == "ended");
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

/// An agent whose identity is on a small disk of its own, and where that disk is seen from here.
fn on_a_small_disk(gateway: &Gateway, who: &str, config: &str) -> (Running, PathBuf) {
    let (dir, file) = (gateway.dir().join("disk"), gateway.dir().join("small.toml"));
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new(program("unshare"));
    command.args(["--user", "--map-root-user", "--mount", "bash", "-euc"]);
    command.arg(
        "mount -t tmpfs -o size=256k,mode=700 none \"$2\"; cp \"$3\"/* \"$2\"
         exec \"$1/doorward-agent\" run --dir \"$2\" --config \"$4\"",
    );
    command.args([Path::new("bash"), bin(), &dir, &gateway.identity(who), &file]);
    let mut running = Running::start(&mut command, gateway.dir().join("small.log"));
    // unshare, bash and the agent are one process, one after the other.
    let disk = Path::new("/proc").join(running.child().id().to_string()).join("root");
    let disk = disk.join(dir.strip_prefix("/").unwrap());
    wait_until("the agent on the small disk", || disk.join("agent.sock").exists());
    (running, disk)
}

/// What the agent with its identity in that directory says.
fn told(dir: &Path) -> Value {
    let mut command = agent();
    command.args(["status", "--json", "--dir"]).arg(dir);
    Ran::of(command.output().unwrap()).json()["agent"].clone()
}

#[test]
fn a_full_disk_keeps_the_identity_as_it_is_until_there_is_room() {
    let gateway = Gateway::with("[certificates]\ndevice = \"30s\"\n");
    gateway.enrol("device/plc", &[]);
    gateway.enrol("user/alice", &["--role", "operator"]);
    gateway.owner(&["interface", "add", "plc/echo", "agent:echo"]);
    let config = "[interfaces.echo]\nurl = \"process:/bin/cat\"\n";
    let (_agent, disk) = on_a_small_disk(&gateway, "plc", config);
    wait_until("the offer", || told(&disk)["offers"]["echo"]["taken"] == true);
    let session = told(&disk)["state"]["session"].clone();
    let serial = certificates(&gateway, "plc")[0]["serial"].clone();
    let lives = || {
        let shown = certificates(&gateway, "plc");
        shown.iter().any(|one| one["serial"] == serial && one["state"] == "live")
    };
    let mut flow = gateway.connected("alice", "plc/echo", &[]);
    let (mut got, mut input) = (flow.output(), flow.input());
    let mut goes_on = |word: &str| {
        writeln!(input, "{word}").unwrap();
        assert_eq!(line(&mut got), word);
    };
    goes_on("while there is room");
    let file = |name: &str| std::fs::read(disk.join(name)).unwrap();
    let before = (file("key.pem"), file("cert.pem"));

    let ballast = disk.join("ballast");
    let full = std::fs::write(&ballast, vec![0; 1024 * 1024]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    let mut problem = String::new();
    wait_until("a renewal that fails", || {
        problem = told(&disk)["renewal_problem"].as_str().unwrap_or_default().to_owned();
        !problem.is_empty()
    });
    assert!(problem.contains("No space left on device"), "{problem}");
    assert_eq!(told(&disk)["state"]["session"], session);
    assert_eq!((file("key.pem"), file("cert.pem")), before);
    assert!(lives());
    goes_on("while there is none");

    std::fs::remove_file(&ballast).unwrap();
    wait_until("a renewal", || told(&disk)["renewal_problem"].is_null());
    assert_ne!((file("key.pem"), file("cert.pem")), before);
    // The flow outlives the certificate that it was opened with.
    wait_until("the end of that certificate", || !lives());
    goes_on("with another identity");
    assert_eq!(told(&disk)["state"]["session"], session);
}
