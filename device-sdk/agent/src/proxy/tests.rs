//! Tests of the local proxy from the client's side.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;

use doorward_wire::{FlowKind, Why};
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinHandle;

use super::*;
use crate::opener::tests::{FakeBackend, FakeOpener};

struct World {
    address: SocketAddr,
    token: String,
    fake: Arc<FakeOpener>,
    serving: JoinHandle<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl World {
    fn start(backend: FakeBackend, open: bool) -> Self {
        let bound = ProxyListener::bind("127.0.0.1:0", open).unwrap();
        let address = bound.listener.shown().parse().unwrap();
        let token = bound.token.as_ref().map_or_else(String::new, |t| t.expose().to_owned());
        let fake = Arc::new(FakeOpener::new(backend));
        let domain = "doorward.home.arpa".parse().unwrap();
        let opener = Arc::clone(&fake) as Arc<dyn FlowOpener>;
        let serving = tokio::spawn(bound.serve(
            opener,
            Notices::new(false, true),
            domain,
            StopSignals::new().unwrap(),
        ));
        Self { address, token, fake, serving }
    }

    async fn program(&self) -> TcpStream {
        #[expect(clippy::disallowed_methods, reason = "a test's local program")]
        TcpStream::connect(self.address).await.unwrap()
    }

    fn head(&self, host: &str) -> String {
        let credentials = format!("doorward:{}", self.token);
        let encoded = base64::Engine::encode(
            &base64::engine::general_purpose::STANDARD,
            credentials.as_bytes(),
        );
        format!("CONNECT {host} HTTP/1.1\r\nProxy-Authorization: Basic {encoded}\r\n\r\n")
    }

    /// Returns everything that the proxy sends in answer to a request.
    async fn answer(&self, request: &[u8]) -> Vec<u8> {
        let mut program = self.program().await;
        program.write_all(request).await.unwrap();
        let mut all = Vec::new();
        soon(program.read_to_end(&mut all)).await.unwrap();
        all
    }

    /// Opens a SOCKS connection and sends the token.
    async fn socks(&self) -> TcpStream {
        let mut program = self.program().await;
        let length = u8::try_from(self.token.len()).unwrap();
        let shown = [&[5, 1, 2, 1, 1, b'x', length], self.token.as_bytes()].concat();
        program.write_all(&shown).await.unwrap();
        let mut reply_bytes = [0; 4];
        soon(program.read_exact(&mut reply_bytes)).await.unwrap();
        assert_eq!(reply_bytes, [5, 2, 1, 0]);
        program
    }
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), what).await.unwrap()
}

fn request(command: u8, host: &str) -> Vec<u8> {
    let length = u8::try_from(host.len()).unwrap();
    [&[5, command, 0, 3, length], host.as_bytes(), &[0, 22]].concat()
}

async fn echoes(mut program: TcpStream) {
    program.write_all(b" world").await.unwrap();
    program.shutdown().await.unwrap();
    let mut all = Vec::new();
    soon(program.read_to_end(&mut all)).await.unwrap();
    assert_eq!(all, b"hello world");
}

#[tokio::test]
async fn connect_passes_what_follows_and_half_close() {
    let world = World::start(FakeBackend::Echo, false);
    for host in ["ssh--plc:22", "SSH--plc.doorward.home.arpa:1", "ssh--plc.doorward.home.arpa.:1"] {
        let mut program = world.program().await;
        let whole = format!("{}hello", world.head(host));
        // The request arrives in two pieces.
        let (one, two) = whole.split_at(30);
        program.write_all(one.as_bytes()).await.unwrap();
        tokio::task::yield_now().await;
        program.write_all(two.as_bytes()).await.unwrap();
        let mut granted = vec![0; http::GRANTED.len()];
        soon(program.read_exact(&mut granted)).await.unwrap();
        assert_eq!(granted, http::GRANTED);
        echoes(program).await;
    }
    let sent = ("ssh--plc".to_owned(), Some(FlowKind::Stream));
    assert_eq!(world.fake.requests(), vec![sent; 3]);
}

