//! What somebody leaves behind who has no right: records and lines of the log, however hard they
//! try; and what becomes of everybody else meanwhile.

use std::os::unix::fs::MetadataExt as _;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use doorward_tests::client::Client;
use doorward_tests::flood::flood;
use doorward_tests::forge::Credentials;
use doorward_tests::gateway::Ran;
use doorward_tests::{Backend, Gateway, Kind, scale};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, sleep, timeout};

const MEBIBYTE: u64 = 1024 * 1024;

fn shown(gateway: &Gateway, who: &str) -> Option<Credentials> {
    Some(Credentials::read(&gateway.identity(who)))
}

fn client(gateway: &Gateway, who: &str) -> Client {
    let ca = gateway.identity("owner").join("ca.pem");
    Client::speaking(gateway.listen, &ca, shown(gateway, who), &["http/1.1"])
}

/// How many bytes are in the audit log, and in what the gateway has written to standard error.
fn traces(gateway: &Gateway) -> (u64, u64) {
    let status = gateway.owner_json(&["status"]);
    let log = std::fs::metadata(gateway.dir().join("err")).unwrap().size();
    (status["audit_bytes"].as_u64().unwrap(), log)
}

fn post(path: &str, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body.into_bytes()].concat()
}

fn csr(gateway: &Gateway, who: &str) -> String {
    let key = gateway.identity(who).join("key.pem");
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-new", "-subj", "/", "-key"]).arg(key);
    Ran::of(openssl.output().unwrap()).ok()
}

/// Opens a flow, and has a line come back through it.
async fn echoes(client: &Client) -> bool {
    let Ok(mut stream) = client.connect("tcp--plc.doorward.home.arpa").await else { return false };
    let said = async {
        stream.write_all(b"still here\n").await?;
        let mut all = Vec::new();
        let mut buffer = [0; 256];
        while !all.ends_with(b"still here\n") {
            match stream.read(&mut buffer).await? {
                0 => break,
                count => all.extend_from_slice(&buffer[..count]),
            }
        }
        std::io::Result::Ok(all.ends_with(b"still here\n"))
    };
    timeout(Duration::from_secs(10), said).await.is_ok_and(|done| done.unwrap_or(false))
}

/// Everything at once that leaves a record or a line and needs no right, by one device.
async fn attack(gateway: &Gateway, used_code: &str, time: Duration) {
    let (spy, stranger) = (client(gateway, "spy"), {
        let ca = gateway.identity("owner").join("ca.pem");
        Client::speaking(gateway.listen, &ca, None, &["http/1.1"])
    });
    let secret = used_code.split('.').nth(5).unwrap().to_owned();
    let csr = csr(gateway, "spy");
    let again = post("/v1/enrol", &serde_json::json!({ "secret": secret, "csr": csr }));
    let wrong = post("/v1/enrol", &serde_json::json!({ "secret": "AAAA", "csr": csr }));
    let claim = post("/v1/claim", &serde_json::json!({ "secret": "AAAA", "csr": csr }));
    let renew = post("/v1/renew", &serde_json::json!({ "csr": csr }));
    let connect = b"CONNECT x--y:1 HTTP/1.1\r\nHost: x--y\r\n\r\n".to_vec();
    let ca = gateway.identity("owner").join("ca.pem");
    let managed = Client::speaking(gateway.management, &ca, shown(gateway, "spy"), &["http/1.1"]);
    let status = b"GET /v1/devices HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec();
    let doors = async {
        let until = Instant::now() + time;
        let mut tried = 0;
        while Instant::now() < until {
            for name in ["tcp--plc.doorward.home.arpa", "no--such.doorward.home.arpa"] {
                if let Ok(mut stream) = spy.connect(name).await {
                    let soon = Duration::from_secs(5);
                    let _ = timeout(soon, stream.read(&mut [0; 16])).await;
                    tried += 1;
                }
            }
        }
        tried
    };
    let answered = tokio::join!(
        flood(&spy, 4, &connect, time),
        flood(&spy, 2, &again, time),
        flood(&spy, 1, &wrong, time),
        flood(&spy, 2, &renew, time),
        flood(&managed, 2, &status, time),
        flood(&stranger, 1, &claim, time),
        flood(&stranger, 1, &wrong, time),
        doors,
    );
    println!("the attack was answered: {answered:?}");
    assert!(
        answered.0 > 500 && answered.4 > 500 && answered.7 > 20,
        "it was no attack: {answered:?}"
    );
}

