//! Where interfaces may lead, and who may say so: networks by name.

use std::fs;
use std::process::{Command, Stdio};

use doorward_tests::backend::GREETING;
use doorward_tests::gateway::agent;
use doorward_tests::tools::program;
use doorward_tests::{Backend, Gateway, Kind, Ran};

/// A gateway on which 127.0.0.5 is called `plant`. Bob may declare interfaces there, and alice may
/// use whatever there is.
fn plant() -> Gateway {
    let gateway = Gateway::with("[dial.named]\nplant = [\"127.0.0.5/32\"]\n");
    people(&gateway);
    gateway
}

fn people(gateway: &Gateway) {
    gateway.enrol("user/bob", &[]);
    gateway.enrol("user/alice", &["--role", "operator"]);
    gateway.rules(
        "p, user/bob, gateway, interfaces/**, *, , allow\n\
         p, user/bob, gateway, networks/plant, create, , allow\n",
    );
    gateway.owner(&["device", "add", "plc", "--agentless"]);
}

fn listed(gateway: &Gateway, name: &str) -> serde_json::Value {
    let listed = gateway.owner_json(&["interface", "list"]);
    let found = listed.as_array().unwrap().iter().find(|one| one["name"] == name);
    found.unwrap_or_else(|| panic!("{name} is declared: {listed}")).clone()
}

/// What alice gets at an interface.
fn alice(gateway: &Gateway, interface: &str) -> Ran {
    let mut command = agent();
    command.args(["connect", interface, "--stdio", "--dir"]).arg(gateway.identity("alice"));
    Ran::fed(command, b"")
}

#[test]
fn whoever_declares_an_interface_has_the_right_to_its_network() {
    let gateway = plant();
    for (url, network) in [
        ("tcp://127.0.0.1:7", "loopback"),
        ("udp://127.0.0.1:7", "loopback"),
        ("http://127.0.0.6:7", "loopback"),
        ("mqtt://[::1]:7", "loopback"),
        ("modbus://10.0.0.1:502", "private"),
        ("coap://[fd12::1]:7", "private"),
        // Spellings of another address than the one that bob may open.
        ("tcp://[::ffff:127.0.0.1]:7", "loopback"),
        ("tcp://localhost:7", "loopback"),
    ] {
        let complaint = gateway.run("bob", &["interface", "add", "plc/x", url]).failed();
        let right = format!("must allow create on gateway/networks/{network}.");
        assert!(complaint.contains(&right), "{url}: {complaint}");
    }
    // To name another network does not put an address there.
    for (url, network, says) in [
        ("tcp://127.0.0.1:7", "plant", "is in the network loopback, and not in plant"),
        ("tcp://localhost:7", "plant", "is in the network loopback, and not in plant"),
        ("tcp://127.0.0.5:7", "loopback", "is in the network plant, and not in loopback"),
        ("tcp://127.0.0.5:7", "attic", "no network is called attic"),
        ("tcp://nowhere.invalid:7", "loopback", "must allow create on gateway/networks/loopback."),
        ("agent:shell", "plant", "is reached by no network"),
    ] {
        let args = ["interface", "add", "plc/x", url, "--network", network];
        let complaint = gateway.run("bob", &args).failed();
        assert!(complaint.to_lowercase().contains(says), "{url} {network}: {complaint}");
    }
    let complaint =
        gateway.run("bob", &["interface", "add", "plc/x", "tcp://nowhere.invalid:7"]).failed();
    assert!(complaint.contains("--network NAME"), "{complaint}");
    assert_eq!(gateway.owner_json(&["interface", "list"]), serde_json::json!([]));

    for (name, url) in [("a", "tcp://127.0.0.5:7"), ("b", "modbus://[::ffff:127.0.0.5]:502")] {
        gateway.run("bob", &["interface", "add", &format!("plc/{name}"), url]).ok();
        assert_eq!(listed(&gateway, name)["network"], "plant");
    }
    let unknown = ["interface", "add", "plc/c", "tcp://nowhere.invalid:7", "--network", "plant"];
    gateway.run("bob", &unknown).ok();
    // What no network leads to is bounded by its own list, as ever.
    gateway.run("bob", &["interface", "add", "plc/d", "agent:shell"]).ok();
    assert_eq!(listed(&gateway, "d")["network"], serde_json::Value::Null);
    // What the owner has declared elsewhere, bob may turn off, and not on.
    gateway.owner(&["interface", "add", "plc/e", "tcp://127.0.0.1:7"]);
    gateway.run("bob", &["interface", "disable", "plc/e"]).ok();
    let complaint = gateway.run("bob", &["interface", "enable", "plc/e"]).failed();
    assert!(complaint.contains("create on gateway/networks/loopback."), "{complaint}");
    assert_eq!(listed(&gateway, "e")["enabled"], false);
    gateway.run("bob", &["interface", "disable", "plc/a"]).ok();
    gateway.run("bob", &["interface", "enable", "plc/a"]).ok();
    let record = gateway.await_record("the declaration", |record| {
        record["event"] == "request" && record["path"] == "interfaces/plc/a"
    });
    drop(record);
    gateway.await_record("the network", |record| {
        record["detail"] == "add a--plc tcp://127.0.0.5:7 in plant"
    });
}

