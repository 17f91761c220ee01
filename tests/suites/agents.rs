//! Devices behind their agents, and people in front of theirs: stock programs reach what a device
//! offers, and only what policy allows.

use std::io::{Read as _, Write as _};
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use doorward_tests::gateway::{Ran, agent};
use doorward_tests::port::{self, reserve};
use doorward_tests::running::{Pty, Running, line, wait_until};
use doorward_tests::tools::program;
use doorward_tests::{Backend, Gateway, Kind};
use serde_json::json;

/// A gateway with a device that may offer, somebody who may reach it, and somebody who may not.
fn world(interfaces: &[(&str, &str)]) -> Gateway {
    let gateway = Gateway::start();
    gateway.enrol("device/plc", &[]);
    for (name, url) in interfaces {
        gateway.owner(&["interface", "add", &format!("plc/{name}"), url]);
    }
    gateway.enrol("user/alice", &["--role", "operator"]);
    gateway.enrol("user/mallory", &[]);
    gateway
}

/// What somebody gets from an interface for a word, and how that ends.
fn said(gateway: &Gateway, who: &str, interface: &str, word: &str) -> Ran {
    let mut command = gateway.connect(who, interface, &[]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    // Whoever is refused may be gone before it has taken the word.
    drop(child.stdin.take().unwrap().write_all(word.as_bytes()));
    Ran::of(child.wait_with_output().unwrap())
}

fn udp_echo() -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let url = format!("udp://{}", socket.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut bytes = [0; 65536];
        while let Ok((count, from)) = socket.recv_from(&mut bytes) {
            socket.send_to(&bytes[..count], from).unwrap();
        }
    });
    url
}

