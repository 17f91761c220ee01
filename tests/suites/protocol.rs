//! `doorward/1` as others speak it: a client on another QUIC stack, written from the protocol's
//! page alone.

use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::time::Duration;

use doorward_tests::gateway::Ran;
use doorward_tests::running::wait_until;
use doorward_tests::tools::{python, script};
use doorward_tests::{Backend, Gateway, Kind};
use serde_json::{Value, json};

fn client(gateway: &Gateway, who: &str, words: &[&str]) -> Command {
    let mut command = Command::new(python());
    command.arg(script("doorward1.py")).arg(gateway.identity(who)).args(words);
    command.stdin(Stdio::null());
    command
}

/// What the client printed, a value for each line.
fn told(gateway: &Gateway, who: &str, words: &[&str]) -> Vec<Value> {
    let out = Ran::of(client(gateway, who, words).output().unwrap()).ok();
    out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn another_stack_reaches_what_policy_allows_and_nothing_else() {
    let gateway = Gateway::start();
    let backend = Backend::tcp(Kind::Echo);
    gateway.declare("plc/tcp", backend.url());
    gateway.enrol("user/alice", &["--role", "operator"]);
    gateway.enrol("user/mallory", &[]);

    let welcome = json!({ "welcome": true, "version": 1 });
    // A refusal says the same whether there is such an interface or not, and reaches nobody.
    for interface in ["plc/tcp", "plc/none", "nobody/tcp", "gateway/policies", "§§"] {
        let said = told(&gateway, "mallory", &["open", interface, "secret"]);
        assert_eq!(said[0], welcome);
        assert_eq!(said[1]["refused"], 1, "{interface}: {said:?}");
        let flow = said[1]["flow"].as_str().unwrap();
        gateway.await_record("the refusal", |record| record["flow"] == flow);
    }
    assert_eq!(backend.saw(), (0, 0));

    let said = told(&gateway, "alice", &["open", "plc/tcp", "over another stack"]);
    assert_eq!(said[0], welcome);
    assert_eq!(said[1]["admitted"], true, "{said:?}");
    assert_eq!(said[1]["kind"], 1);
    assert_eq!(said[1]["actions"], json!(["connect"]));
    assert_eq!(said[1]["end"], "proper");
    assert!(said[1]["data"].as_str().unwrap().ends_with("over another stack"), "{said:?}");

    // One action that is not granted, or does not exist, refuses the whole.
    let said = told(&gateway, "alice", &["ask", "plc/tcp", "read", "ask", "plc/tcp", "fly"]);
    assert_eq!((&said[1]["refused"], &said[2]["refused"]), (&json!(1), &json!(7)), "{said:?}");

    // What is not known is named, and the connection goes on; what breaks the rules ends it.
    let words = ["unknown", "300", "open", "plc/tcp", "still here", "oversized"];
    let said = told(&gateway, "alice", &words);
    assert_eq!(said[1], json!({ "not-known": 300 }));
    assert_eq!(said[2]["admitted"], true);
    assert_eq!(said[3], json!({ "bye": 7, "code": 7 }));

    // Whoever has been revoked is told so, and no more.
    gateway.owner(&["user", "revoke", "alice"]);
    let out = client(&gateway, "alice", &["open", "plc/tcp", "x"]).output().unwrap();
    let out = Ran::of(out);
    assert!(!out.out.contains("welcome"), "{out:?}");
}

#[test]
fn datagrams_pass_on_another_stack() {
    let gateway = Gateway::start();
    let echo = UdpSocket::bind("127.0.0.1:0").unwrap();
    gateway.declare("plc/udp", &format!("udp://{}", echo.local_addr().unwrap()));
    gateway.enrol("user/alice", &["--role", "operator"]);
    gateway.enrol("user/mallory", &[]);
    std::thread::spawn(move || {
        let mut bytes = [0; 65536];
        while let Ok((count, from)) = echo.recv_from(&mut bytes) {
            echo.send_to(&bytes[..count], from).unwrap();
        }
    });
    let said = told(&gateway, "mallory", &["datagram", "plc/udp", "x"]);
    assert_eq!(said[1]["refused"], 1);
    let words =
        ["datagram", "plc/udp", "hello", "large", "plc/udp", "20000", "open", "plc/udp", "x"];
    let said = told(&gateway, "alice", &words);
    assert_eq!((&said[1]["kind"], &said[1]["data"]), (&json!(2), &json!("hello")), "{said:?}");
    assert_eq!(said[2]["size"], 20000);
    // Nobody said how it is to travel: as the interface does.
    assert_eq!(said[3]["kind"], 2);
}

#[test]
fn a_device_on_another_stack_offers_and_renews() {
    let gateway = Gateway::start();
    gateway.enrol("device/camera", &[]);
    gateway.owner(&["interface", "add", "camera/picture", "agent:picture"]);
    gateway.enrol("user/alice", &["--role", "operator"]);

    let declined = told(&gateway, "camera", &["offer", "sound"]);
    assert!(declined[1]["declined"]["sound"].as_str().unwrap().contains("declared"));

    let mut camera = client(&gateway, "camera", &["offer", "picture"]);
    let mut camera = camera.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(camera.stdout.take().unwrap()));
    let mut line = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(line()["welcome"], true);
    assert_eq!(line(), json!({ "offered": true, "declined": {} }));
    let said = told(&gateway, "alice", &["open", "camera/picture", "smile"]);
    assert_eq!(
        (&said[1]["data"], &said[1]["end"]),
        (&json!("smile"), &json!("proper")),
        "{said:?}"
    );
    let served = json!({ "served": "picture", "subject": "user/alice", "bytes": 5 });
    assert_eq!(line(), served);
    camera.wait().unwrap();

    // Nobody is there any more.
    let said = told(&gateway, "alice", &["open", "camera/picture", "smile"]);
    assert_eq!(said[1]["refused"], 3, "{said:?}");

    let said = told(&gateway, "camera", &["renew", "renew"]);
    let uri = json!(["spiffe://doorward.home.arpa/device/camera"]);
    for renewed in &said[1..] {
        assert_eq!((&renewed["renewed"], &renewed["same"]), (&uri, &json!(true)), "{said:?}");
    }
}

#[test]
fn packets_of_no_connection_are_answered_with_less_than_they_are_or_not_at_all() {
    let mut gateway = Gateway::start();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(gateway.listen).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let answer = |id: u8, size: usize| {
        let mut packet = vec![id; size];
        packet[0] = 0x40;
        socket.send(&packet).unwrap();
        let mut bytes = [0; 2048];
        socket.recv(&mut bytes).ok().map(|count| bytes[..count].to_vec())
    };
    // No room for a reset that is smaller.
    for size in [1, 9, 21] {
        assert_eq!(answer(7, size), None, "{size}");
    }
    let reset = |id, size| {
        // There are only so many resets in a second.
        let mut reset = vec![];
        wait_until("a reset", || {
            reset = answer(id, size).unwrap_or_default();
            !reset.is_empty()
        });
        assert!(reset.len() < size, "{} for {size}", reset.len());
        reset[reset.len() - 16..].to_vec()
    };
    let tokens = [reset(7, 24), reset(7, 1200), reset(8, 60)];
    assert_eq!(tokens[0], tokens[1], "a connection has one");
    assert_ne!(tokens[0], tokens[2], "and each has another");
    gateway.kill();
    gateway.serve();
    assert_eq!(reset(7, 40), tokens[0], "and the next process knows it");
}
