//! Tests of the agent's program against a fake gateway.
#![cfg(test)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

mod gateway;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use doorward_wire::{Answer, Why};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use gateway::{FakeGateway, open};

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), what).await.unwrap()
}

fn agent(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_doorward-agent"));
    command.env_remove("DOORWARD_IDENTITY").args(args).arg("--dir").arg(dir);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.kill_on_drop(true);
    command
}

struct Output {
    status: Option<i32>,
    out: Vec<u8>,
    err: String,
}

async fn run(mut command: Command, input: &[u8]) -> Output {
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A refused program may have ended already.
    drop(stdin.write_all(input).await);
    drop(stdin);
    let output = soon(child.wait_with_output()).await.unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    Output { status: output.status.code(), out: output.stdout, err }
}

fn signal(child: &Child, name: &str) {
    let id = child.id().unwrap().to_string();
    let sent = std::process::Command::new("kill").args(["-s", name, &id]).status().unwrap();
    assert!(sent.success());
}

#[tokio::test]
async fn connect_carries_standard_input_and_output() {
    let gateway = FakeGateway::start();
    let dir = tempfile::tempdir().unwrap();
    gateway.enrol(dir.path());
    let large: Vec<u8> = (0..400_000u32).map(|at| u8::try_from(at % 251).unwrap()).collect();
    let ran = run(agent(dir.path(), &["connect", "box/echo", "--stdio"]), &large).await;
    assert_eq!((ran.status, ran.out == large), (Some(0), true), "{}", ran.err);
    // Each datagram is written at once.
    let ran = run(agent(dir.path(), &["connect", "box/udp"]), b"hello").await;
    assert_eq!((ran.status, ran.out.as_slice()), (Some(0), &b"<hello>"[..]), "{}", ran.err);
    for (args, wanted) in
        [(&["connect", "box/actions"][..], ""), (&["connect", "box/actions", "--observe"], "read")]
    {
        let ran = run(agent(dir.path(), args), b"").await;
        assert_eq!((ran.status, ran.out), (Some(0), wanted.as_bytes().to_vec()), "{}", ran.err);
    }
}

#[tokio::test]
async fn a_cut_or_a_refusal_ends_with_status_1_and_says_why() {
    let gateway = FakeGateway::start();
    let dir = tempfile::tempdir().unwrap();
    gateway.enrol(dir.path());
    let ran = run(agent(dir.path(), &["connect", "box/cut"]), b"x").await;
    assert_eq!((ran.status, ran.out.as_slice()), (Some(1), &b"x"[..]), "{}", ran.err);
    assert!(ran.err.contains("the flow was cut or refused"), "{}", ran.err);
    let ran = run(agent(dir.path(), &["connect", "box/forbidden"]), b"x").await;
    assert_eq!((ran.status, ran.out.as_slice()), (Some(1), &b""[..]), "{}", ran.err);
    assert!(ran.err.contains("no right to it"), "{}", ran.err);
    assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
}

async fn status(dir: &Path) -> Value {
    let mut command = agent(dir, &["status", "--json"]);
    serde_json::from_slice(&soon(command.output()).await.unwrap().stdout).unwrap()
}

