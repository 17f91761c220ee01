//! Whatever there is only so much of: who has no right takes all that is to be had, and meanwhile
//! the owner revokes, a known device renews, and somebody who may connects.

use std::fs;
use std::net::TcpStream as StdTcpStream;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use doorward_tests::client::{Client, PATIENCE};
use doorward_tests::flood::flood;
use doorward_tests::forge::Credentials;
use doorward_tests::gateway::{Ran, agent};
use doorward_tests::{Backend, Gateway, Kind};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

type Stream = TlsStream<TcpStream>;

/// A gateway with an interface that Alice may connect to, and a device that it knows.
fn world(config: &str) -> (Gateway, Backend) {
    let gateway = Gateway::with(config);
    let backend = furnish(&gateway);
    (gateway, backend)
}

fn furnish(gateway: &Gateway) -> Backend {
    let backend = Backend::tcp(Kind::Echo);
    gateway.declare("plc/tcp", backend.url());
    gateway.enrol("user/alice", &["--role", "operator"]);
    gateway.enrol("device/pump", &[]);
    backend
}

fn client(gateway: &Gateway, who: &str) -> Client {
    let ca = gateway.identity("owner").join("ca.pem");
    let shown = Credentials::read(&gateway.identity(who));
    Client::speaking(gateway.listen, &ca, Some(shown), &["http/1.1"])
}

fn stranger(gateway: &Gateway) -> Client {
    let ca = gateway.identity("owner").join("ca.pem");
    Client::speaking(gateway.listen, &ca, None, &["http/1.1"])
}

/// Enrols devices that no rule speaks of.
fn powerless(gateway: &Gateway, count: usize) -> Vec<String> {
    let names: Vec<_> = (0..count).map(|number| format!("spy{number}")).collect();
    names.iter().for_each(|name| gateway.enrol(&format!("device/{name}"), &[]));
    names
}

/// Whether somebody opens a flow and hears the backend's greeting.
async fn connects(client: &Client) -> Option<Stream> {
    let mut stream = client.connect("tcp--plc.doorward.home.arpa").await.ok()?;
    let heard = timeout(PATIENCE, stream.read(&mut [0; 64])).await.ok()?;
    matches!(heard, Ok(1..)).then_some(stream)
}

/// That the owner revokes, a known device renews, and somebody who may connects.
async fn all_are_served(gateway: &Gateway, revoked: &str, what: &str) {
    let (kind, name) = revoked.split_once('/').unwrap();
    let ran = gateway.run("owner", &[kind, "revoke", name]);
    assert_eq!(ran.status, Some(0), "{what}: the owner revokes: {ran:?}");
    let mut renew = agent();
    renew.args(["renew", "--dir"]).arg(gateway.identity("pump"));
    let ran = Ran::of(renew.output().unwrap());
    assert_eq!(ran.status, Some(0), "{what}: a device renews: {ran:?}");
    assert!(connects(&client(gateway, "alice")).await.is_some(), "{what}: Alice connects");
}

/// The row of a limit.
fn limit(gateway: &Gateway, what: &str) -> Value {
    let all = gateway.owner_json(&["status", "--limits"]);
    let row = all.as_array().unwrap().iter().find(|one| one["what"] == what);
    row.unwrap_or_else(|| panic!("{what} is no limit of {all}")).clone()
}

#[track_caller]
fn is_used_up(gateway: &Gateway, what: &str) {
    let row = limit(gateway, what);
    let of = |key: &str| row[key].as_u64().unwrap();
    let rest = of("total") - of("in_use").min(of("total"));
    assert!(of("in_use") <= of("total"), "{row}");
    assert!(rest <= of("kept") + of("administration") + of("total") / 8, "not used up: {row}");
}

