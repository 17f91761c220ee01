//! Clients that ask about as much as they can: others do not wait for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use doorward_tests::client::{Client, PATIENCE};
use doorward_tests::forge::Credentials;
use doorward_tests::running::wait_until;
use doorward_tests::{Backend, Gateway, Kind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use super::world::{NAME, RULES, World};

/// As many as one packet may have.
const FILTERS: usize = 1024;
/// How many connections ask.
const FLOODS: usize = 4;
/// How often somebody else is served meanwhile.
const ROUNDS: usize = 40;

type Reading = ReadHalf<TlsStream<TcpStream>>;
type Writing = WriteHalf<TlsStream<TcpStream>>;

fn client(world: &World, who: &str) -> Client {
    let identity = world.gateway.identity(who);
    let credentials = Credentials::read(&identity);
    Client::new(world.gateway.listen, &identity.join("ca.pem"), Some(credentials))
}

/// A connection to the broker that MQTT 5 is spoken on.
async fn joined(client: &Client, id: &str) -> (Reading, Writing) {
    let (mut read, mut write) = tokio::io::split(client.connect(NAME).await.unwrap());
    let mut connect = b"\x00\x04MQTT\x05\x02\x00\x3c\x00".to_vec();
    connect.extend(text(id));
    write.write_all(&packet(0x10, &connect)).await.unwrap();
    let connack = timeout(PATIENCE, next(&mut read)).await.unwrap().unwrap();
    assert_eq!((connack.0, connack.1[1]), (0x20, 0));
    (read, write)
}

/// A SUBSCRIBE for that many filters, of which no two are the same.
fn subscribe(id: u16, count: usize) -> Vec<u8> {
    let mut fields = [&id.to_be_bytes()[..], &[0]].concat();
    for number in 0..count {
        fields.extend(text(&format!("x/{id:x}-{number:x}/+/{}", number % 7)));
        fields.push(0);
    }
    packet(0x82, &fields)
}

fn packet(first: u8, fields: &[u8]) -> Vec<u8> {
    let (mut packet, mut length) = (vec![first], fields.len());
    while length > 127 {
        packet.push((length % 128) as u8 | 0x80);
        length /= 128;
    }
    packet.push(length as u8);
    [packet, fields.to_vec()].concat()
}

fn text(text: &str) -> Vec<u8> {
    [&u16::try_from(text.len()).unwrap().to_be_bytes()[..], text.as_bytes()].concat()
}

/// The next packet: its first byte, and what follows its length. `None` if the connection has ended.
async fn next(read: &mut Reading) -> Option<(u8, Vec<u8>)> {
    let first = read.read_u8().await.ok()?;
    let (mut length, mut shift) = (0, 0);
    loop {
        let byte = read.read_u8().await.ok()?;
        length |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let mut fields = vec![0; length];
    read.read_exact(&mut fields).await.ok()?;
    Some((first, fields))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_what_somebody_else_subscribes_to() {
    let world = World::at(Gateway::on_one_thread(), "");
    let echo = Backend::tcp(Kind::Echo);
    world.gateway.declare("plc/echo", echo.url());
    world.gateway.rules(&format!(
        "{RULES}\np, user/mallory, plc, mqtt, connect, , allow\n\
         p, user/alice, plc, echo, connect, , allow"
    ));
    let mut served = client(&world, "alice").connect("echo--plc.doorward.home.arpa").await.unwrap();
    let mut greeting = vec![0; doorward_tests::backend::GREETING.len()];
    served.read_exact(&mut greeting).await.unwrap();

    // Mallory may connect, and subscribe to nothing.
    let answered = Arc::new(AtomicUsize::new(0));
    let (mallory, mut floods) = (client(&world, "mallory"), vec![]);
    for number in 0..FLOODS {
        let (mut read, mut write) = joined(&mallory, &format!("c{number}")).await;
        tokio::spawn(async move {
            for id in (1..=u16::MAX).cycle() {
                if write.write_all(&subscribe(id, FILTERS)).await.is_err() {
                    return;
                }
            }
        });
        let answered = Arc::clone(&answered);
        floods.push(tokio::spawn(async move {
            while let Some((first, fields)) = next(&mut read).await {
                assert_eq!(first, 0x90);
                assert_eq!(fields[3..], [0x87; FILTERS]);
                answered.fetch_add(1, Ordering::SeqCst);
            }
        }));
    }
    let count = || answered.load(Ordering::SeqCst);
    let going = async {
        while count() < 2 * FLOODS {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, going).await.expect("the floods have begun");

    // How many packets of Mallory's are answered while one byte goes to the backend and back.
    let mut meanwhile = vec![];
    for _ in 0..ROUNDS {
        let before = count();
        let round = async {
            served.write_all(b"x").await.unwrap();
            served.read_u8().await.unwrap()
        };
        assert_eq!(timeout(PATIENCE, round).await.expect("alice is served"), b'x');
        meanwhile.push(count() - before);
    }
    meanwhile.sort_unstable();
    // Whatever else this machine does, most rounds wait for a few turns, and not for packets.
    assert!(meanwhile[ROUNDS / 2] <= 2 * FLOODS, "{meanwhile:?}");

    // The right to all that is taken away at once.
    world.gateway.owner(&["user", "revoke", "mallory"]);
    for flood in floods {
        timeout(PATIENCE, flood).await.expect("a flood ends").unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_is_too_long_is_refused_and_recorded_and_the_connection_goes_on() {
    let world = World::new();
    let (mut read, mut write) = joined(&client(&world, "bob"), "bob").await;
    for (id, count, code) in [(1, 1025, 0x97), (2, 1024, 0), (3, 15_000, 0x97), (4, 3, 0)] {
        write.write_all(&subscribe(id, count)).await.unwrap();
        let (first, fields) = timeout(PATIENCE, next(&mut read)).await.unwrap().unwrap();
        assert_eq!((first, &fields[..2]), (0x90, &id.to_be_bytes()[..]));
        assert_eq!(fields[3..], vec![code; count]);
    }
    let refused = |record: &serde_json::Value| record["reason"] == "too-many-filters";
    let record = world.gateway.await_record("what was refused", refused);
    assert_eq!(
        (&record["event"], &record["action"], &record["path"], &record["subject"]),
        (&"operation-refused".into(), &"subscribe".into(), &"mqtt".into(), &"user/bob".into())
    );
    wait_until("what is permitted", || world.broker.subscribed("user/bob:bob").len() == 1027);
}
