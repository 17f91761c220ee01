//! Peers that take their time, many of them, of every kind: they keep nobody out.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use doorward_tests::client::{Client, read_head};
use doorward_tests::forge::Credentials;
use doorward_tests::tools::{python, script};
use doorward_tests::{Gateway, scale};
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

const KINDS: [&str; 8] = [
    "silent",
    "half-a-hello",
    "only-a-hello",
    "a-byte-a-second",
    "a-huge-record",
    "garbage",
    "handshake-then-silence",
    "resets",
];

/// Peers that stand.
struct Peers(Child);

impl Peers {
    fn hold(kind: &str, count: usize, port: u16, (first, addresses): (&str, usize)) -> Self {
        let mut command = Command::new(python());
        command.arg(script("slow_peers.py")).arg(kind).arg(count.to_string());
        command.args(["600", &port.to_string(), first, &addresses.to_string()]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "standing", "{kind}");
        Self(child)
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Makes a request on a connection of its own, as a stock client would. How long it took; `None`
/// if it was not answered with 200.
async fn request(client: &Client, path: &str) -> Option<Duration> {
    let begun = Instant::now();
    let asked = async {
        let mut stream = client.connect("localhost").await?;
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        read_head(&mut stream).await
    };
    let head = timeout(Duration::from_secs(15), asked).await;
    let is_good = matches!(head, Ok(Ok(head)) if head.starts_with("HTTP/1.1 200"));
    is_good.then(|| begun.elapsed())
}

/// The largest of a hundred but the largest one: of fewer, the largest.
fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[(times.len() * 99).div_ceil(100) - 1]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_that_take_their_time_keep_nobody_out() {
    let gateway = Gateway::start();
    gateway.enrol("device/pump", &[]);
    let client = |at, who: &str| {
        let (ca, own) = (gateway.identity("owner").join("ca.pem"), gateway.identity(who));
        Client::speaking(at, &ca, Some(Credentials::read(&own)), &["http/1.1"])
    };
    let (pump, owner) = (client(gateway.listen, "pump"), client(gateway.management, "owner"));
    let (count, tries) = scale::either((200, 10), (1000, 100));
    let alone = ("127.0.0.1", 1);
    let kinds = scale::either(&KINDS[..], &KINDS[..]);
    for (place, port) in
        [("data", gateway.listen.port()), ("management", gateway.management.port())]
    {
        for kind in kinds {
            // From the client's own address, and from eight others.
            for from in [alone, ("127.0.0.2", 8)] {
                if !scale::is_long() && from != alone {
                    continue;
                }
                let peers = Peers::hold(kind, count, port, from);
                let (mut good, mut managed, mut refused) = (vec![], vec![], 0);
                for _ in 0..tries {
                    match request(&pump, "/v1/self").await {
                        Some(time) => good.push(time),
                        None => refused += 1,
                    }
                    match request(&owner, "/v1/status").await {
                        Some(time) => managed.push(time),
                        None => refused += 1,
                    }
                }
                drop(peers);
                assert_eq!(refused, 0, "{kind} at {place} from {from:?}");
                println!(
                    "{count} × {kind} at {place} from {} addresses: p99 of {tries}: a device {:?}, \
                     the owner {:?}; refused {refused}",
                    from.1,
                    p99(good),
                    p99(managed)
                );
            }
        }
    }
}
