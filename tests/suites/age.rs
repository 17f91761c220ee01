//! `auth-age<=`: how long a full handshake is good for, on live flows, in questions, in tests.

use std::fs;
use std::time::{Duration, Instant};

use doorward_tests::client::{Client, PATIENCE, read_all, read_head};
use doorward_tests::forge::Credentials;
use doorward_tests::{Backend, Gateway, Kind};
use rustls::HandshakeKind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

const BOX: &str = "tcp--box.doorward.home.arpa";
/// The rule behind those of the default bundle, and where it stands.
const LINE: u64 = 29;

/// A gateway that Alice reaches a box through, by that rule alone.
fn world(when: &str) -> (Gateway, Backend) {
    let gateway = Gateway::start();
    gateway.enrol("user/alice", &[]);
    let backend = Backend::tcp(Kind::Echo);
    gateway.declare("box/tcp", backend.url());
    gateway.rules(&format!("p, user/alice, box, tcp, connect, {when}, allow"));
    (gateway, backend)
}

fn alice(gateway: &Gateway) -> Client {
    let dir = gateway.identity("alice");
    Client::new(gateway.listen, &dir.join("ca.pem"), Some(Credentials::read(&dir)))
}

/// Whether the backend greets.
async fn greets(stream: &mut TlsStream<TcpStream>) -> bool {
    tokio::time::timeout(PATIENCE, stream.read_u8()).await.expect("an answer").is_ok()
}

#[tokio::test]
async fn a_flow_ends_by_itself_as_its_handshake_grows_too_old() {
    const AGE: Duration = Duration::from_secs(3);
    let (gateway, _backend) = world("auth-age<=3s");
    let client = alice(&gateway);
    let begin = Instant::now();
    let mut live = client.connect(BOX).await.unwrap();
    assert!(greets(&mut live).await);
    live.write_all(b"x").await.unwrap();
    assert!(!read_all(&mut live).await.1, "it is cut");
    let lasted = begin.elapsed();
    assert!((AGE..AGE + Duration::from_secs(3)).contains(&lasted), "{lasted:?}");
    let ended = gateway.await_record("the end", |record| record["event"] == "flow-end");
    assert_eq!((&ended["outcome"], &ended["reason"]), (&"cut".into(), &"conditions".into()));

    // A ticket is as old as the handshake that it was made at, however new the connection is.
    let mut resumed = client.connect(BOX).await.unwrap();
    assert_eq!(resumed.get_ref().1.handshake_kind(), Some(HandshakeKind::Resumed));
    assert!(!greets(&mut resumed).await);
    let refused = gateway.await_record("the refusal", |record| record["event"] == "flow-refused");
    assert_eq!(refused["reason"], "conditions");
    // Whoever proves the key again comes in again.
    let mut anew = alice(&gateway).connect(BOX).await.unwrap();
    assert_eq!(anew.get_ref().1.handshake_kind(), Some(HandshakeKind::Full));
    assert!(greets(&mut anew).await);

    // A replay does not know how old a handshake was, and does not pretend to.
    let shown = gateway.dir().join("in-force");
    gateway.owner(&["policy", "show", "--out", shown.to_str().unwrap()]);
    let replay = gateway.owner_json(&["policy", "replay", shown.to_str().unwrap()]);
    assert_eq!((&replay["kinds"], &replay["unknown"]), (&0.into(), &3.into()), "{replay}");
    let said = gateway.owner(&["policy", "replay", shown.to_str().unwrap()]);
    assert!(said.contains("3 are not compared: they depend on the age of the handshake"), "{said}");
}

