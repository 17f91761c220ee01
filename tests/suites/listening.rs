//! What `connect --listen` and `proxy` say, and when they end: a person is told at once what is
//! wrong, and nothing waits for a right that will not come.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Stdio;

use doorward_tests::gateway::{Ran, agent};
use doorward_tests::port::reserve;
use doorward_tests::running::{Running, line, number, wait_until};
use doorward_tests::{Backend, Gateway, Kind};
use serde_json::Value;

const ALICE: &str = "p, user/alice, box, tcp, connect, , allow";
const LATER: &str = "p, user/alice, box, tcp, connect, after=2100-01-01T00:00:00Z, allow";

fn world() -> (Gateway, Backend) {
    let (gateway, backend) = (Gateway::start(), Backend::tcp(Kind::Echo));
    gateway.declare("box/tcp", backend.url());
    gateway.declare("box/web", &backend.url().replace("tcp://", "http://"));
    for user in ["alice", "mallory"] {
        gateway.enrol(&format!("user/{user}"), &[]);
    }
    gateway.rules(ALICE);
    (gateway, backend)
}

fn socket(gateway: &Gateway) -> PathBuf {
    gateway.dir().join(format!("{}.sock", number()))
}

/// What a command of the agent does that is expected to end by itself.
fn ends(gateway: &Gateway, who: &str, interface: &str, options: &[&str]) -> Ran {
    let socket = socket(gateway);
    let listen = format!("unix:{}", socket.display());
    let mut command = gateway.connect(who, interface, &["--listen", &listen]);
    command.args(options).stdin(Stdio::null());
    let ran = Ran::of(command.output().unwrap());
    assert!(!socket.exists(), "{ran:?}");
    ran
}

/// A listener by alice at a port, once it has said where it listens.
fn listener(gateway: &Gateway, options: &[&str]) -> (Running, TcpPort) {
    let at = reserve();
    let address = at.to_string();
    let options = [&["--listen", &address, "--open"], options].concat();
    let mut running = gateway.connected("alice", "box/tcp", &options);
    assert_eq!(line(&mut running.output()), format!("box/tcp is at {at}"));
    (running, TcpPort(at))
}

/// Where a listener is.
struct TcpPort(std::net::SocketAddr);

impl TcpPort {
    /// A local program that has a flow: it has read the first bytes of the backend.
    fn flow(&self) -> TcpStream {
        let mut stream = TcpStream::connect(self.0).unwrap();
        stream.read_exact(&mut [0; 1]).unwrap();
        stream
    }