#[tokio::test]
async fn sessions_that_are_held_keep_nobody_out() {
    let (gateway, _backend) = world("[limits]\nsessions = 64\nsessions-per-subject = 16\n");
    let mut held = vec![];
    for name in powerless(&gateway, 4) {
        let spy = client(&gateway, &name);
        for _ in 0..20 {
            held.extend(spy.connect("localhost").await.ok());
        }
    }
    is_used_up(&gateway, "sessions");
    all_are_served(&gateway, "device/spy0", "sessions").await;
    drop(held);
}

#[tokio::test]
async fn flows_that_are_held_keep_nobody_out() {
    let (gateway, _backend) = world("[limits]\nflows = 64\nflows-per-subject = 16\n");
    let mut held = vec![];
    for name in ["bob", "carol", "dave", "eve"] {
        gateway.enrol(&format!("user/{name}"), &["--role", "operator"]);
        let holder = client(&gateway, name);
        for _ in 0..20 {
            held.extend(connects(&holder).await);
        }
    }
    is_used_up(&gateway, "flows");
    all_are_served(&gateway, "user/bob", "flows").await;
    drop(held);
}

/// A gateway that may open few files.
struct FewFiles {
    gateway: Gateway,
    child: Child,
}

impl FewFiles {
    fn serve(files: u32) -> Self {
        let gateway = Gateway::unclaimed("");
        let inner = gateway.serve_command();
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit -n {files} && exec \"$0\" \"$@\"")]);
        shell.arg(inner.get_program()).args(inner.get_args());
        let log = |name: &str| fs::File::create(gateway.dir().join(name)).unwrap();
        let child = shell.stdout(log("out")).stderr(log("err")).spawn().unwrap();
        let patience = Instant::now() + PATIENCE;
        for at in [gateway.listen, gateway.management] {
            while StdTcpStream::connect(at).is_err() {
                assert!(Instant::now() < patience, "{}", gateway.log());
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        gateway.claim();
        Self { gateway, child }
    }
}

