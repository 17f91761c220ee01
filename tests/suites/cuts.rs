//! A flow in progress ends the moment its right is taken away, at every door and for every
//! cause, and never as if it were complete.

use std::io::{Read as _, Write as _};
use std::process::{Child, Stdio};
use std::time::Duration;

use bytes::Bytes;
use doorward_tests::backend::GREETING;
use doorward_tests::client::{Client, PATIENCE};
use doorward_tests::forge::Credentials;
use doorward_tests::gateway::agent;
use doorward_tests::{Backend, Gateway, Kind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

const DOMAIN: &str = "doorward.home.arpa";

/// A flow that has said hello both ways and goes on.
enum Flow {
    Tls(Box<TlsStream<TcpStream>>),
    Http2 {
        up: h2::SendStream<Bytes>,
        down: h2::RecvStream,
        _connection: tokio::task::JoinHandle<()>,
    },
    Agent(Child),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    TcpBySni,
    UnixBySni,
    ConnectHttp1,
    ConnectHttp2,
    Agent,
}

const DOORS: [Door; 5] =
    [Door::TcpBySni, Door::UnixBySni, Door::ConnectHttp1, Door::ConnectHttp2, Door::Agent];

struct World {
    gateway: Gateway,
    tcp: Backend,
    unix: Backend,
}

impl World {
    fn new() -> Self {
        let gateway = Gateway::start();
        let tcp = Backend::tcp(Kind::Echo);
        let unix = Backend::unix(Kind::Echo, &gateway.sockets());
        gateway.declare("plc/tcp", tcp.url());
        gateway.declare("plc/sock", unix.url());
        // Somebody else's flows, which nothing here may disturb.
        gateway.declare("pump/tcp", tcp.url());
        for user in ["alice", "bob"] {
            gateway.enrol(&format!("user/{user}"), &["--role", "operator"]);
        }
        Self { gateway, tcp, unix }
    }

    fn client(&self, user: &str, protocols: &[&str]) -> Client {
        let dir = self.gateway.identity(user);
        let credentials = Some(Credentials::read(&dir));
        Client::speaking(self.gateway.listen, &dir.join("ca.pem"), credentials, protocols)
    }

    async fn open(&self, door: Door, user: &str, device: &str) -> Flow {
        let mut flow = match door {
            Door::TcpBySni => self.by_name(user, &format!("tcp--{device}")).await,
            Door::UnixBySni => self.by_name(user, &format!("sock--{device}")).await,
            Door::ConnectHttp1 => {
                let client = self.client(user, &["http/1.1"]);
                let authority = format!("tcp--{device}:1");
                let (status, head, stream) = client.tunnel("localhost", &authority).await.unwrap();
                assert_eq!(status, 200, "{head}");
                Flow::Tls(Box::new(stream))
            }
            Door::ConnectHttp2 => self.tunnel_http2(user, &format!("tcp--{device}:1")).await,
            Door::Agent => {
                let mut command = agent();
                command.args(["connect", &format!("{device}/tcp"), "--stdio", "--dir"]);
                command.arg(self.gateway.identity(user));
                command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
                Flow::Agent(command.spawn().unwrap())
            }
        };
        assert_eq!(flow.read(GREETING.len()).await, GREETING, "{door:?}");
        flow.echo().await;
        flow
    }

    async fn by_name(&self, user: &str, label: &str) -> Flow {
        let client = self.client(user, &[]);
        Flow::Tls(Box::new(client.connect(&format!("{label}.{DOMAIN}")).await.unwrap()))
    }

    async fn tunnel_http2(&self, user: &str, authority: &str) -> Flow {
        let stream = self.client(user, &["h2"]).connect("localhost").await.unwrap();
        let (send, connection) = h2::client::handshake(stream).await.unwrap();
        let connection = tokio::spawn(async move { drop(connection.await) });
        let mut send = send.ready().await.unwrap();
        let request = http::Request::builder().method("CONNECT").uri(authority).body(()).unwrap();
        let (response, up) = send.send_request(request, false).unwrap();
        let response = response.await.unwrap();
        assert_eq!(response.status(), 200);
        Flow::Http2 { up, down: response.into_body(), _connection: connection }
    }
}

impl Flow {
    async fn write(&mut self, bytes: &'static [u8]) -> bool {
        match self {
            Self::Tls(stream) => stream.write_all(bytes).await.is_ok(),
            Self::Http2 { up, .. } => up.send_data(Bytes::from_static(bytes), false).is_ok(),
            Self::Agent(child) => {
                let stdin = child.stdin.as_mut().unwrap();
                stdin.write_all(bytes).and_then(|()| stdin.flush()).is_ok()
            }
        }
    }

    async fn read(&mut self, count: usize) -> Vec<u8> {
        let mut all = vec![0; count];
        match self {
            Self::Tls(stream) => {
                let read = tokio::time::timeout(PATIENCE, stream.read_exact(&mut all)).await;
                read.unwrap().unwrap();
            }
            Self::Http2 { down, .. } => {
                all.clear();
                while all.len() < count {
                    let chunk = tokio::time::timeout(PATIENCE, down.data()).await.unwrap();
                    let chunk = chunk.unwrap().unwrap();
                    let _ = down.flow_control().release_capacity(chunk.len());
                    all.extend_from_slice(&chunk);
                }
            }
            Self::Agent(child) => child.stdout.as_mut().unwrap().read_exact(&mut all).unwrap(),
        }
        all
    }

    async fn echo(&mut self) {
        assert!(self.write(b"still there?").await);
        assert_eq!(self.read(12).await, b"still there?");
    }

    /// How it ended: whether properly. Waits for the end.
    async fn ended_properly(self) -> bool {
        self.end().await.0
    }

    /// How it ended: whether properly, and what an agent says of it. Waits for the end.
    async fn end(self) -> (bool, Option<String>) {
        let proper = match self {
            Self::Tls(mut stream) => {
                let mut rest = Vec::new();
                let end = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
                assert!(rest.is_empty());
                end.expect("it ends").is_ok()
            }
            Self::Http2 { mut down, up: _up, .. } => {
                match tokio::time::timeout(PATIENCE, down.data()).await.expect("it ends") {
                    None => true,
                    Some(Err(_)) => false,
                    Some(Ok(chunk)) => panic!("{chunk:?}"),
                }
            }
            Self::Agent(child) => {
                let ended = tokio::task::spawn_blocking(move || child.wait_with_output());
                let output = tokio::time::timeout(PATIENCE, ended).await.expect("it ends");
                let output = output.unwrap().unwrap();
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                return (output.status.success(), Some(said));
            }
        };
        (proper, None)
    }
}

/// What an agent says when the identity has ended, and when only the right to an interface has.
const IDENTITY: &str = "the identity is no longer valid, or an administrator ended the session";
const RIGHT: &str = "no such interface, or no right to it";

/// A way to take the right away, and the word for it in the record of the flow's end.
struct Cause {
    name: &'static str,
    reason: &'static str,
    /// What the agent says.
    said: &'static str,
    take: fn(&Gateway),
    /// Makes the next cause possible.
    give_back: fn(&Gateway),
}

fn owner(gateway: &Gateway, words: &str) {
    gateway.owner(&words.split(' ').collect::<Vec<_>>());
}

const CAUSES: &[Cause] = &[
    Cause {
        name: "the user is revoked",
        reason: "certificate-not-live",
        said: IDENTITY,
        take: |gateway| owner(gateway, "user revoke alice"),
        give_back: |gateway| {
            let code = gateway.code(&["user", "code", "alice"]);
            gateway.redeem(&code, "alice").ok();
        },
    },
    Cause {
        name: "the user is disabled",
        reason: "subject-disabled",
        said: IDENTITY,
        take: |gateway| owner(gateway, "user disable alice"),
        give_back: |gateway| owner(gateway, "user enable alice"),
    },
    Cause {
        name: "the user is removed",
        reason: "unknown-subject",
        said: IDENTITY,
        take: |gateway| owner(gateway, "user remove alice"),
        give_back: |gateway| gateway.enrol("user/alice", &["--role", "operator"]),
    },
    Cause {
        name: "the role is taken",
        reason: "no-rule",
        said: RIGHT,
        take: |gateway| owner(gateway, "user set alice --no-role operator"),
        give_back: |gateway| owner(gateway, "user set alice --role operator"),
    },
    Cause {
        name: "a rule denies",
        reason: "denied-by-rule",
        said: RIGHT,
        take: |gateway| gateway.rules("p, user/alice, plc, **, *, , deny"),
        give_back: |gateway| gateway.rules(""),
    },
    Cause {
        name: "the device is disabled",
        reason: "device-disabled",
        said: RIGHT,
        take: |gateway| owner(gateway, "device disable plc"),
        give_back: |gateway| owner(gateway, "device enable plc"),
    },
    Cause {
        name: "the interfaces are off",
        reason: "interface-disabled",
        said: RIGHT,
        take: |gateway| {
            owner(gateway, "interface disable plc/tcp");
            owner(gateway, "interface disable plc/sock");
        },
        give_back: |gateway| {
            owner(gateway, "interface enable plc/tcp");
            owner(gateway, "interface enable plc/sock");
        },
    },
    Cause {
        name: "an administrator cuts the session",
        reason: "cut-by-administrator",
        said: IDENTITY,
        take: |gateway| {
            for session in gateway.owner_json(&["session", "list"]).as_array().unwrap() {
                if session["subject"] == "user/alice" {
                    owner(gateway, &format!("session cut {}", session["id"].as_str().unwrap()));
                }
            }
        },
        give_back: |_| {},
    },
    Cause {
        name: "the role ends by itself",
        reason: "no-rule",
        said: RIGHT,
        take: |gateway| {
            let soon = jiff::Timestamp::now() + Duration::from_millis(700);
            owner(gateway, &format!("user set alice --role operator --until {soon}"));
        },
        give_back: |gateway| owner(gateway, "user set alice --role operator"),
    },
    Cause {
        name: "the rule ends by itself",
        reason: "denied-by-rule",
        said: RIGHT,
        take: |gateway| {
            let soon = jiff::Timestamp::now() + Duration::from_millis(700);
            gateway.rules(&format!("p, user/alice, plc, **, *, after={soon}, deny"));
        },
        give_back: |gateway| gateway.rules(""),
    },
    Cause {
        name: "the device is removed",
        reason: "unknown-device",
        said: RIGHT,
        take: |gateway| owner(gateway, "device remove plc"),
        give_back: |_| {},
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_in_progress_is_cut_at_every_door_and_for_every_cause() {
    let world = World::new();
    let gateway = &world.gateway;
    let mut undisturbed = world.open(Door::TcpBySni, "bob", "pump").await;
    for cause in CAUSES {
        let mut flows = Vec::new();
        for door in DOORS {
            flows.push((door, world.open(door, "alice", "plc").await));
        }
        let before = gateway.audit().len();
        (cause.take)(gateway);
        for (door, flow) in flows {
            let (proper, said) = flow.end().await;
            assert!(!proper, "{}: {door:?} ended properly", cause.name);
            let right = said.as_ref().is_none_or(|said| said.contains(cause.said));
            assert!(right, "{}: {door:?} said {said:?}", cause.name);
        }
        // Each of them is recorded with its cause.
        let of_alice = |record: &&serde_json::Value| {
            record["event"] == "flow-end" && record["subject"] == "user/alice"
        };
        let mut ends = vec![];
        for _ in 0..100 {
            let records = gateway.audit();
            ends = records.iter().skip(before).filter(of_alice).cloned().collect();
            if ends.len() == DOORS.len() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(ends.len(), DOORS.len(), "{}", cause.name);
        for end in &ends {
            assert_eq!(end["outcome"], "cut", "{}: {end}", cause.name);
            assert_eq!(end["reason"], cause.reason, "{}: {end}", cause.name);
            // A flow that a rule denies names the rule.
            if cause.reason == "denied-by-rule" {
                assert_eq!(end["rules"].as_array().map(Vec::len), Some(1), "{end}");
                assert!(end["revision"].is_u64(), "{end}");
            }
        }
        let status = gateway.owner_json(&["status"]);
        assert_eq!(status["untracked"], 0);
        (cause.give_back)(gateway);
    }
    undisturbed.echo().await;
    assert_eq!(world.unix.saw().0, CAUSES.len() as u64);
    drop(undisturbed);
    world.tcp.wait_until_quiet();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interface_declared_anew_is_another_and_ends_the_flows_of_the_first() {
    let world = World::new();
    let flow = world.open(Door::TcpBySni, "alice", "plc").await;
    owner(&world.gateway, "interface remove plc/tcp");
    world.gateway.owner(&["interface", "add", "plc/tcp", world.tcp.url()]);
    assert!(!flow.ended_properly().await);
    world.open(Door::TcpBySni, "alice", "plc").await.echo().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_gateway_lets_flows_end_and_cuts_what_is_left() {
    let mut world = World::new();
    let mut quick = world.open(Door::TcpBySni, "alice", "plc").await;
    let lasting = world.open(Door::ConnectHttp2, "alice", "plc").await;
    let other = world.open(Door::UnixBySni, "bob", "plc").await;
    let child = world.gateway.process();
    doorward_tests::gateway::signal(child, "TERM");
    // Told to stop, it takes nothing new, and what is live goes on.
    while TcpStream::connect(world.gateway.listen).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    quick.echo().await;
    let Flow::Tls(mut stream) = quick else { unreachable!() };
    stream.shutdown().await.unwrap();
    let mut rest = vec![];
    stream.read_to_end(&mut rest).await.expect("its end is proper");
    // Told twice, it does not wait.
    doorward_tests::gateway::signal(child, "TERM");
    assert!(!lasting.ended_properly().await);
    assert!(!other.ended_properly().await);
    assert_eq!(world.gateway.stop(), Some(0));
    world.gateway.serve();
    let records = world.gateway.audit();
    let reasons: Vec<_> = records
        .iter()
        .filter(|record| record["event"] == "flow-end")
        .map(|record| record["reason"].as_str().unwrap())
        .collect();
    assert_eq!(reasons.iter().filter(|one| **one == "complete").count(), 1, "{reasons:?}");
    assert_eq!(reasons.iter().filter(|one| **one == "gateway-stopping").count(), 2, "{reasons:?}");
    let stops = records.iter().filter(|record| record["event"] == "stop").count();
    assert_eq!(stops, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_ends_ends_its_flows() {
    let gateway = Gateway::with("[certificates]\nuser = \"6s\"\n");
    let tcp = Backend::tcp(Kind::Echo);
    gateway.declare("plc/tcp", tcp.url());
    // The owner's own certificate lives as short; what is to be done is done at once.
    gateway.enrol("user/alice", &["--role", "operator"]);
    let world = World { tcp, unix: Backend::tcp(Kind::Echo), gateway };
    let flow = world.open(Door::TcpBySni, "alice", "plc").await;
    assert!(!flow.ended_properly().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_flow_ends() {
    let gateway = Gateway::with("[limits]\nidle = \"1s\"\n");
    let tcp = Backend::tcp(Kind::Echo);
    gateway.declare("plc/tcp", tcp.url());
    gateway.enrol("user/alice", &["--role", "operator"]);
    let world = World { tcp, unix: Backend::tcp(Kind::Echo), gateway };
    let mut flow = world.open(Door::TcpBySni, "alice", "plc").await;
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        flow.echo().await;
    }
    assert!(!flow.ended_properly().await);
    world.gateway.await_record("a silent flow", |record| record["reason"] == "idle");
}
