//! What waits in the gateway for those who do not take it: never more than there is room for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use doorward_model::{Clock, DoorName};
use doorward_sdk::{Client, Error, IdentityDir, Settings, Stream, Transport, Why};
use doorward_tests::running::PATIENCE;
use doorward_tests::{Backend, Gateway, Kind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};

/// How many streams there is room for, for one subject, and how much each may bring.
const STREAMS: usize = 3;
const WINDOW: usize = 256 * 1024;
/// What is held besides for each: a buffer of ours, one of the program's, and the system's.
const BESIDES: usize = 512 * 1024;

struct System;

impl Clock for System {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
}

fn client(gateway: &Gateway, who: &str, transport: Transport) -> Client {
    let settings = Settings { transport, ..Settings::new(Arc::new(System)) };
    Client::start(IdentityDir::new(gateway.identity(who)), settings).unwrap()
}

/// The interface as a stream, or nothing where that is one too many.
async fn open(client: &Client, interface: &DoorName) -> Option<Stream> {
    match client.stream(interface).await {
        Ok(stream) => Some(stream),
        Err(Error::Flow { why: Why::Busy, .. }) => None,
        Err(other) => panic!("{other}"),
    }
}

async fn pushes(transport: Transport) {
    let gateway = Gateway::with(&format!("[limits]\nbuffers = {}\n", 4 * STREAMS * WINDOW));
    let told = Arc::new(AtomicBool::new(false));
    let backend = Backend::unix(Kind::Later(Arc::clone(&told)), &gateway.sockets());
    gateway.declare("plc/sink", backend.url());
    gateway.enrol("device/pump", &[]);
    gateway.owner(&["interface", "add", "pump/echo", "agent:echo"]);
    let _agent = gateway.agent("pump", "[interfaces.echo]\nurl = \"process:/bin/cat\"\n");
    let [sink, echo] = ["plc/sink", "pump/echo"].map(|path| DoorName::of_path(path).unwrap());

    // Many connections, each with a stream. One subject has a quarter of the room, and a quarter is
    // kept for subjects that have none yet: each of them finds some.
    let (mut streams, mut crowd) = (vec![], vec![]);
    for (who, room) in [("alice", 3), ("bob", 3), ("carol", 3), ("dave", 1), ("eve", 1)] {
        gateway.enrol(&format!("user/{who}"), &["--role", "operator"]);
        let mut admitted = 0;
        for _ in 0..=STREAMS {
            let client = client(&gateway, who, transport);
            let stream = open(&client, &sink).await;
            admitted += usize::from(stream.is_some());
            streams.extend(stream);
            crowd.push(client);
        }
        assert_eq!(admitted, room, "{who}");
    }
    let (alice, eve) = (&crowd[0], &crowd[crowd.len() - 1]);

    // As much as is taken of them while the backend reads nothing.
    let chunk = vec![7; 16 * 1024];
    let mut taken = vec![0; streams.len()];
    for (stream, taken) in streams.iter_mut().zip(&mut taken) {
        while let Ok(count) = timeout(Duration::from_secs(1), stream.write(&chunk)).await {
            *taken += count.unwrap();
            assert!(*taken <= WINDOW + BESIDES, "{taken}");
        }
        assert!(*taken >= WINDOW, "{taken}");
    }

    // Once it reads, everything arrives.
    told.store(true, Ordering::SeqCst);
    for (mut stream, taken) in streams.into_iter().zip(taken) {
        stream.shutdown().await.unwrap();
        let mut counted = String::new();
        stream.read_to_string(&mut counted).await.unwrap();
        assert_eq!(counted, format!("{taken}\n"));
    }

    // And there is room again. A flow to a device's agent is two streams, one of them the device's.
    let mut streams = vec![];
    let all = async {
        while streams.len() < STREAMS {
            match open(alice, &echo).await {
                Some(stream) => streams.push(stream),
                None => sleep(Duration::from_millis(20)).await,
            }
        }
    };
    timeout(PATIENCE, all).await.expect("room for flows to an agent");
    assert!(open(eve, &echo).await.is_none());
    for stream in &mut streams {
        stream.write_all(b"both ways").await.unwrap();
        let mut back = [0; 9];
        stream.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, b"both ways");
    }
    drop(streams);
    let freed = async {
        while open(eve, &echo).await.is_none() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, freed).await.expect("room for somebody else's flow");
}

#[tokio::test]
async fn what_is_pushed_over_quic_and_not_read_waits_within_bounds() {
    pushes(Transport::Quic).await;
}

#[tokio::test]
async fn what_is_pushed_over_tls_and_not_read_waits_within_bounds() {
    pushes(Transport::Tls).await;
}