#[tokio::test]
async fn socks_passes_what_follows_and_half_close() {
    let world = World::start(FakeBackend::Echo, false);
    let mut program = world.socks().await;
    let whole = [&request(1, "ssh--plc")[..], b"hello"].concat();
    program.write_all(&whole).await.unwrap();
    let mut granted = [0; 10];
    soon(program.read_exact(&mut granted)).await.unwrap();
    assert_eq!(granted, [5, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    echoes(program).await;
}

#[tokio::test]
async fn nothing_is_reached_without_the_token_or_by_another_name() {
    let world = World::start(FakeBackend::Echo, false);
    for (head, status) in [
        ("CONNECT ssh--plc:22 HTTP/1.1\r\n\r\n".to_owned(), "407"),
        ("GET http://http--plc/ HTTP/1.1\r\n\r\n".to_owned(), "407"),
        (world.head("example.org:443"), "403"),
        (world.head("127.0.0.1:22"), "403"),
        (world.head("[::1]:22"), "403"),
        (world.head("plc/ssh:22"), "403"),
        ("\u{1}\u{2}\r\n".to_owned(), "400"),
    ] {
        let answer = String::from_utf8(world.answer(head.as_bytes()).await).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{head}: {answer}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["status"].to_string(), status);
    }
    assert_eq!(world.answer(&[5, 1, 0]).await, [5, 0xff]);
    assert_eq!(world.answer(b"\x05\x01\x02\x01\x01x\x01y").await, [5, 2, 1, 1]);
    for (sent, reply) in [
        (request(1, "example.org"), 2),
        (vec![5, 1, 0, 1, 127, 0, 0, 1, 0, 22], 2),
        (request(2, "ssh--plc"), 7),
    ] {
        let mut program = world.socks().await;
        program.write_all(&sent).await.unwrap();
        let mut all = Vec::new();
        soon(program.read_to_end(&mut all)).await.unwrap();
        assert_eq!((all.len(), all[1]), (10, reply), "{sent:?}");
    }
    assert_eq!(world.fake.requests(), []);
}

#[tokio::test]
async fn a_refusal_is_told_and_a_cut_is_a_reset() {
    for (why, status, reply) in [
        (Some(Why::Forbidden), 403, 2),
        (Some(Why::Unreachable), 502, 4),
        (Some(Why::NoAnswer), 504, 4),
        (Some(Why::Taken), 409, 5),
        (Some(Why::Busy), 503, 1),
        (None, 502, 3),
    ] {
        let world = World::start(FakeBackend::Refuse(why), true);
        let answer = world.answer(world.head("ssh--plc:22").as_bytes()).await;
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{why:?}: {answer}");
        assert!(answer.contains("not today"), "{answer}");
        let sent = [&[5, 1, 0], &request(1, "ssh--plc")[..]].concat();
        assert_eq!(world.answer(&sent).await[..4], [5, 0, 5, reply], "{why:?}");
    }
    let world = World::start(FakeBackend::Cut, true);
    for sent in [
        format!("{}hello", world.head("ssh--plc:22")).into_bytes(),
        [&[5, 1, 0], &request(1, "ssh--plc")[..], b"hello"].concat(),
    ] {
        let mut program = world.program().await;
        program.write_all(&sent).await.unwrap();
        let error = soon(program.read_to_end(&mut Vec::new())).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
}

async fn associate(world: &World, port: u16) -> (TcpStream, SocketAddr) {
    let mut control = world.socks().await;
    let port = port.to_be_bytes();
    control.write_all(&[&[5, 3, 0, 1, 0, 0, 0, 0], &port[..]].concat()).await.unwrap();
    let mut granted = [0; 10];
    soon(control.read_exact(&mut granted)).await.unwrap();
    assert_eq!(granted[..8], [5, 0, 0, 1, 127, 0, 0, 1]);
    let port = u16::from_be_bytes([granted[8], granted[9]]);
    (control, SocketAddr::from(([127, 0, 0, 1], port)))
}

fn packet(host: &str, datagram: &[u8]) -> Vec<u8> {
    header::write(&header::DatagramTarget { host: host.to_owned(), port: 53 }, datagram).unwrap()
}

async fn received(socket: &UdpSocket) -> Vec<u8> {
    let mut bytes = vec![0; 2048];
    let (count, _) = soon(socket.recv_from(&mut bytes)).await.unwrap();
    bytes.truncate(count);
    bytes
}

#[tokio::test]
async fn datagrams_are_relayed_for_one_client_as_long_as_its_connection() {
    let world = World::start(FakeBackend::Echo, false);
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (control, relay) = associate(&world, client.local_addr().unwrap().port()).await;
    other.send_to(&packet("dns--box", b"theirs"), relay).await.unwrap();
    for (host, text) in [("dns--box", "one"), ("ntp--box", "two"), ("dns--box", "three")] {
        let sent = packet(host, text.as_bytes());
        client.send_to(&sent, relay).await.unwrap();
        assert_eq!(received(&client).await, sent);
    }
    // Fragments and names that are not interfaces are dropped.
    let mut fragment = packet("dns--box", b"part");
    fragment[2] = 1;
    client.send_to(&fragment, relay).await.unwrap();
    client.send_to(&packet("example.org", b"x"), relay).await.unwrap();
    client.send_to(&packet("dns--box", b"last"), relay).await.unwrap();
    assert_eq!(received(&client).await, packet("dns--box", b"last"));
    let opened: Vec<String> =
        world.fake.requests().into_iter().map(|(interface, _)| interface).collect();
    assert_eq!(opened, ["dns--box", "ntp--box"]);
    drop(control);
    let gone = async {
        while UdpSocket::bind(relay).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon(gone).await;

    // Without a named port, the first sender is the client.
    let (_control, relay) = associate(&world, 0).await;
    client.send_to(&packet("dns--box", b"mine"), relay).await.unwrap();
    assert_eq!(received(&client).await, packet("dns--box", b"mine"));
    other.send_to(&packet("dns--box", b"theirs"), relay).await.unwrap();
    client.send_to(&packet("dns--box", b"mine"), relay).await.unwrap();
    assert_eq!(received(&client).await, packet("dns--box", b"mine"));
}

#[tokio::test]
async fn a_token_is_its_owners_alone_and_a_unix_socket_asks_for_none() {
    let dir = tempfile::tempdir().unwrap();
    let bound = ProxyListener::bind("127.0.0.1:0", false).unwrap();
    let kept = bound.keep_token(dir.path()).unwrap().unwrap();
    let file = dir.path().join("proxy-token");
    let token = std::fs::read_to_string(&file).unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(token.trim().len(), 22);
    assert!(bound.shown(true).contains(&format!("http://doorward:{}@127.0.0.1:", token.trim())));
    assert!(!bound.shown(false).contains(token.trim()), "not in a log");
    drop(kept);
    assert!(!file.exists());
    let unix = ProxyListener::bind(&format!("unix:{}/s", dir.path().display()), false).unwrap();
    assert!(unix.token.is_none() && !unix.relays);
    for (address, why) in
        [("0.0.0.0:1080", "other machines"), ("here", "not an address to listen at")]
    {
        let error = ProxyListener::bind(address, true).err().unwrap().to_string();
        assert!(error.contains(why), "{error}");
    }
}