#[tokio::test]
async fn an_agent_offers_what_its_file_says() {
    let mut gateway = FakeGateway::start();
    let dir = tempfile::tempdir().unwrap();
    gateway.enrol(dir.path());
    assert_eq!(status(dir.path()).await["agent"], Value::Null);
    let backend = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = backend.local_addr().unwrap();
    let file = dir.path().join("agent.toml");
    let ssh = format!("[interfaces.ssh]\nurl = \"tcp://{at}\"\n");
    let other = "[interfaces.nobody]\nurl = \"process:/bin/false\"\n";
    std::fs::write(&file, format!("{ssh}{other}")).unwrap();

    let args = ["run", "--config", file.to_str().unwrap()];
    let mut child = agent(dir.path(), &args).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let carrier = gateway.link().await;
    let mut offered = gateway.offered().await;
    while offered.len() < 2 {
        offered = gateway.offered().await;
    }
    assert_eq!(offered, ["nobody", "ssh"]);

    // A flow that runs while the file changes.
    let (mut flow, answer) = open(&carrier, "ssh").await;
    assert!(matches!(answer, Answer::Admitted { .. }), "{answer:?}");
    let (mut local, _) = soon(backend.accept()).await.unwrap();
    local.write_all(b"before").await.unwrap();
    soon(flow.read_exact(&mut [0; 6])).await.unwrap();
    soon(async {
        while status(dir.path()).await["agent"]["offers"]["nobody"]["taken"] != false {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let seen = status(dir.path()).await;
    assert_eq!(seen["agent"]["state"]["is"], "up", "{seen}");
    assert_eq!(seen["agent"]["state"]["carrier"], "quic", "{seen}");
    assert_eq!(seen["agent"]["offers"]["nobody"]["why"], "not declared", "{seen}");
    assert_eq!(seen["subject"], "device/plc");

    std::fs::write(&file, "speed = 1").unwrap();
    signal(&child, "HUP");
    soon(async { while !log.next_line().await.unwrap().unwrap().contains("stays as it was") {} })
        .await;
    std::fs::write(&file, other).unwrap();
    signal(&child, "HUP");
    assert_eq!(gateway.offered().await, ["nobody"]);
    let (_pipe, answer) = open(&carrier, "ssh").await;
    assert!(matches!(answer, Answer::Refused { why: Why::Forbidden, .. }), "{answer:?}");
    local.write_all(b"after").await.unwrap();
    drop(local);
    let mut rest = Vec::new();
    flow.shutdown().await.unwrap();
    soon(flow.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest, b"after");

    // A second agent is refused, and a signal stops the first.
    let second = run(agent(dir.path(), &["run"]), b"").await;
    assert_eq!(second.status, Some(1));
    assert!(second.err.contains("already"), "{}", second.err);
    signal(&child, "TERM");
    assert!(soon(child.wait()).await.unwrap().success());
    assert!(!dir.path().join("agent.sock").exists());
    assert_eq!(status(dir.path()).await["agent"], Value::Null);
}

#[tokio::test]
async fn systemd_is_told() {
    let mut gateway = FakeGateway::start();
    let dir = tempfile::tempdir().unwrap();
    gateway.enrol(dir.path());
    let socket = dir.path().join("notify");
    let told = tokio::net::UnixDatagram::bind(&socket).unwrap();
    let file = dir.path().join("agent.toml");
    std::fs::write(&file, "").unwrap();
    let mut command = agent(dir.path(), &["run", "--config", file.to_str().unwrap()]);
    command.env("NOTIFY_SOCKET", &socket).env("WATCHDOG_USEC", "200000");
    let mut child = command.spawn().unwrap();
    let hears = async |wanted: &str| {
        let mut bytes = [0; 1024];
        loop {
            let count = soon(told.recv(&mut bytes)).await.unwrap();
            let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
            if text.lines().any(|line| line.starts_with(wanted)) {
                return text;
            }
        }
    };
    hears("READY=1").await;
    hears("STATUS=connected by quic, session S1").await;
    for _ in 0..3 {
        hears("WATCHDOG=1").await;
    }
    signal(&child, "HUP");
    assert!(hears("RELOADING=1").await.contains("MONOTONIC_USEC="));
    hears("READY=1").await;
    signal(&child, "TERM");
    hears("STOPPING=1").await;
    assert!(soon(child.wait()).await.unwrap().success());
    drop(gateway.link().await);
}

/// Starts a proxy. Returns its process, its address and its token.
async fn proxy(dir: &Path) -> (Child, SocketAddr, String) {
    let child = agent(dir, &["proxy", "--listen", "127.0.0.1:0"]).spawn().unwrap();
    // The token's file appears after the port is open.
    let token = dir.join("proxy-token");
    soon(async {
        while !token.exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    let shown = std::fs::read_to_string(&token).unwrap().trim().to_owned();
    let at = listening(child.id().unwrap());
    (child, at, shown)
}

/// Returns where a process listens. Linux shows a process's sockets by the numbers of their inodes,
/// and each inode's address and state (0A: it listens) in a table.
fn listening(process: u32) -> SocketAddr {
    let files = std::fs::read_dir(format!("/proc/{process}/fd")).unwrap();
    let files = files.filter_map(|file| std::fs::read_link(file.unwrap().path()).ok());
    let sockets: Vec<String> = files
        .filter_map(|file| {
            Some(file.to_str()?.strip_prefix("socket:[")?.trim_end_matches(']').into())
        })
        .collect();
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let found = table.lines().find_map(|row| {
        let columns: Vec<&str> = row.split_whitespace().collect();
        let [_, local, _, "0A", _, _, _, _, _, inode, ..] = columns[..] else { return None };
        let port = u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()?;
        sockets.iter().any(|socket| socket == inode).then_some(port)
    });
    SocketAddr::from(([127, 0, 0, 1], found.unwrap()))
}

#[tokio::test]
async fn a_proxy_leaves_its_token_and_carries() {
    let gateway = FakeGateway::start();
    let dir = tempfile::tempdir().unwrap();
    gateway.enrol(dir.path());
    let (mut child, at, token) = proxy(dir.path()).await;
    #[expect(clippy::disallowed_methods, reason = "a test's local program")]
    let mut program = tokio::net::TcpStream::connect(at).await.unwrap();
    let (length, shown) = (u8::try_from(token.len()).unwrap(), token.as_bytes());
    let asked = [&[5, 1, 2, 1, length], shown, b"\x00\x05\x01\x00\x03\x09echo--box\x00\x50hi"];
    program.write_all(&asked.concat()).await.unwrap();
    program.shutdown().await.unwrap();
    let mut all = Vec::new();
    soon(program.read_to_end(&mut all)).await.unwrap();
    assert_eq!(all, b"\x05\x02\x01\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00hi");
    signal(&child, "INT");
    assert!(soon(child.wait()).await.unwrap().success());
    assert!(!dir.path().join("proxy-token").exists());
}

#[tokio::test]
async fn curl_goes_through_the_proxy_both_ways() {
    let gateway = FakeGateway::start();
    let dir = tempfile::tempdir().unwrap();
    gateway.enrol(dir.path());
    let (_child, at, token) = proxy(dir.path()).await;
    let http = ["--proxytunnel".to_owned(), format!("http://doorward:{token}@{at}")];
    for (how, proxy, url, status, wanted) in [
        (&http[..1], &http[1], "http://http--box/", 0, "hello"),
        (&http[..1], &http[1], "http://http--box.home.arpa/", 0, "hello"),
        (&[], &format!("socks5h://doorward:{token}@{at}"), "http://http--box/", 0, "hello"),
        // Refused: by the gateway, for the name, for a missing token, for a missing CONNECT.
        (&http[..1], &http[1], "http://forbidden--box/", 22, ""),
        (&http[..1], &http[1], "http://example.org/", 22, ""),
        (&[], &format!("socks5h://doorward:{token}@{at}"), "http://example.org/", 97, ""),
        (&[], &format!("socks5://doorward:{token}@{at}"), "http://127.0.0.1/", 97, ""),
        (&http[..1], &format!("http://doorward:x@{at}"), "http://http--box/", 22, ""),
        (&[], &format!("socks5h://doorward:x@{at}"), "http://http--box/", 97, ""),
        (&[], &http[1], "http://http--box/", 22, ""),
    ] {
        let mut curl = Command::new("curl");
        curl.env_clear().args(["-sS", "--fail", "--max-time", "20", "--proxy", proxy]);
        let output = soon(curl.args(how).arg(url).output()).await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{proxy} {url}: {said}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), wanted, "{proxy} {url}: {said}");
    }
}