#[test]
fn what_a_device_offers_is_reached_by_whoever_may() {
    let gateway = world(&[
        ("tcp", "agent:echo"),
        ("sock", "agent:sock"),
        ("udp", "udp+agent:udp"),
        ("line", "serial+agent:line?baud=19200"),
        ("program", "agent:program"),
        ("later", "agent:later"),
    ]);
    let (tcp, unix) = (Backend::tcp(Kind::Echo), Backend::unix(Kind::Echo, &gateway.sockets()));
    let mut pty = Pty::new();
    let config = format!(
        "[interfaces.echo]\nurl = \"{}\"\n[interfaces.sock]\nurl = \"{}\"\n\
         [interfaces.udp]\nurl = \"{}\"\n[interfaces.line]\nurl = \"serial:{}\"\n\
         [interfaces.program]\nurl = \"process:/bin/cat\"\n\
         [interfaces.undeclared]\nurl = \"process:/bin/cat\"\n",
        tcp.url(),
        unix.url(),
        udp_echo(),
        pty.path.display(),
    );
    // Before the agent is there, nothing is.
    let error = said(&gateway, "alice", "plc/tcp", "hello").failed();
    assert!(error.contains("could not be reached"), "{error}");

    let mut running = gateway.agent("plc", &config);
    let seen = gateway.agent_status("plc");
    assert_eq!(seen["agent"]["state"]["carrier"], "quic");
    assert_eq!(seen["agent"]["offers"]["echo"], json!({ "taken": true, "why": null }));
    let declined = &seen["agent"]["offers"]["undeclared"];
    assert_eq!(declined["taken"], false);
    assert!(declined["why"].as_str().unwrap().contains("declared"), "{declined}");

    for interface in ["tcp", "sock", "udp", "line", "program", "later"] {
        let interface = format!("plc/{interface}");
        let error = said(&gateway, "mallory", &interface, "hello").failed();
        assert!(error.contains("no such interface"), "{interface}: {error}");
    }
    assert_eq!((tcp.saw(), unix.saw()), ((0, 0), (0, 0)));

    for interface in ["plc/tcp", "plc/sock"] {
        let got = said(&gateway, "alice", interface, "hello").ok();
        assert!(got.ends_with("hello"), "{interface}: {got}");
    }
    assert_eq!(
        said(&gateway, "alice", "plc/program", "through a program").ok(),
        "through a program"
    );
    let error = said(&gateway, "alice", "plc/later", "hello").failed();
    assert!(error.contains("could not be reached"), "{error}");
    // What was offered too early is served from its declaration on.
    let early = said(&gateway, "alice", "plc/undeclared", "hello").failed();
    assert!(early.contains("no such interface"), "{early}");
    gateway.owner(&["interface", "add", "plc/undeclared", "agent:undeclared"]);
    assert_eq!(said(&gateway, "alice", "plc/undeclared", "hello").ok(), "hello");

    let mut flow = gateway.connected("alice", "plc/udp", &[]);
    let (mut got, mut input) = (flow.output(), flow.input());
    input.write_all(b"a datagram\n").unwrap();
    assert_eq!(line(&mut got), "a datagram");

    let mut flow = gateway.connected("alice", "plc/line", &[]);
    let (mut got, mut typing) = (flow.output(), flow.input());
    typing.write_all(b"on\r").unwrap();
    let mut found = [0; 3];
    pty.device.read_exact(&mut found).unwrap();
    assert_eq!((found, pty.speed()), (*b"on\r", 19200), "as the gateway declares it");
    pty.device.write_all(b"ok\n").unwrap();
    assert_eq!(line(&mut got), "ok");
    let error = said(&gateway, "alice", "plc/line", "me too").failed();
    assert!(error.contains("another flow already writes"), "{error}");
    flow.signal("TERM");
    wait_until("the line as it was", || pty.speed() == 2400);

    // The file is read again: what has changed is offered anew, and flows go on.
    let mut flow = gateway.connected("alice", "plc/tcp", &[]);
    let (mut got, mut input) = (flow.output(), flow.input());
    assert!(!line(&mut got).is_empty());
    let more = format!("{config}[interfaces.later]\nurl = \"process:/bin/echo?arg=now\"\n");
    std::fs::write(gateway.dir().join("plc.toml"), more).unwrap();
    running.signal("HUP");
    gateway.await_agent("plc", |seen| seen["offers"]["later"]["taken"] == true);
    assert_eq!(said(&gateway, "alice", "plc/later", "").ok(), "now\n");
    std::fs::write(gateway.dir().join("plc.toml"), "[interfaces.echo]\nurl = 7\n").unwrap();
    running.signal("HUP");
    wait_until("a complaint", || running.complaint().contains("plc.toml"));
    assert_eq!(said(&gateway, "alice", "plc/later", "").ok(), "now\n");
    input.write_all(b"still here\n").unwrap();
    assert_eq!(line(&mut got), "still here");

    // A right that is taken away ends the flow, at both ends.
    gateway.owner(&["user", "revoke", "alice"]);
    assert_eq!(flow.ended(), Some(1));
    running.signal("TERM");
    assert_eq!(running.ended(), Some(0));
}

/// A proxy by somebody, and what programs are given as theirs.
fn proxy(gateway: &Gateway, who: &str) -> (Running, String, u16) {
    let at = reserve();
    let mut command = agent();
    command.args(["proxy", "--listen", &at.to_string(), "--dir"]).arg(gateway.identity(who));
    let running = Running::start(&mut command, gateway.dir().join(format!("{who}-proxy.log")));
    let token = gateway.identity(who).join("proxy-token");
    wait_until("the proxy's token", || port::listens(at) && token.exists());
    let mode = std::fs::metadata(&token).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let token = std::fs::read_to_string(token).unwrap().trim().to_owned();
    (running, token, at.port())
}