impl Drop for FewFiles {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn files_that_are_held_keep_nobody_out() {
    let few = FewFiles::serve(512);
    let gateway = &few.gateway;
    let _backend = furnish(gateway);
    assert_eq!(limit(gateway, "files")["from"], "machine");
    let mut held = vec![];
    // Strangers who say nothing, some who shake hands and say nothing, and devices without a right.
    for last in 2..40 {
        let from = [127, 0, 0, last].into();
        let silent = stranger(gateway).coming_from(from);
        for _ in 0..20 {
            held.extend(silent.connect("localhost").await.ok());
        }
    }
    for name in powerless(gateway, 3) {
        let spy = client(gateway, &name);
        for _ in 0..200 {
            held.extend(spy.connect("localhost").await.ok());
        }
    }
    let row = limit(gateway, "files");
    assert!(row["in_use"].as_u64().unwrap() > row["total"].as_u64().unwrap() / 5 * 2, "{row}");
    all_are_served(gateway, "device/spy0", "files").await;
    drop(held);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_strangers_keep_nobody_from_enrolling() {
    let (gateway, _backend) = world("");
    let ask = "GET /v1/self HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut floods = JoinSet::new();
    for last in 2..8 {
        let from = stranger(&gateway).coming_from([127, 0, 0, last].into());
        floods
            .spawn(async move { flood(&from, 40, ask.as_bytes(), Duration::from_secs(15)).await });
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let newcomers = (0..6).map(|number| format!("device/new{number}"));
    let newcomers: Vec<_> = newcomers.collect();
    tokio::task::block_in_place(|| newcomers.iter().for_each(|name| gateway.enrol(name, &[])));
    all_are_served(&gateway, "device/new0", "requests").await;
    while let Some(answered) = floods.join_next().await {
        // They have their turns, and no more than these.
        assert!((50..1500).contains(&answered.unwrap()), "it was no flood");
    }
}

/// Sends the head of a request and most of its body, and keeps the rest.
async fn half_a_body(client: &Client, path: &str) -> Option<Stream> {
    let mut stream = client.connect("localhost").await.ok()?;
    let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 65000\r\n\r\n");
    let sent = async {
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&vec![b'x'; 64_000]).await
    };
    timeout(PATIENCE, sent).await.ok()?.ok()?;
    Some(stream)
}

#[tokio::test]
async fn bodies_that_never_end_take_bounded_room_and_keep_nobody_out() {
    let (gateway, _backend) = world("[limits]\nbodies = 1048576\n");
    let mut held = vec![];
    for name in powerless(&gateway, 12) {
        let spy = client(&gateway, &name);
        for _ in 0..6 {
            held.extend(half_a_body(&spy, "/v1/renew").await);
        }
    }
    let row = limit(&gateway, "requests being read");
    let of = |key: &str| row[key].as_u64().unwrap();
    assert!(of("in_use") > of("total") / 4, "{row}");
    assert!(of("in_use") <= of("total") - of("administration"), "{row}");
    all_are_served(&gateway, "device/spy0", "bodies").await;
    drop(held);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bundles_that_readers_send_slowly_keep_no_change_waiting() {
    let (gateway, _backend) = world("");
    let mut readers = JoinSet::new();
    for name in ["carol", "dave"] {
        gateway.enrol(&format!("user/{name}"), &["--role", "auditor"]);
        let ca = gateway.identity("owner").join("ca.pem");
        let shown = Credentials::read(&gateway.identity(name));
        let reader = Client::speaking(gateway.management, &ca, Some(shown), &["http/1.1"]);
        for _ in 0..4 {
            let reader = reader.clone();
            readers.spawn(async move {
                let mut stream = reader.connect("localhost").await?;
                let head = "POST /v1/policies/test HTTP/1.1\r\nHost: localhost\r\n\
                            Content-Length: 80000000\r\n\r\n{\"policy\":\"";
                stream.write_all(head.as_bytes()).await?;
                let chunk = vec![b'#'; 14_000];
                loop {
                    stream.write_all(&chunk).await?;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                #[expect(unreachable_code, reason = "names the type")]
                std::io::Result::Ok(())
            });
        }
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    for number in 0..3 {
        let rule = format!("p, user/alice, plc, other{number}, connect, , allow");
        tokio::task::block_in_place(|| gateway.rules(&rule));
    }
    all_are_served(&gateway, "user/carol", "bundles").await;
    readers.shutdown().await;
}

/// Asks for something, and does not take the answer. The answer's status.
async fn ask(client: &Client, path: &str) -> (Stream, u16) {
    let mut stream = client.connect("localhost").await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    timeout(PATIENCE, stream.read_exact(&mut status)).await.unwrap().unwrap();
    let status = std::str::from_utf8(&status[9..]).unwrap().parse().unwrap();
    (stream, status)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_answers_that_nobody_takes_have_bounded_room() {
    let (gateway, _backend) = world("[limits]\nuploads = 33554432\n");
    gateway.enrol("user/carol", &["--role", "auditor"]);
    // A few MiB, so that what the kernel takes over is not all of it.
    let filler = "#".repeat(200) + "\n";
    tokio::task::block_in_place(|| gateway.rules(&filler.repeat(20_000)));
    let revision = gateway.owner_json(&["policy", "history"])[0]["revision"].as_u64().unwrap();
    let path = format!("/v1/policies/revisions/{revision}");
    let ca = gateway.identity("owner").join("ca.pem");
    let shown = Credentials::read(&gateway.identity("carol"));
    let reader = Client::speaking(gateway.management, &ca, Some(shown), &["h2"]);
    let stream = reader.connect("localhost").await.unwrap();
    // What the windows of HTTP/2 have no room for is not sent, so the kernel takes nothing over.
    let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut get = async || {
        let uri = format!("https://localhost{path}");
        let request = http::Request::get(uri).body(()).unwrap();
        sender = sender.clone().ready().await.unwrap();
        sender.send_request(request, true).unwrap().0.await.unwrap()
    };
    let (mut held, mut busy) = (vec![], 0);
    for _ in 0..12 {
        let answer = get().await;
        match answer.status().as_u16() {
            200 => held.push(answer),
            503 => busy += 1,
            other => panic!("answered {other}"),
        }
    }
    assert!(!held.is_empty() && busy > 0, "{} held, {busy} refused", held.len());
    let row = limit(&gateway, "large bodies");
    let of = |key: &str| row[key].as_u64().unwrap();
    assert!(of("in_use") > 0 && of("in_use") <= of("share"), "{row}");
    tokio::task::block_in_place(|| gateway.rules("p, user/alice, plc, tcp, connect, , allow"));
    drop(held);
    let patience = Instant::now() + PATIENCE;
    while limit(&gateway, "large bodies")["in_use"] != 0 {
        assert!(Instant::now() < patience, "the room is not given back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(get().await.status(), 200);
    connection.abort();
}

/// A frame of yamux with data of a stream, which it opens.
fn opening(stream: u32, data: &[u8]) -> Vec<u8> {
    let mut frame = vec![0, 0, 0, 1];
    frame.extend(stream.to_be_bytes());
    frame.extend((data.len() as u32).to_be_bytes());
    frame.extend(data);
    frame
}

#[tokio::test]
async fn streams_of_whoever_says_no_hello_have_counted_room() {
    let (gateway, _backend) = world("[limits]\nbuffers = 16777216\n");
    let name = powerless(&gateway, 1).remove(0);
    let ca = gateway.identity("owner").join("ca.pem");
    let shown = Credentials::read(&gateway.identity(&name));
    let spy = Client::speaking(gateway.listen, &ca, Some(shown), &["doorward/1"]);
    let mut held = vec![];
    for _ in 0..4 {
        let mut stream = spy.connect("localhost").await.unwrap();
        // Half of the length of Hello, and then other streams.
        stream.write_all(&opening(1, &[0])).await.unwrap();
        for number in 1..60 {
            let frame = opening(2 * number + 1, &[7; 200_000]);
            if !matches!(timeout(PATIENCE, stream.write_all(&frame)).await, Ok(Ok(()))) {
                break;
            }
        }
        held.push(stream);
    }
    let row = limit(&gateway, "buffers");
    assert_eq!(row["in_use"], row["share"], "{row}");
    all_are_served(&gateway, "device/spy0", "buffers").await;
    drop(held);
}

#[tokio::test]
async fn answers_that_nobody_takes_have_counted_room() {
    let (gateway, _backend) = world("[limits]\nbodies = 1048576\n");
    let name = powerless(&gateway, 1).remove(0);
    let ca = gateway.identity("owner").join("ca.pem");
    let shown = Credentials::read(&gateway.identity(&name));
    let spy = Client::speaking(gateway.listen, &ca, Some(shown), &["h2"]);
    let (mut held, mut statuses, mut answers) = (vec![], vec![], vec![]);
    for _ in 0..4 {
        let stream = spy.connect("localhost").await.unwrap();
        let mut builder = h2::client::Builder::new();
        let handshake = builder.initial_window_size(0).handshake::<_, bytes::Bytes>(stream);
        let (sender, connection) = handshake.await.unwrap();
        held.push(tokio::spawn(connection));
        for _ in 0..40 {
            let request = http::Request::get("https://localhost/v1/self").body(()).unwrap();
            let mut ready = sender.clone().ready().await.unwrap();
            let answer = ready.send_request(request, true).unwrap().0;
            let answer = timeout(PATIENCE, answer).await.unwrap().unwrap();
            statuses.push(answer.status().as_u16());
            // Its body is not asked for, nor is the stream given up.
            answers.push(answer);
        }
    }
    assert!(statuses.contains(&200) && statuses.contains(&503), "{statuses:?}");
    let row = limit(&gateway, "requests being read");
    let of = |key: &str| row[key].as_u64().unwrap();
    assert!(of("in_use") > of("share") / 2 && of("in_use") <= of("share") + 8192, "{row}");
    all_are_served(&gateway, "device/spy0", "answers").await;
    drop(answers);
    held.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_about_the_policy_have_few_places() {
    let (gateway, _backend) = world("");
    gateway.enrol("user/carol", &["--role", "auditor"]);
    let rules: String =
        (0..20_000).map(|n| format!("p, role/r{n}, plc, x/{n}, connect, , allow\n")).collect();
    tokio::task::block_in_place(|| gateway.rules(&rules));
    let ca = gateway.identity("owner").join("ca.pem");
    let shown = Credentials::read(&gateway.identity("carol"));
    let carol = Client::speaking(gateway.management, &ca, Some(shown), &["http/1.1"]);
    let body = r#"{"subject":"user/alice","action":"connect","resource":"plc/none"}"#;
    let head = format!(
        "POST /v1/policies/explain HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut asking = JoinSet::new();
    for _ in 0..24 {
        let (carol, head) = (carol.clone(), head.clone());
        asking.spawn(async move {
            let mut stream = carol.connect("localhost").await?;
            loop {
                stream.write_all(head.as_bytes()).await?;
                if stream.read(&mut [0; 4096]).await? == 0 {
                    return std::io::Result::Ok(());
                }
            }
        });
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    for _ in 0..5 {
        let row = limit(&gateway, "questions about the policy");
        assert!(row["in_use"].as_u64() <= row["share"].as_u64(), "{row}");
    }
    all_are_served(&gateway, "user/carol", "questions").await;
    asking.shutdown().await;
}

#[tokio::test]
async fn whoever_follows_the_audit_log_does_so_a_few_times_at_once() {
    let (gateway, _backend) = world("");
    gateway.enrol("user/carol", &["--role", "auditor"]);
    let ca = gateway.identity("owner").join("ca.pem");
    let reader = |who: &str| {
        let shown = Credentials::read(&gateway.identity(who));
        Client::speaking(gateway.management, &ca, Some(shown), &["http/1.1"])
    };
    let (carol, mut held) = (reader("carol"), vec![]);
    for expected in [[200; 16].as_slice(), &[503; 4]].concat() {
        let (stream, status) = ask(&carol, "/v1/audit?follow=1").await;
        assert_eq!(status, expected);
        held.push(stream);
    }
    assert_eq!(ask(&reader("owner"), "/v1/audit?last=1").await.1, 200);
    drop(held);
    let patience = Instant::now() + PATIENCE;
    while ask(&carol, "/v1/audit?last=1").await.1 != 200 {
        assert!(Instant::now() < patience, "the places are not given back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn every_limit_is_told_with_its_total_its_share_and_what_is_kept() {
    let gateway = Gateway::with("[limits]\nflows = 100\n");
    let all = gateway.owner_json(&["status", "--limits"]);
    let all = all.as_array().unwrap();
    let of = |key: &str| all.iter().map(|row| row[key].clone()).collect::<Vec<_>>();
    for what in [
        "files",
        "connections",
        "handshakes",
        "management connections",
        "new handshakes",
        "requests without identity",
        "sessions",
        "flows",
        "buffers",
        "requests being read",
        "large bodies",
        "bundles being examined",
        "questions about the policy",
        "audit log being read",
    ] {
        assert!(of("what").contains(&what.into()), "{what}");
    }
    for row in all {
        let (total, share) = (row["total"].as_u64().unwrap(), row["share"].as_u64().unwrap());
        assert!(share > 0 && share < total, "{row}");
    }
    let flows = limit(&gateway, "flows");
    assert_eq!((&flows["total"], &flows["from"]), (&100.into(), &"configuration".into()));
    assert_eq!(flows["setting"], "limits.flows");
    assert_eq!(gateway.owner_json(&["status"])["limits"].as_array().unwrap().len(), all.len());
    let shown = gateway.owner(&["status", "--limits"]);
    assert!(shown.contains("MOST FOR ONE") && shown.contains("limits.flows"), "{shown}");
}