#[tokio::test]
async fn questions_suppose_a_handshake() {
    let (gateway, _backend) = world("auth-age<=2h");
    let about = ["user/alice", "connect", "box/tcp"];
    let check = |more: &[&str]| {
        gateway.run("owner", &[&["policy", "check"], &about[..], more].concat()).status
    };
    assert_eq!(check(&["--attr", "auth-age=2h"]), Some(0));
    assert_eq!(check(&["--attr", "auth-age=0s"]), Some(0));
    assert_eq!(check(&["--attr", "auth-age=2h1s"]), Some(3));
    assert_eq!(check(&[]), Some(3), "nothing supposed is nothing known");

    let explain =
        |more: &[&str]| gateway.owner_json(&[&["policy", "explain"], &about[..], more].concat());
    // It is counted back from the instant that is asked about, and the answer has its end.
    let monday = "2027-01-04T09:00:00Z";
    let permit = explain(&["--at", monday, "--attr", "auth-age=30m"]);
    assert_eq!((&permit["permit"], &permit["decided"][0]["line"]), (&true.into(), &LINE.into()));
    let saw = &permit["decided"][0]["conditions"][0]["saw"];
    assert_eq!(saw, "a full handshake 30m ago", "{permit}");
    assert_eq!(permit["ask_again_at"], "2027-01-04T10:30:00.000000001Z");
    let denial = explain(&["--attr", "auth-age=1d"]);
    assert_eq!((&denial["permit"], &denial["refusal"]), (&false.into(), &"conditions".into()));
    let change = format!("connect again: the last full handshake is too old for policy.csv:{LINE}");
    assert_eq!(denial["change"], change, "{denial}");
    let change = explain(&[])["change"].clone();
    assert!(change.as_str().unwrap().starts_with("say how old the last full handshake is"));

    let who_can = |more: &[&str]| {
        let who = gateway.owner_json(&[&["policy", "who-can"], &about[1..], more].concat());
        let who = who.as_array().unwrap().iter().map(|one| one["subject"].clone());
        who.collect::<Vec<_>>()
    };
    assert_eq!(who_can(&["--attr", "auth-age=1h"]), ["user/alice", "user/owner"]);
    assert_eq!(who_can(&["--attr", "auth-age=3h"]), ["user/owner"]);
    // Without an age, the condition is listed.
    assert_eq!(who_can(&[]), ["user/alice", "user/owner"]);
    let all = gateway.owner_json(&[&["policy", "who-can"], &about[1..]].concat());
    assert_eq!(all[0]["when"], "auth-age<=2h", "{all}");

    // What is no attribute is wrong usage, and a wrong request.
    for (attr, says) in [
        ("auth_age=2h", "did you mean auth-age?"),
        ("mode=away", "this version knows auth-age"),
        ("auth-age=2", "such as 8h, 30m or 1h30m"),
        ("auth-age", "an attribute is NAME=VALUE"),
    ] {
        for command in ["check", "explain", "who-can"] {
            let about = if command == "who-can" { &about[1..] } else { &about };
            let args = [&["policy", command], about, &["--attr", attr]].concat();
            let ran = gateway.run("owner", &args);
            assert_eq!(ran.status, Some(2), "{args:?}");
            assert!(ran.err.contains(says), "{args:?}: {ran:?}");
        }
    }
    let twice = ["--attr", "auth-age=2h", "--attr", "auth-age=3h"];
    assert_eq!(check(&twice), Some(2));
    let dir = gateway.identity("owner");
    let owner = Client::speaking(
        gateway.management,
        &dir.join("ca.pem"),
        Some(Credentials::read(&dir)),
        &["http/1.1"],
    );
    for (body, status) in [
        (r#""attrs":{"auth-age":"2h"}}"#, "200"),
        (r#""attrs":{"mode":"away"}}"#, "400"),
        (r#""attrs":{"auth-age":"2"}}"#, "400"),
        (r#""attrs":{"auth-age":2}}"#, "400"),
    ] {
        let body =
            format!(r#"{{"subject":"user/alice","action":"connect","resource":"box/tcp",{body}"#);
        let mut stream = owner.connect("localhost").await.unwrap();
        let request = format!(
            "POST /v1/policies/check HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let head = read_head(&mut stream).await.unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{body}: {head}");
    }
}

#[test]
fn a_bundles_tests_suppose_a_handshake() {
    let (gateway, _backend) = world("auth-age<=8h");
    let bundle = gateway.dir().join("tested");
    let dir = bundle.to_str().unwrap();
    gateway.owner(&["policy", "show", "--out", dir]);
    let file = bundle.join("tests.toml");
    let former = fs::read_to_string(&file).unwrap();
    let test = |attrs: &str, expect: &str| {
        format!(
            "\n[[test]]\nsubject = \"user/alice\"\naction = \"connect\"\n\
             resource = \"box/tcp\"\n{attrs}expect = \"{expect}\"\n"
        )
    };
    let monday = "at = \"2027-01-04T09:00:00Z\"\nattrs = { auth-age = \"1h30m\" }\n";
    let good = [
        former,
        test("attrs = { auth-age = \"8h\" }\n", "permit"),
        test("attrs = { auth-age = \"8h1s\" }\n", "deny"),
        test(monday, "permit"),
        test("", "deny"),
    ]
    .concat();
    fs::write(&file, &good).unwrap();
    gateway.owner(&["policy", "test", dir]);
    let old = test("attrs = { auth-age = \"2d\" }\n", "permit");
    fs::write(&file, good + &*old).unwrap();
    let complaint = gateway.run("owner", &["policy", "apply", dir]).failed();
    assert!(complaint.contains("expected permit, got deny (allowed under other"), "{complaint}");
}

#[test]
fn an_administrator_who_must_connect_again_is_not_locked_out() {
    let (gateway, _backend) = world("auth-age<=8h");
    let bundle = gateway.dir().join("strict");
    let dir = bundle.to_str().unwrap();
    gateway.owner(&["policy", "show", "--out", dir]);
    let file = bundle.join("policy.csv");
    let text = fs::read_to_string(&file).unwrap();
    let all = "p, role/owner, gateway, **, *, , allow";
    assert!(text.contains(all));
    let strict = "p, role/owner, gateway, **, *, auth-age<=1h, allow";
    fs::write(&file, text.replace(all, strict)).unwrap();
    // The bundle's own test of that does not say that the owner has just connected.
    let complaint = gateway.run("owner", &["policy", "apply", dir]).failed();
    assert!(complaint.contains("role/owner update gateway/policies"), "{complaint}");
    let tests = bundle.join("tests.toml");
    let text = fs::read_to_string(&tests).unwrap();
    let fresh = "expect = \"permit\"\nattrs = { auth-age = \"0s\" }\n";
    fs::write(&tests, text.replace("expect = \"permit\"\n", fresh)).unwrap();
    gateway.owner(&["policy", "apply", dir]);
    // Its time is never over: every connection begins it anew.
    let lint = gateway.owner_json(&["policy", "lint"]);
    let never = lint.as_array().unwrap().iter().filter(|one| one["kind"] == "never");
    assert!(never.into_iter().all(|one| one["line"] != LINE && one["line"] != 5), "{lint}");
    // And nobody is made an owner for the sake of a rule that a handshake would meet.
    let about = ["policy", "explain", "user/alice", "update", "gateway/policies"];
    let change = gateway.owner_json(&[&about[..], &["--attr", "auth-age=0s"]].concat());
    let add = "add to policy.csv: p, user/alice, gateway, policies, update, , allow";
    assert_eq!(change["change"], add, "{change}");
}