#[test]
fn stock_programs_go_through_connect_and_proxy() {
    let gateway = world(&[("web", "agent:web"), ("mqtt", "agent:mqtt"), ("dns", "udp+agent:dns")]);
    let dir = gateway.dir().to_owned();
    let web = Backend::tcp(Kind::Download(1000));
    let (mqtt, dns) = (reserve(), reserve());
    let broker = dir.join("mosquitto.conf");
    std::fs::write(&broker, format!("listener {} 127.0.0.1\nallow_anonymous true\n", mqtt.port()))
        .unwrap();
    let mut mosquitto = Command::new(program("mosquitto"));
    mosquitto.arg("-c").arg(&broker);
    let _mosquitto = Running::start(&mut mosquitto, dir.join("mosquitto.log"));
    let mut dnsmasq = Command::new(program("dnsmasq"));
    let port = format!("--port={}", dns.port());
    dnsmasq.args(["--keep-in-foreground", "--no-resolv", "--no-hosts", "--conf-file=/dev/null"]);
    dnsmasq.args(["--listen-address=127.0.0.1", "--bind-interfaces", "--pid-file", &port]);
    dnsmasq.args(["--address=/answer.test/192.0.2.7", "--user=root"]);
    let _dnsmasq = Running::start(&mut dnsmasq, dir.join("dnsmasq.log"));
    wait_until("the broker", || port::listens(mqtt));
    wait_until("the resolver", || port::receives(dns));
    let config = format!(
        "[interfaces.web]\nurl = \"{}\"\n[interfaces.mqtt]\nurl = \"tcp://{mqtt}\"\n\
         [interfaces.dns]\nurl = \"udp://{dns}\"\n",
        web.url(),
    );
    let _agent = gateway.agent("plc", &config);

    let (_proxy, token, port) = proxy(&gateway, "alice");
    let curl = |proxy: &str, host: &str| {
        let mut curl = Command::new(program("curl"));
        curl.args(["-sS", "-m", "30", "--proxytunnel", "--proxy", proxy]);
        curl.arg(format!("http://{host}/"));
        Ran::of(curl.output().unwrap())
    };
    let host = "web--plc.doorward.home.arpa";
    // Without the token nobody is let in, and no other host is.
    for (proxy, host) in [
        (format!("http://127.0.0.1:{port}"), host),
        (format!("http://doorward:wrong@127.0.0.1:{port}"), host),
        (format!("socks5h://127.0.0.1:{port}"), host),
        (format!("http://doorward:{token}@127.0.0.1:{port}"), "localhost"),
        (format!("socks5h://doorward:{token}@127.0.0.1:{port}"), "localhost"),
    ] {
        let ran = curl(&proxy, host);
        assert!(ran.status != Some(0) && ran.out.is_empty(), "{proxy} {host}: {ran:?}");
    }
    assert_eq!(web.saw(), (0, 0));
    for scheme in ["http", "socks5h"] {
        let got = curl(&format!("{scheme}://doorward:{token}@127.0.0.1:{port}"), host).ok();
        assert!(!got.is_empty(), "{scheme}");
    }

    // MQTT, through the proxy by SOCKS: what is published through the gateway, arrives there.
    let socks = format!("socks5h://doorward:{token}@127.0.0.1:{port}");
    let mut subscribe = Command::new(program("mosquitto_sub"));
    subscribe.args(["--proxy", &socks, "-h", "mqtt--plc.doorward.home.arpa", "-t", "room/#"]);
    subscribe.args(["-v", "-C", "1"]).stdout(Stdio::piped());
    let mut subscriber = Running::start(&mut subscribe, dir.join("sub.log"));
    let mut heard = subscriber.output();
    let mut publish = Command::new(program("mosquitto_pub"));
    publish.args(["-h", "127.0.0.1", "-p", &mqtt.port().to_string()]);
    publish.args(["-t", "room/1", "-m", "warm", "-r"]);
    Ran::of(publish.output().unwrap()).ok();
    assert_eq!(line(&mut heard), "room/1 warm");

    // DNS over UDP, at a local port.
    let (_listener, at) = gateway.listening("alice", "plc/dns");
    let mut dig = Command::new(program("dig"));
    dig.args(["+short", "+notcp", "+tries=3", "@127.0.0.1", "-p", &at.port().to_string()]);
    dig.arg("answer.test");
    assert_eq!(Ran::of(dig.output().unwrap()).ok(), "192.0.2.7\n");

    // Somebody without the right gets nothing by the same ways.
    let (_proxy, token, port) = proxy(&gateway, "mallory");
    let ran = curl(&format!("http://doorward:{token}@127.0.0.1:{port}"), host);
    assert!(ran.err.contains("403"), "{ran:?}");
    let (_listener, at) = gateway.listening("mallory", "plc/dns");
    let asked = UdpSocket::bind("127.0.0.1:0").unwrap();
    asked.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    asked.send_to(b"anything", at).unwrap();
    assert!(asked.recv(&mut [0; 16]).is_err());
}

