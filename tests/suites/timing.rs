//! How long a refusal takes, where there is such an interface and where there is none: whoever may
//! nothing must not learn from it what there is. Measured only on request, since it takes minutes
//! and a quiet machine:
//!
//! ```sh
//! DOORWARD_TIMING=20000 TMPDIR=/dev/shm cargo test -p doorward-tests --test suites -- timing --nocapture
//! ```

use std::time::{Duration, Instant};

use bytes::Bytes;
use doorward_tests::Gateway;
use doorward_tests::client::{Client, PATIENCE};
use doorward_tests::forge::Credentials;

/// The two names of a pair are as long as each other, and only the first of them is declared.
const PAIRS: [(&str, &str, &str); 7] = [
    ("neither is declared", "tcp--plcy:1", "tcp--plcz:1"),
    ("tcp, beside an unknown device", "tcp--plca:1", "tcp--plcz:1"),
    ("tcp, beside an unknown interface", "tcp--plca:1", "tcx--plca:1"),
    ("http, beside an unknown device", "web--plca:1", "web--plcz:1"),
    ("modbus, beside an unknown device", "bus--plca:1", "bus--plcz:1"),
    ("serial, beside an unknown device", "ser--plca:1", "ser--plcz:1"),
    ("one that is off, beside an unknown device", "off--plca:1", "off--plcz:1"),
];

/// Beyond this a difference is no chance: one in two million.
const CHANCE: f64 = 5.0;

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_takes_as_long_whether_or_not_there_is_an_interface() {
    let Some(rounds) = std::env::var("DOORWARD_TIMING").ok().and_then(|n| n.parse().ok()) else {
        return;
    };
    let gateway = Gateway::start();
    gateway.enrol("user/eve", &[]);
    gateway.owner(&["device", "add", "plca", "--agentless", "--group", "plant"]);
    for (name, url) in [
        ("tcp", "tcp://127.0.0.1:9"),
        ("web", "http://127.0.0.1:9"),
        ("bus", "modbus://127.0.0.1:9"),
        ("ser", "serial:/dev/ttyUSB0"),
        ("off", "tcp://127.0.0.1:9"),
    ] {
        gateway.owner(&["interface", "add", &format!("plca/{name}"), url]);
    }
    gateway.owner(&["interface", "disable", "plca/off"]);
    let eve = gateway.identity("eve");
    let credentials = Some(Credentials::read(&eve));
    let client = Client::speaking(gateway.listen, &eve.join("ca.pem"), credentials, &["h2"]);
    let stream = client.connect("localhost").await.unwrap();
    let (mut send, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let mut worst = 0.0_f64;
    for (what, declared, unknown) in PAIRS {
        let mut differences = Vec::with_capacity(rounds);
        for round in 0..rounds {
            // Each is first in every second round.
            let order = [[declared, unknown], [unknown, declared]][round % 2];
            let mut took = [Duration::ZERO; 2];
            for (at, name) in order.into_iter().enumerate() {
                (send, took[at]) = refused(send, name).await;
            }
            let [first, second] = took.map(|took| i128::try_from(took.as_nanos()).unwrap());
            differences.push(if round % 2 == 0 { first - second } else { second - first });
        }
        let later = differences.iter().filter(|one| **one > 0).count();
        let sooner = differences.iter().filter(|one| **one < 0).count();
        let z = (later as f64 - sooner as f64) / ((later + sooner) as f64).sqrt();
        differences.sort_unstable();
        let median = differences[differences.len() / 2] as f64 / 1000.0;
        println!("{what}: the first is {median:+.2} µs later (median of {rounds}), z {z:+.1}");
        worst = worst.max(z.abs());
    }
    assert!(worst < CHANCE, "a difference of z {worst:.1} is no chance");
}

/// How long it takes until a CONNECT is refused.
async fn refused(
    send: h2::client::SendRequest<Bytes>,
    name: &str,
) -> (h2::client::SendRequest<Bytes>, Duration) {
    let mut send = send.ready().await.unwrap();
    let request = http::Request::builder().method("CONNECT").uri(name).body(()).unwrap();
    let begin = Instant::now();
    let (response, up) = send.send_request(request, false).unwrap();
    let response = tokio::time::timeout(PATIENCE, response).await.unwrap().unwrap();
    let took = begin.elapsed();
    assert_eq!(response.status(), 403, "{name}");
    drop((up, response));
    (send, took)
}