#[test]
fn an_administrator_declares_what_is_private_and_the_owner_everything() {
    let gateway = Gateway::start();
    gateway.enrol("user/ada", &["--role", "administrator"]);
    gateway.run("ada", &["device", "add", "plc", "--agentless"]).ok();
    let complaint =
        gateway.run("ada", &["interface", "add", "plc/db", "tcp://127.0.0.1:5432"]).failed();
    assert!(complaint.contains("create on gateway/networks/loopback."), "{complaint}");
    gateway.run("ada", &["interface", "add", "plc/ssh", "tcp://192.168.1.20:22"]).ok();
    gateway.owner(&["interface", "add", "plc/db", "tcp://127.0.0.1:5432"]);
    assert_eq!(listed(&gateway, "ssh")["network"], "private");
    assert_eq!(listed(&gateway, "db")["network"], "loopback");
}

/// A configuration that calls a network otherwise moves the address out of the interface's.
#[test]
fn an_address_that_is_in_another_network_by_now_is_not_dialed() {
    let mut gateway = Gateway::start();
    people(&gateway);
    let backend = Backend::tcp(Kind::Echo);
    let port = backend.url().rsplit(':').next().unwrap().to_owned();
    gateway.owner(&["interface", "add", "plc/a", backend.url()]);
    gateway.owner(&["interface", "add", "plc/n", &format!("tcp://localhost:{port}")]);
    for interface in ["plc/a", "plc/n"] {
        assert_eq!(alice(&gateway, interface).out.as_bytes(), GREETING, "{interface}");
    }
    gateway.stop();
    gateway.configure("[dial.named]\nplant = [\"127.0.0.0/8\", \"::1/128\"]\n");
    gateway.serve();
    for interface in ["plc/a", "plc/n"] {
        let ran = alice(&gateway, interface);
        assert_eq!((ran.status, &*ran.out), (Some(1), ""), "{interface}: {ran:?}");
        let name = interface.strip_prefix("plc/").unwrap();
        gateway.await_record("what was not dialed", |record| {
            record["event"] == "flow-end"
                && record["path"] == name
                && record["reason"] == "backend-in-other-network"
        });
    }
    let warnings = listed(&gateway, "a")["warnings"].to_string();
    assert!(warnings.contains("is in the network plant"), "{warnings}");
    assert_eq!(backend.saw().0, 2);
    // Declared again, it is in the network that it is in now.
    gateway.run("bob", &["interface", "remove", "plc/a"]).ok();
    gateway.run("bob", &["interface", "add", "plc/a", backend.url()]).ok();
    assert_eq!(alice(&gateway, "plc/a").out.as_bytes(), GREETING);
}

/// A name that resolves into another network after it was declared is not dialed there.
#[test]
fn a_name_that_leads_elsewhere_by_now_is_not_dialed() {
    let mut gateway = Gateway::unclaimed("[dial.named]\nplant = [\"127.0.0.5/32\"]\n");
    let (hosts, names) = (gateway.dir().join("hosts"), gateway.dir().join("nsswitch"));
    let points_at = |addresses: &[&str]| {
        let line = |address: &&str| format!("{address} press.test\n");
        fs::write(&hosts, addresses.iter().map(line).collect::<String>()).unwrap();
    };
    points_at(&["127.0.0.5"]);
    fs::write(&names, "hosts: files\n").unwrap();
    // In mounts of its own, whose /etc/hosts is ours.
    let script = "mount --bind \"$1\" /etc/hosts && mount --bind \"$2\" /etc/nsswitch.conf \
                  && shift 2 && exec \"$@\"";
    let inner = gateway.serve_command();
    let mut command = Command::new(program("unshare"));
    command.arg("-m");
    if !rustix::process::geteuid().is_root() {
        command.args(["-r"]);
    }
    command.args(["sh", "-c", script, "sh"]).arg(&hosts).arg(&names).arg(inner.get_program());
    command.args(inner.get_args()).stdin(Stdio::null());
    gateway.serve_by(command);
    gateway.claim();
    people(&gateway);
    let backend = Backend::at("127.0.0.5", Kind::Echo);
    let other = Backend::at("127.0.0.1", Kind::Echo);
    let port = |backend: &Backend| backend.url().rsplit(':').next().unwrap().to_owned();
    let url = |backend: &Backend| format!("tcp://press.test:{}", port(backend));
    gateway.run("bob", &["interface", "add", "plc/a", &url(&backend)]).ok();
    gateway.run("bob", &["interface", "add", "plc/b", &url(&other)]).ok();
    assert_eq!(alice(&gateway, "plc/a").out.as_bytes(), GREETING);

    points_at(&["127.0.0.1"]);
    let ran = alice(&gateway, "plc/b");
    assert_eq!((ran.status, &*ran.out), (Some(1), ""), "{ran:?}");
    assert_eq!(other.saw().0, 0, "nothing was dialed there");
    gateway.await_record("what was not dialed", |record| {
        record["event"] == "flow-end" && record["reason"] == "backend-in-other-network"
    });
    // Nor is it declared so; and where there are two, only the one that is in the network counts.
    let add = |name: &str| gateway.run("bob", &["interface", "add", name, &url(&other)]);
    assert!(add("plc/c").failed().contains("create on gateway/networks/loopback."));
    points_at(&["127.0.0.1", "127.0.0.5"]);
    let complaint = add("plc/c").failed();
    assert!(complaint.contains("several networks (loopback, plant)"), "{complaint}");
    assert_eq!(alice(&gateway, "plc/a").out.as_bytes(), GREETING);
    assert_eq!(other.saw().0, 0, "nothing was dialed there");
}