    /// A local program that gets no flow: its connection is reset.
    fn refused(&self) {
        let mut stream = TcpStream::connect(self.0).unwrap();
        drop(stream.write_all(b"x"));
        let error = stream.read(&mut [0; 1]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    }
}

#[test]
fn whoever_may_not_is_told_at_the_start_and_nothing_is_dialed() {
    let (gateway, backend) = world();
    for (who, interface) in [
        ("mallory", "box/tcp"),
        ("mallory", "box/web"),
        ("mallory", "box/nothing"),
        ("alice", "box/tpc"),
        ("alice", "bxo/tcp"),
        ("alice", "box/web"),
    ] {
        let error = ends(&gateway, who, interface, &[]).failed();
        let (message, id) = error.trim().split_once(" (flow ").unwrap_or_else(|| panic!("{error}"));
        assert!(message.contains("no such interface, or no right to it"), "{error}");
        let id = id.trim_end_matches(')');
        let record = gateway.await_record("the refusal", |record| record["flow"] == id);
        assert_eq!(record["event"], "flow-refused", "{record}");
        assert_eq!(record["subject"], format!("user/{who}"));
    }
    // For programs: one JSON object on standard error, and nothing else.
    let ran = ends(&gateway, "mallory", "box/tcp", &["--json"]);
    assert_eq!((ran.status, ran.out.as_str()), (Some(1), ""), "{ran:?}");
    let error: Value = serde_json::from_str(&ran.err).unwrap();
    assert_eq!(error["error"]["kind"], "refused");
    assert_eq!(error["error"]["id"].as_str().unwrap().len(), 26);
    assert!(error["error"]["next"].as_str().unwrap().contains("audit log"), "{error}");
    // A name that is none is wrong usage.
    for interface in ["box", "box/", "Box/tcp"] {
        let ran = ends(&gateway, "alice", interface, &["--json"]);
        assert_eq!(ran.status, Some(2), "{ran:?}");
        let error: Value = serde_json::from_str(&ran.err).unwrap();
        assert_eq!(error["error"]["kind"], "usage");
    }

    let (mut running, at) = listener(&gateway, &[]);
    assert_eq!(backend.saw(), (0, 0), "the question dials nothing");
    let flow = at.flow();
    assert_eq!(backend.saw().0, 1);
    drop(flow);
    assert!(running.runs());
}

#[test]
fn a_rule_that_holds_later_is_named_and_waited_for_if_it_was_open_before() {
    let (gateway, _backend) = world();
    gateway.rules(LATER);
    let error = ends(&gateway, "alice", "box/tcp", &[]).failed();
    assert!(error.contains("a rule could allow it from 2100-01-01T00:00:00Z on"), "{error}");
    let error = ends(&gateway, "mallory", "box/tcp", &[]).failed();
    assert!(!error.contains("2100"), "only whom the rule is for is told: {error}");

    gateway.rules(ALICE);
    let (mut running, at) = listener(&gateway, &[]);
    drop(at.flow());
    gateway.rules(LATER);
    at.refused();
    wait_until("the refusal", || running.complaint().contains("from 2100-01-01T00:00:00Z on"));
    gateway.rules(ALICE);
    drop(at.flow());
    assert!(running.runs());
}

#[test]
fn a_cut_and_a_refusal_are_a_line_each_and_a_refusal_for_good_ends_it() {
    let (gateway, _backend) = world();
    let (mut kept, kept_at) = listener(&gateway, &["--keep"]);
    let (mut other, other_at) = listener(&gateway, &[]);
    let mut flow = kept_at.flow();
    gateway.rules("");
    let mut rest = Vec::new();
    let cut = flow.read_to_end(&mut rest).unwrap_err();
    assert_eq!(cut.kind(), std::io::ErrorKind::ConnectionReset);
    wait_until("the cut", || kept.complaint().contains("box/tcp: the flow was cut"));
    let said = kept.complaint();
    assert_eq!(said.lines().count(), 1, "{said}");
    let id = said.trim().rsplit_once("(flow ").unwrap().1.trim_end_matches(')').to_owned();
    let ended = gateway.await_record("the end of the flow", |record| record["flow"] == *id);
    assert_eq!(ended["event"], "flow-end", "{ended}");

    other_at.refused();
    assert_eq!(other.ended(), Some(1));
    let said = other.complaint();
    assert!(said.contains("no such interface, or no right to it"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");

    kept_at.refused();
    wait_until("the refusal", || kept.complaint().lines().count() == 2);
    assert!(kept.runs());
    gateway.rules(ALICE);
    drop(kept_at.flow());
    kept.signal("TERM");
    assert_eq!(kept.ended(), Some(0));
}

#[test]
fn whoever_keeps_listening_says_what_happens_as_events_for_programs() {
    let (gateway, _backend) = world();
    gateway.rules("");
    let at = reserve();
    let address = at.to_string();
    let options = ["--listen", &address, "--open", "--keep", "--json"];
    let mut running = gateway.connected("alice", "box/tcp", &options);
    let mut out = running.output();
    let mut event = || -> Value { serde_json::from_str(&line(&mut out)).unwrap() };
    let refused = event();
    assert_eq!((&refused["event"], &refused["interface"]), (&"refused".into(), &"box/tcp".into()));
    assert_eq!(refused["error"]["kind"], "refused");
    let listening = event();
    assert_eq!(listening["event"], "listening");
    assert_eq!(
        (&listening["address"], &listening["interface"]),
        (&address.into(), &"box/tcp".into())
    );
    TcpPort(at).refused();
    assert_eq!(event()["event"], "refused");
    assert_eq!(running.complaint(), "");
}

/// A proxy by somebody, at a Unix socket.
fn proxy(gateway: &Gateway, who: &str, options: &[&str]) -> Running {
    let mut command = agent();
    command.args(["proxy", "--listen"]).arg(format!("unix:{}", socket(gateway).display()));
    command.arg("--dir").arg(gateway.identity(who)).args(options).stdout(Stdio::piped());
    Running::start(&mut command, gateway.dir().join(format!("{who}-{}.log", number())))
}

#[test]
fn an_identity_that_is_over_ends_both() {
    let (gateway, _backend) = world();
    let (mut listener, at) = listener(&gateway, &[]);
    let mut proxy = proxy(&gateway, "alice", &[]);
    assert!(line(&mut proxy.output()).starts_with("the proxy is unix:"));
    let flow = at.flow();
    gateway.owner(&["user", "revoke", "alice"]);
    for running in [&mut listener, &mut proxy] {
        assert_eq!(running.ended(), Some(1));
        let said = running.complaint();
        assert!(said.contains("the identity is not accepted any more"), "{said}");
    }
    drop(flow);
    // From then on, neither starts, and `status` says why.
    let error = ends(&gateway, "alice", "box/tcp", &[]).failed();
    assert!(error.contains("not connected to the gateway"), "{error}");
    let mut again = self::proxy(&gateway, "alice", &["--json"]);
    assert_eq!(again.ended(), Some(1));
    let error: Value = serde_json::from_str(&again.complaint()).unwrap();
    assert_eq!(error["error"]["kind"], "not-accepted");
    let status = |who: &str| {
        let mut command = agent();
        command.args(["status", "--json", "--dir"]).arg(gateway.identity(who));
        let ran = Ran::of(command.output().unwrap());
        let shown: Value = serde_json::from_str(&ran.out).unwrap();
        (ran.status, shown["state"].as_str().unwrap().to_owned(), ran.err)
    };
    let (ended, state, said) = status("alice");
    assert_eq!((ended, state.as_str()), (Some(1), "refused"), "{said}");
    let error: Value = serde_json::from_str(&said).unwrap();
    assert!(error["error"]["next"].as_str().unwrap().contains("new code"), "{error}");
    assert_eq!(status("mallory"), (Some(0), "live".to_owned(), String::new()));
}

#[test]
fn the_proxy_says_each_refusal_and_stays() {
    let (gateway, _backend) = world();
    let at = reserve();
    let mut command = agent();
    command.args(["proxy", "--open", "--listen", &at.to_string()]);
    command.arg("--dir").arg(gateway.identity("mallory")).stdout(Stdio::piped());
    let mut proxy = Running::start(&mut command, gateway.dir().join("proxy.log"));
    assert_eq!(line(&mut proxy.output()), format!("the proxy is http://{at}"));
    for (host, says) in [
        ("tcp--box", "box/tcp: no such interface, or no right to it"),
        ("tcp.box", "'tcp.box' is no interface of this gateway"),
    ] {
        let mut stream = TcpStream::connect(at).unwrap();
        stream.write_all(format!("CONNECT {host}:1 HTTP/1.1\r\n\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        wait_until("the line", || proxy.complaint().contains(says));
    }
    assert_eq!(proxy.complaint().lines().count(), 2);
    assert!(proxy.runs());
}
