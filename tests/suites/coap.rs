//! CoAP, decided message by message: libcoap and aiocoap in front, aiocoap behind.

mod hostile;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use doorward_tests::Gateway;
use doorward_tests::gateway::Ran;
use doorward_tests::port;
use doorward_tests::running::{Running, line, wait_until};
use doorward_tests::tools::{program, python, script};

const RULES: &str = "p, user/reader, group/devices, coap/state, get, , allow\n\
                     p, user/reader, group/devices, coap/big, get|put, , allow\n\
                     p, user/reader, group/devices, coap/slow, get, , allow\n\
                     p, user/reader, group/devices, coap/.well-known/core, get, , allow\n\
                     p, user/writer, group/devices, coap/**, *, , allow\n\
                     p, user/writer, group/devices, coap/secret/**, *, , deny\n\
                     p, user/watcher, group/devices, coap/state, get|observe, , allow";

/// aiocoap's device.
struct Device {
    _running: Running,
    log: PathBuf,
    port: u16,
}

impl Device {
    fn start(gateway: &Gateway) -> Self {
        let port = port::reserve().port();
        let log = gateway.dir().join("coap.log");
        let mut command = Command::new(python());
        command.arg(script("coap_device.py")).arg(port.to_string()).arg(&log);
        let device = Self {
            _running: Running::start(&mut command, gateway.dir().join("coap.err")),
            log,
            port,
        };
        wait_until("the device", || device.log.exists() && device.heard() == ["ready"]);
        device
    }

    fn heard(&self) -> Vec<String> {
        let log = std::fs::read_to_string(&self.log).unwrap();
        log.lines().map(ToOwned::to_owned).collect()
    }

    /// What it has heard since it was asked last.
    fn news(&self) -> Vec<String> {
        let heard = self.heard();
        std::fs::write(&self.log, "").unwrap();
        heard
    }
}

fn world(gateway: &Gateway, url: &str) {
    gateway.declare("lamp/coap", url);
    for who in ["reader", "writer", "watcher", "mallory"] {
        gateway.enrol(&format!("user/{who}"), &[]);
    }
    gateway.rules(RULES);
}

/// libcoap's client, at a local port of `doorward-agent connect`.
fn coap(port: u16, path: &str, options: &[&str]) -> Ran {
    let mut command = Command::new(program("coap-client-notls"));
    command.args(["-B", "5"]).args(options).arg(format!("coap://127.0.0.1:{port}{path}"));
    Ran::of(command.output().unwrap())
}