/// Copies an identity directory, as somebody does who clones a disk.
fn copy_identity(gateway: &Gateway, from: &str, to: &str) {
    let (from, to) = (gateway.identity(from), gateway.identity(to));
    std::fs::create_dir(&to).unwrap();
    for name in ["key.pem", "cert.pem", "ca.pem", "gateway.json"] {
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

#[test]
fn two_agents_with_one_identity_are_noticed() {
    let gateway = world(&[("program", "agent:program")]);
    let config = "[interfaces.program]\nurl = \"process:/bin/echo?arg=first\"\n";
    let mut first = gateway.agent("plc", config);
    assert_eq!(said(&gateway, "alice", "plc/program", "").ok(), "first\n");
    // The same directory once more: the agent itself refuses.
    let mut again = agent();
    again.args(["run", "--dir"]).arg(gateway.identity("plc"));
    let error =
        Ran::of(again.arg("--config").arg(gateway.dir().join("plc.toml")).output().unwrap());
    assert_eq!(error.status, Some(1), "{error:?}");
    // A copy of it, elsewhere: the gateway sees two programs.
    copy_identity(&gateway, "plc", "copy");
    let _second = gateway.agent("copy", &config.replace("first", "second"));
    gateway.await_agent("plc", |seen| seen["state"]["is"] == "waiting");
    assert_eq!(said(&gateway, "alice", "plc/program", "").ok(), "second\n");
    let alarm = gateway.await_record("the alarm", |record| record["event"] == "alarm");
    assert_eq!(alarm["reason"], "identity-used-twice");
    assert_eq!(alarm["subject"], "device/plc");
    assert!(first.runs());
}

#[test]
fn both_of_two_agents_are_kept_out_where_that_is_configured() {
    let gateway = Gateway::with("[agents]\ntwice = \"neither\"\n");
    gateway.enrol("device/plc", &[]);
    gateway.owner(&["interface", "add", "plc/program", "agent:program"]);
    let config = "[interfaces.program]\nurl = \"process:/bin/true\"\n";
    copy_identity(&gateway, "plc", "copy");
    let _first = gateway.agent("plc", config);
    // It need not offer anything.
    let _second = gateway.start_agent("copy", "");
    for who in ["plc", "copy"] {
        gateway.await_agent(who, |seen| seen["state"]["is"] == "waiting");
    }
    gateway.await_record("the alarm", |record| record["reason"] == "identity-used-twice");
}

#[test]
fn a_gateway_that_comes_back_has_its_agents_back() {
    let mut gateway = world(&[("program", "agent:program")]);
    let config = "[interfaces.program]\nurl = \"process:/bin/echo?arg=here\"\n";
    let agent = gateway.agent("plc", config);
    // An orderly stop, and a crash.
    for orderly in [true, false] {
        let session = gateway.agent_status("plc")["agent"]["state"]["session"].clone();
        if orderly {
            gateway.stop();
        } else {
            gateway.kill();
        }
        gateway.serve();
        gateway.await_agent("plc", |seen| {
            seen["state"]["is"] == "up"
                && seen["state"]["session"] != session
                && seen["offers"]["program"]["taken"] == true
        });
        assert_eq!(said(&gateway, "alice", "plc/program", "").ok(), "here\n");
    }
    let alarms = gateway.audit().iter().filter(|record| record["event"] == "alarm").count();
    assert_eq!(alarms, 0, "{}", agent.complaint());
}

#[test]
fn an_idle_agent_learns_of_a_crash_by_a_reset_that_only_its_gateway_can_make() {
    // Of two gateways that are killed, one loses the key of its resets.
    let mut gateways = [world(&[("program", "agent:program")]), world(&[])];
    let config = "[interfaces.program]\nurl = \"process:/bin/echo?arg=here\"\n";
    let agents = gateways.each_ref().map(|gateway| gateway.agent("plc", config));
    let key = |gateway: &Gateway| gateway.data().join("reset.key");
    let state = |gateway: &Gateway| gateway.agent_status("plc")["agent"]["state"].clone();
    let [keeps, loses] = gateways.each_ref().map(state);
    assert_eq!((&keeps["carrier"], &loses["carrier"]), (&json!("quic"), &json!("quic")));
    let kept = gateways.each_ref().map(|gateway| std::fs::read(key(gateway)).unwrap());
    let mode = std::fs::metadata(key(&gateways[0])).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    gateways.iter_mut().for_each(Gateway::kill);
    std::fs::remove_file(key(&gateways[1])).unwrap();
    gateways.iter_mut().for_each(Gateway::serve);
    wait_until("another key", || key(&gateways[1]).exists());
    assert_eq!(std::fs::read(key(&gateways[0])).unwrap(), kept[0]);
    assert_ne!(std::fs::read(key(&gateways[1])).unwrap(), kept[1]);

    let seen = gateways[0].await_agent("plc", |seen| {
        seen["state"]["is"] == "up" && seen["state"]["session"] != keeps["session"]
    });
    let why = seen["agent"]["last_error"].as_str().unwrap();
    assert!(why.contains("reset by peer"), "{why}");
    // A reset by another key is none: that agent still waits for its gateway's word.
    assert_eq!(state(&gateways[1]), loses, "{}", agents[1].complaint());
    gateways[0].await_agent("plc", |seen| seen["offers"]["program"]["taken"] == true);
    assert_eq!(said(&gateways[0], "alice", "plc/program", "").ok(), "here\n");
}

#[test]
fn a_clock_that_is_wrong_by_years_keeps_no_device_out() {
    let gateway = world(&[]);
    let file = gateway.dir().join("plc.toml");
    std::fs::write(&file, "").unwrap();
    for (when, behind) in [("1970-01-02 00:00:00", true), ("2060-01-01 00:00:00", false)] {
        let mut command = Command::new(program("faketime"));
        command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("DONT_FAKE_MONOTONIC", "1");
        command.arg(when).arg(doorward_tests::tools::bin().join("doorward-agent"));
        command.args(["run", "--dir"]).arg(gateway.identity("plc")).arg("--config").arg(&file);
        let mut agent = Running::start(&mut command, gateway.dir().join("clock.log"));
        let seen = gateway.await_agent("plc", |seen| seen["state"]["is"] == "up");
        let found = seen["agent"]["clock_behind"].as_i64().unwrap();
        assert!(found.abs() > 900_000_000 && (found > 0) == behind, "{when}: {found}");
        // The program itself, of which faketime is the parent.
        let process = seen["agent"]["process"].to_string();
        Command::new("kill").args(["-TERM", &process]).status().unwrap();
        assert_eq!(agent.ended(), Some(0));
    }
}

#[test]
fn a_report_is_shown_and_outlives_the_gateway() {
    let mut gateway = world(&[]);
    let agent = gateway.agent("plc", "");
    wait_until("a report", || {
        let shown = gateway.owner_json(&["device", "show", "plc"]);
        shown["posture"]["report"]["kernel"].is_string()
    });
    let text = gateway.owner(&["device", "show", "plc"]);
    assert!(text.contains("kernel"), "{text}");
    drop(agent);
    let posture = gateway.owner_json(&["device", "show", "plc"])["posture"].clone();
    gateway.kill();
    gateway.serve();
    assert_eq!(gateway.owner_json(&["device", "show", "plc"])["posture"], posture);
}
