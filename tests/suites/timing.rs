//! How long a refusal takes, where there is such an interface and where there is none: whoever may
//! nothing must not learn from it what there is. Measured only on request, since it takes minutes
//! and a quiet machine:
//!
//! ```sh
//! DOORWARD_TIMING=10000 TMPDIR=/dev/shm cargo test --workspace --test suites -- timing --nocapture
//! ```

use std::time::{Duration, Instant};

use bytes::Bytes;
use doorward_tests::Gateway;
use doorward_tests::client::{Client, PATIENCE};
use doorward_tests::forge::Credentials;
use doorward_tests::tools::root;

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
    gateway.enrol("device/spy", &[]);
    gateway.owner(&["device", "add", "plca", "--agentless", "--group", "site-kiel"]);
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
    let mut worst = 0.0_f64;
    // Where no rule speaks of who asks, and where one denies what is in a group.
    for bundle in ["default", "fleet"] {
        let dir = root().join("policies/bundles").join(bundle);
        gateway.owner(&["policy", "apply", dir.to_str().unwrap()]);
        worst = worst.max(measured(&gateway, bundle, rounds).await);
    }
    assert!(worst < CHANCE, "a difference of z {worst:.1} is no chance");
}

/// Measures every pair, as a device that may nothing; answers the largest z of all.
async fn measured(gateway: &Gateway, bundle: &str, rounds: usize) -> f64 {
    let spy = gateway.identity("spy");
    let credentials = Some(Credentials::read(&spy));
    let client = Client::speaking(gateway.listen, &spy.join("ca.pem"), credentials, &["h2"]);
    let mut worst = 0.0_f64;
    for (what, declared, unknown) in PAIRS {
        let mut differences = Vec::with_capacity(rounds);
        let mut send = connected(&client).await;
        for round in 0..rounds {
            // One connection takes only so many refusals.
            if round % 500 == 499 {
                send = connected(&client).await;
            }
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
        println!("{bundle}: {what}: {median:+.2} µs later (median of {rounds}), z {z:+.1}");
        worst = worst.max(z.abs());
    }
    worst
}

async fn connected(client: &Client) -> h2::client::SendRequest<Bytes> {
    let stream = client.connect("localhost").await.unwrap();
    let (send, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    send
}

/// How long it takes until a CONNECT is refused.
async fn refused(
    send: h2::client::SendRequest<Bytes>,
    name: &str,
) -> (h2::client::SendRequest<Bytes>, Duration) {
    let mut send = send.ready().await.unwrap();
    let request = http::Request::builder().method("CONNECT").uri(name).body(()).unwrap();
    let begin = Instant::now();
    let (response, mut up) = send.send_request(request, false).unwrap();
    let response = tokio::time::timeout(PATIENCE, response).await.unwrap().unwrap();
    let took = begin.elapsed();
    assert_eq!(response.status(), 403, "{name}");
    // The stream's own end, where the gateway has not reset it.
    drop((up.send_data(Bytes::new(), true), response));
    (send, took)
}