#[test]
fn libcoap_does_what_it_may_and_is_told_403_for_the_rest() {
    let gateway = Gateway::start();
    let device = Device::start(&gateway);
    world(&gateway, &format!("coap://127.0.0.1:{}", device.port));
    device.news();

    // Nobody's business.
    let (_listener, at) = gateway.listening("mallory", "lamp/coap");
    assert_eq!(coap(at.port(), "/state", &["-B", "2"]).out, "");
    assert_eq!(device.news(), [""; 0]);

    let (_listener, at) = gateway.listening("reader", "lamp/coap");
    let reader = |path: &str, options: &[&str]| coap(at.port(), path, options);
    // Refused before anything is dialed, and after.
    let put = ["-m", "put", "-e", "on"];
    assert!(reader("/state", &put).err.contains("4.03"));
    assert_eq!(device.news(), [""; 0]);
    assert_eq!(reader("/state", &[]).out.trim(), "off");
    assert_eq!(reader("/state", &["-N"]).out.trim(), "off");
    for (path, options) in [
        ("/state", &put[..]),
        ("/state", &["-m", "post", "-e", "x"]),
        ("/state", &["-m", "delete"]),
        ("/state", &["-s", "1"]),
        ("/state/", &[]),
        ("/secret", &[]),
        ("/", &[]),
        ("/a/b%20c", &[]),
    ] {
        let refused = reader(path, options);
        assert!(refused.err.contains("4.03"), "{path} {options:?}: {refused:?}");
    }
    assert_eq!(device.news(), ["GET /state None None", "GET /state None None"]);
    // Block by block, and when it takes a while.
    assert_eq!(reader("/big", &["-b", "256"]).out.trim().len(), 5000);
    let file = gateway.dir().join("content");
    std::fs::write(&file, vec![b'x'; 3000]).unwrap();
    let sent = reader("/big", &["-m", "put", "-b", "64", "-f", file.to_str().unwrap()]);
    assert_eq!(sent.out.trim(), "3000");
    assert_eq!(reader("/slow", &["-B", "20"]).out.trim(), "at last");
    assert!(reader("/.well-known/core", &[]).out.contains("</state>"));

    let (_listener, at) = gateway.listening("writer", "lamp/coap");
    let writer = |path: &str, options: &[&str]| coap(at.port(), path, options);
    device.news();
    writer("/state", &put);
    assert_eq!(writer("/state", &[]).out.trim(), "on");
    assert_eq!(writer("/a/b%20c", &[]).out.trim(), "off");
    assert_eq!(writer("/state", &["-m", "post", "-e", "abc"]).out.trim(), "cba");
    for path in ["/secret", "/secret/x", "/%73ecret"] {
        assert!(writer(path, &[]).err.contains("4.03"), "{path}");
    }
    // Many servers leave out the empty segment.
    for path in ["//secret/x", "//state", "/a//b", "/%2573ecret", "/secret%3F"] {
        assert!(writer(path, &[]).err.contains("4.00"), "{path}");
    }
    let proxy = format!("coap://127.0.0.1:{}", at.port());
    assert!(writer("/state", &["-P", &proxy]).err.contains("5.05"));
    let heard = [
        "PUT /state None None",
        "GET /state None None",
        "GET /a/b c None None",
        "POST /state None None",
    ];
    assert_eq!(device.news(), heard);
    let record = gateway.await_record("a refusal", |record| {
        record["event"] == "operation-refused" && record["path"] == "coap/secret/x"
    });
    assert_eq!((&record["action"], &record["reason"]), (&"get".into(), &"denied-by-rule".into()));
}

#[test]
fn an_observer_is_told_until_it_may_not_be() {
    let gateway = Gateway::start();
    let device = Device::start(&gateway);
    world(&gateway, &format!("coap://127.0.0.1:{}", device.port));
    let (_listener, at) = gateway.listening("watcher", "lamp/coap");
    let (_other, writing) = gateway.listening("writer", "lamp/coap");
    let put = |value: &str| coap(writing.port(), "/state", &["-m", "put", "-e", value]);
    let mut client = Command::new(python());
    client.arg(script("coap_client.py")).arg(format!("coap://127.0.0.1:{}/state", at.port()));
    client.stdout(Stdio::piped());
    let mut client = Running::start(&mut client, gateway.dir().join("observer.log"));
    let mut told = client.output();
    assert_eq!(line(&mut told), "2.05 Content off");
    put("on");
    assert_eq!(line(&mut told), "2.05 Content on");
    // It may still get it, and observes it no more.
    gateway.rules(&RULES.replace("coap/state, get|observe", "coap/state, get"));
    // It is told at once, and so is the device.
    let ended = line(&mut told);
    assert!(ended.contains("4.03") || ended.contains("Observation"), "{ended}");
    client.ended();
    wait_until("the end of the observation", || {
        device.heard().iter().any(|line| line == "observers 0")
    });
    // To get it, it still may, in the same flow.
    assert_eq!(coap(at.port(), "/state", &[]).out.trim(), "on");
}

#[test]
fn behind_an_agent_coap_is_inspected_too() {
    let gateway = Gateway::start();
    let device = Device::start(&gateway);
    gateway.enrol("device/lamp", &[]);
    world(&gateway, "coap+agent:lamp");
    let config = format!("[interfaces.lamp]\nurl = \"udp://127.0.0.1:{}\"\n", device.port);
    let _agent = gateway.agent("lamp", &config);
    device.news();
    let (_listener, at) = gateway.listening("reader", "lamp/coap");
    assert_eq!(coap(at.port(), "/state", &[]).out.trim(), "off");
    assert!(coap(at.port(), "/secret", &[]).err.contains("4.03"));
    assert_eq!(device.news(), ["GET /state None None"]);
}