#[test]
fn what_takes_nothing_away_is_not_urgent() {
    let gateway = Gateway::start();
    gateway.declare("plc/tcp", "tcp://127.0.0.1:9");
    gateway.run("owner", &["session", "cut", "00000000000000000000000000"]).failed();
    gateway.run("owner", &["interface", "remove", "plc/none"]).failed();
    gateway.owner(&["interface", "disable", "plc/tcp"]);
    gateway.owner(&["interface", "disable", "plc/tcp"]);
    gateway.owner(&["interface", "remove", "plc/tcp"]);
    let urgent: Vec<_> = gateway
        .audit()
        .into_iter()
        .filter(|record| record["event"] == "request" && record["urgent"] == true)
        .map(|record| record["path"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(urgent, ["interfaces/plc/tcp"; 2], "the first disabling, and the removal");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_no_right_leaves_little_and_keeps_nobody_out() {
    let gateway = Arc::new(Gateway::start());
    let backend = Backend::tcp(Kind::Echo);
    gateway.declare("plc/tcp", backend.url());
    gateway.enrol("user/alice", &["--role", "operator"]);
    let used_code = gateway.code(&["device", "add", "spy"]);
    gateway.redeem(&used_code, "spy").ok();
    let alice = client(&gateway, "alice");
    assert!(echoes(&alice).await, "alice is served");
    let before = traces(&gateway);

    let time = scale::seconds(20, 300);
    let over = Arc::new(AtomicBool::new(false));
    let served = tokio::spawn({
        let over = Arc::clone(&over);
        async move {
            let (mut tries, mut served) = (0, 0);
            while !over.load(Ordering::SeqCst) {
                tries += 1;
                served += u32::from(echoes(&alice).await);
                sleep(scale::either(Duration::from_millis(250), Duration::from_secs(1))).await;
            }
            (served, tries)
        }
    });
    // Two programs with one identity, over and over: an alarm each time.
    gateway.owner(&["interface", "add", "spy/console", "agent:console"]);
    let twins = tokio::task::spawn_blocking({
        let (gateway, over) = (Arc::clone(&gateway), Arc::clone(&over));
        move || {
            let console = "[interfaces.console]\nurl = \"process:/bin/cat\"\n";
            while !over.load(Ordering::SeqCst) {
                let twins = [0; 2].map(|_| gateway.agent("spy", console));
                std::thread::sleep(Duration::from_secs(1));
                drop(twins);
            }
        }
    });
    attack(&gateway, &used_code, time).await;
    over.store(true, Ordering::SeqCst);
    twins.await.unwrap();
    let (served, tries) = served.await.unwrap();
    assert_eq!(served, tries, "alice is served throughout");

    let after = traces(&gateway);
    let (records, lines) = (after.0 - before.0, after.1 - before.1);
    // Alice's own flows are on record as well; her part of the log is that of her records.
    let (mut all, mut hers) = (0, 0);
    for record in gateway.audit() {
        let length = record.to_string().len() as u64;
        all += length;
        hers += if record["subject"] == "user/alice" { length } else { 0 };
    }
    let left = records * (all - hers) / all + lines;
    println!(
        "{time:?}: the log grew by {records} bytes, of which {left} are not by alice, who was served \
         {served} times of {tries}; {lines} bytes of log lines"
    );
    assert!(hers > 0 && left <= scale::either(MEBIBYTE / 2, MEBIBYTE), "{left}");

    // What it did stands in the log: the first in full, the rest counted.
    let spied = |event: &str| {
        let all = gateway.audit().into_iter();
        let of = all.filter(|one| one["subject"] == "device/spy" && one["event"] == event);
        let counts = of.map(|one| one["count"].as_u64().unwrap_or(1));
        counts.collect::<Vec<_>>()
    };
    for event in ["flow-refused", "request-refused"] {
        let counts = spied(event);
        assert!(counts.len() >= 60, "{event}: {counts:?}");
    }
    gateway.owner(&["device", "revoke", "spy"]);
    assert!(client(&gateway, "spy").connect("tcp--plc.doorward.home.arpa").await.is_ok());
    // The counts follow within a minute.
    let patience = Instant::now() + Duration::from_secs(90);
    while spied("flow-refused").iter().sum::<u64>() <= 500 {
        assert!(Instant::now() < patience, "{:?}", spied("flow-refused"));
        sleep(Duration::from_secs(1)).await;
    }
    gateway.owner(&["audit", "prune", "--before", "2100-01-01T00:00:00Z"]);
}
