//! Tests of flows to local ends, over a connection in memory.

use std::collections::BTreeMap;
use std::pin::Pin;

use bytes::Bytes;
use doorward_local::{Line as _, LineRequest, Remote};
use doorward_model::{Baud, LineSettings};
use doorward_wire::Carrier;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, tcgetattr};
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, UdpSocket, UnixListener};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::opener::tests::pipes;

/// A flow that waits for its answer, over a connection in memory.
struct FakeFlow {
    carrier: Carrier,
    pipe: Pipe,
    granted: oneshot::Sender<Vec<Action>>,
    refused: oneshot::Sender<(Why, String)>,
    /// Keeps the carrier alive, since a dropped carrier ends its connection.
    _far: Carrier,
}

impl PendingFlow for FakeFlow {
    async fn stream(self, granted: &[Action]) -> io::Result<Pipe> {
        // The test may not look at it.
        drop(self.granted.send(granted.to_vec()));
        // Keeps the connection open until the test ends.
        std::mem::forget((self.carrier, self._far));
        Ok(self.pipe)
    }

    async fn datagrams(self) -> io::Result<FlowDatagrams> {
        let datagrams = self.carrier.datagrams(self.pipe);
        std::mem::forget((self.carrier, self._far));
        Ok(datagrams)
    }

    async fn refuse(self, why: Why, detail: &str) {
        self.refused.send((why, detail.to_owned())).unwrap();
    }
}

struct Served {
    far: Pipe,
    carrier: Carrier,
    granted: oneshot::Receiver<Vec<Action>>,
    refused: oneshot::Receiver<(Why, String)>,
    ended: JoinHandle<Result<(), Failure>>,
}

async fn serve_with(interface: &OfferedInterface, request: Asked) -> Served {
    let (carrier, pipe, far_carrier, far) = pipes().await;
    let (refused, refusal) = oneshot::channel();
    let (granted, grant) = oneshot::channel();
    let fake = FakeFlow { carrier, pipe, granted, refused, _far: far_carrier.clone() };
    let interface = interface.clone();
    let ended = tokio::spawn(async move { interface.serve(&request, fake).await });
    Served { far, carrier: far_carrier, granted: grant, refused: refusal, ended }
}

async fn serve(url: &str) -> Served {
    serve_with(&interface(url), Asked::default()).await
}

/// The entry point of this test binary as a keeper.
#[test]
fn keeper() {
    let arguments = &["--exact", "serve::tests::keeper", "--test-threads=1"];
    let kept = doorward_local::keep_programs(arguments);
    assert!(kept.is_none_or(|code| code == std::process::ExitCode::SUCCESS));
}

fn interface(url: &str) -> OfferedInterface {
    keeper();
    OfferedInterface::new(url.parse().unwrap(), LinesInUse::default())
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), what).await.unwrap()
}

async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    (listener, url)
}

async fn send(pipe: &mut Pipe, bytes: &[u8]) {
    pipe.write_all(bytes).await.unwrap();
    pipe.flush().await.unwrap();
}

#[tokio::test]
async fn a_connection_passes_both_ways_with_half_close() {
    let (listener, url) = listener().await;
    let mut served = serve(&url).await;
    let (mut local, _) = soon(listener.accept()).await.unwrap();
    send(&mut served.far, b"question").await;
    served.far.shutdown().await.unwrap();
    let mut all = Vec::new();
    soon(local.read_to_end(&mut all)).await.unwrap();
    assert_eq!(all, b"question");
    local.write_all(b"answer").await.unwrap();
    local.shutdown().await.unwrap();
    all.clear();
    soon(served.far.read_to_end(&mut all)).await.unwrap();
    assert_eq!(all, b"answer");
    soon(served.ended).await.unwrap().unwrap();
    assert_eq!(soon(local.read(&mut [0])).await.unwrap(), 0);
}

#[tokio::test]
async fn a_cut_is_a_reset_and_a_reset_is_a_cut() {
    let (listener, url) = listener().await;
    let mut served = serve(&url).await;
    let (mut local, _) = soon(listener.accept()).await.unwrap();
    send(&mut served.far, b"x").await;
    local.read_exact(&mut [0]).await.unwrap();
    served.far.cut(Why::Ended);
    let reset = soon(local.read(&mut [0])).await.unwrap_err();
    assert_eq!(reset.kind(), io::ErrorKind::ConnectionReset);
    assert!(matches!(soon(served.ended).await.unwrap(), Err(Failure::Cut(_))));

    let mut served = serve(&url).await;
    let (mut local, _) = soon(listener.accept()).await.unwrap();
    local.write_all(b"x").await.unwrap();
    served.far.read_exact(&mut [0]).await.unwrap();
    local.set_zero_linger().unwrap();
    drop(local);
    assert!(soon(served.far.read(&mut [0])).await.is_err());
    assert!(matches!(soon(served.ended).await.unwrap(), Err(Failure::Local { .. })));
}

#[tokio::test]
async fn what_is_not_there_is_refused_and_says_why() {
    let (listener, url) = listener().await;
    drop(listener);
    let dir = tempfile::tempdir().unwrap();
    for (url, why) in [
        (url.as_str(), Why::Unreachable),
        (&format!("unix:{}/none", dir.path().display()), Why::Unreachable),
        (&format!("serial:{}/none", dir.path().display()), Why::Unreachable),
        (&format!("process:{}/none", dir.path().display()), Why::Unreachable),
        ("agent:other", Why::Unreachable),
    ] {
        let served = serve(url).await;
        let (reason, detail) = soon(served.refused).await.unwrap();
        assert_eq!(reason, why, "{url}");
        assert!(
            !detail.contains(&*dir.path().to_string_lossy()),
            "paths are the owner's: {detail}"
        );
        soon(served.ended).await.unwrap().unwrap();
    }
    let request = Asked { kind: Some(FlowKind::Datagrams), ..Asked::default() };
    let served = serve_with(&interface("tcp://127.0.0.1:1"), request).await;
    assert_eq!(soon(served.refused).await.unwrap().0, Why::Wrong);
}

#[tokio::test]
async fn a_unix_socket_passes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let mut served = serve(&format!("unix:{}", path.display())).await;
    let (mut local, _) = soon(listener.accept()).await.unwrap();
    local.write_all(b"hello").await.unwrap();
    drop(local);
    served.far.shutdown().await.unwrap();
    let mut all = Vec::new();
    soon(served.far.read_to_end(&mut all)).await.unwrap();
    assert_eq!(all, b"hello");
    soon(served.ended).await.unwrap().unwrap();
}

#[tokio::test]
async fn datagrams_pass_whole_and_a_closed_port_is_waited_for() {
    let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = peer.local_addr().unwrap();
    drop(peer);
    let served = serve(&format!("udp://{at}")).await;
    let mut flow = served.carrier.datagrams(served.far);
    let mut peer = None;
    for round in 0..2u8 {
        flow.send(&[round]);
        // A waiting datagram is sent when the flow is polled.
        drop(tokio::time::timeout(Duration::from_millis(200), flow.receive()).await);
        if round == 0 {
            peer = Some(UdpSocket::bind(at).await.unwrap());
        }
    }
    let peer = peer.unwrap();
    let mut bytes = [0; 16];
    let (count, from) = soon(peer.recv_from(&mut bytes)).await.unwrap();
    assert_eq!(bytes[..count], [1]);
    let large = vec![7; 9000];
    for datagram in [&large[..], b""] {
        peer.send_to(datagram, from).await.unwrap();
        assert_eq!(soon(flow.receive()).await.unwrap(), Some(Bytes::copy_from_slice(datagram)));
    }
    // Datagrams from another sender are ignored.
    let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    other.send_to(b"x", from).await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(100), flow.receive()).await.is_err());
    drop(flow);
    // Either result is right, since datagrams have no proper end.
    drop(soon(served.ended).await.unwrap());
}

#[tokio::test]
async fn datagrams_that_are_still_end() {
    let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (host, port) = ("127.0.0.1".parse().unwrap(), peer.local_addr().unwrap().port());
    let socket = udp::dial(&host, port).await.unwrap();
    let (carrier, pipe, _far, _pipe) = pipes().await;
    let idle = Duration::from_millis(20);
    soon(udp::carry(carrier.datagrams(pipe), socket, idle)).await.unwrap();
}

fn shell(script: &str) -> String {
    let encoded: String = script.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("process:/bin/sh?arg=-c&arg={encoded}")
}

async fn gone(id: &str) {
    soon(async {
        while std::path::Path::new("/proc").join(id.trim()).exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_program_has_no_environment_and_ends_properly() {
    let mut served = serve(&shell("cat; echo \"$PATH|$LANG|$HOME|$(pwd)\"; echo lost >&2")).await;
    send(&mut served.far, b"hello\n").await;
    served.far.shutdown().await.unwrap();
    let mut all = String::new();
    soon(served.far.read_to_string(&mut all)).await.unwrap();
    assert_eq!(all, "hello\n/usr/bin:/bin|C.UTF-8||/\n");
    soon(served.ended).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_program_that_fails_cuts_its_flow() {
    for script in ["echo x; exit 3", "echo x; kill -9 $$"] {
        let mut served = serve(&shell(script)).await;
        let mut all = Vec::new();
        assert!(soon(served.far.read_to_end(&mut all)).await.is_err(), "{script}");
        assert_eq!(all, b"x\n");
        assert!(matches!(soon(served.ended).await.unwrap(), Err(Failure::Local { .. })));
    }
}

#[tokio::test]
async fn a_program_that_does_not_listen_may_still_end_properly() {
    let mut served = serve(&shell("exec <&-; echo done; sleep 0.1")).await;
    let mut done = [0; 5];
    soon(served.far.read_exact(&mut done)).await.unwrap();
    send(&mut served.far, &vec![0; 200_000]).await;
    let mut all = Vec::new();
    soon(served.far.read_to_end(&mut all)).await.unwrap();
    served.far.shutdown().await.unwrap();
    soon(served.ended).await.unwrap().unwrap();
}

#[tokio::test]
async fn nothing_of_a_program_outlives_its_flow() {
    let mut served =
        serve(&shell("echo $$; (setsid sh -c 'echo $$; exec sleep 1000' &); exec sleep 1000"))
            .await;
    let mut ids = String::new();
    while ids.lines().count() < 2 || !ids.ends_with('\n') {
        let mut byte = [0];
        soon(served.far.read_exact(&mut byte)).await.unwrap();
        ids.push(char::from(byte[0]));
    }
    served.far.cut(Why::Ended);
    assert!(soon(served.ended).await.unwrap().is_err());
    for id in ids.lines() {
        gone(id).await;
    }
}

/// Returns a pseudo-terminal: the adapter's end, and the path of the line.
fn pty() -> (tokio::fs::File, String) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let path = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    (tokio::fs::File::from_std(master.into()), path)
}

/// Opens the line without using it. A pseudo-terminal that nobody has open loses its settings.
fn hold(path: &str) -> std::fs::File {
    std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap()
}

fn modes(line: &std::fs::File) -> (u32, bool, rustix::termios::LocalModes) {
    let modes: Termios = tcgetattr(line).unwrap();
    let two = modes.control_modes.contains(rustix::termios::ControlModes::CSTOPB);
    (modes.output_speed(), two, modes.local_modes)
}

#[tokio::test]
async fn a_line_is_set_passes_and_is_put_back() {
    let (mut adapter, path) = pty();
    let held = hold(&path);
    let before = modes(&held);
    let interface = interface(&format!("serial:{path}?baud=19200"));
    let parameters = BTreeMap::from([("stop".to_owned(), "2".to_owned())]);
    let request = Asked { parameters, ..Asked::default() };
    let mut served = serve_with(&interface, request.clone()).await;
    // Waits until the line is set, since before that it echoes.
    soon(async {
        while modes(&held) == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    adapter.write_all(b"login: ").await.unwrap();
    let mut login = [0; 7];
    soon(served.far.read_exact(&mut login)).await.unwrap();
    assert_eq!(&login, b"login: ");
    assert_eq!((modes(&held).0, modes(&held).1), (19200, true));
    // A line serves one flow at a time.
    let second = serve_with(&interface, request.clone()).await;
    assert_eq!(soon(second.refused).await.unwrap().0, Why::Taken);
    send(&mut served.far, b"root\n").await;
    served.far.shutdown().await.unwrap();
    let mut root = [0; 5];
    soon(adapter.read_exact(&mut root)).await.unwrap();
    // The line is raw: nothing is translated or echoed. The answer arrives after the half-close.
    assert_eq!(&root, b"root\n");
    adapter.write_all(b"ok").await.unwrap();
    adapter.flush().await.unwrap();
    let mut rest = Vec::new();
    soon(served.far.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(rest, b"ok");
    soon(served.ended).await.unwrap().unwrap();
    assert_eq!(modes(&held), before);
    // The line is free again, also after a cut.
    let served = serve_with(&interface, request).await;
    served.far.cut(Why::Ended);
    assert!(soon(served.ended).await.unwrap().is_err());
    assert_eq!(modes(&held), before);
    assert!(interface.lines.is_free());
}

#[tokio::test]
async fn who_is_granted_control_sets_the_line_by_rfc_2217() {
    let (mut adapter, path) = pty();
    let held = hold(&path);
    let before = modes(&held);
    let interface = interface(&format!("serial:{path}?baud=19200"));
    // A flow that does not ask for control is granted nothing more and gets bare bytes.
    let served = serve_with(&interface, Asked::default()).await;
    assert_eq!(soon(served.granted).await.unwrap(), []);
    served.far.cut(Why::Ended);
    assert!(soon(served.ended).await.unwrap().is_err());

    let all = [Action::Read, Action::Write, Action::Control];
    let request = Asked { actions: all.map(|one| one.to_string()).to_vec(), ..Asked::default() };
    for properly in [true, false] {
        let served = serve_with(&interface, request.clone()).await;
        assert_eq!(soon(served.granted).await.unwrap(), all);
        let mut line = soon(Remote::open(served.far, LineSettings::default())).await.unwrap();
        assert_eq!(line.in_force().settings.baud.get(), 19200, "as the owner's file says");
        for (asks, baud) in [(None, 19200), (Baud::new(38400), 38400)] {
            soon(ask(&mut line, LineRequest::Baud(asks))).await.unwrap();
            assert_eq!((line.in_force().settings.baud.get(), modes(&held).0), (baud, baud));
        }
        soon(line.write_all(b"AT\xff\r\0")).await.unwrap();
        let mut found = [0; 5];
        soon(adapter.read_exact(&mut found)).await.unwrap();
        assert_eq!(&found, b"AT\xff\r\0");
        adapter.write_all(b"OK\xff\r\0").await.unwrap();
        adapter.flush().await.unwrap();
        soon(line.read_exact(&mut found)).await.unwrap();
        assert_eq!(&found, b"OK\xff\r\0");
        if properly {
            soon(std::future::poll_fn(|cx| line.poll_restore(cx))).await;
            // The line is restored before the end arrives.
            assert_eq!(modes(&held), before);
            assert!(interface.lines.is_free());
            soon(served.ended).await.unwrap().unwrap();
        } else {
            drop(line);
            assert!(soon(served.ended).await.unwrap().is_err());
            assert_eq!(modes(&held), before);
            assert!(interface.lines.is_free());
        }
    }
}

/// Sends a request to a line, and reads from the line meanwhile.
async fn ask(line: &mut Remote<Pipe>, request: LineRequest) -> io::Result<()> {
    std::future::poll_fn(|cx| {
        let mut none = [];
        let read = Pin::new(&mut *line).poll_read(cx, &mut ReadBuf::new(&mut none));
        assert!(read.is_pending(), "{read:?}");
        line.poll_request(cx, request)
    })
    .await
}

#[tokio::test]
async fn a_setting_that_is_none_is_refused_and_a_line_that_goes_cuts() {
    let (adapter, path) = pty();
    let interface = interface(&format!("serial:{path}"));
    for (key, value) in [("baud", "fast"), ("speed", "9600"), ("parity", "maybe")] {
        let parameters = BTreeMap::from([(key.to_owned(), value.to_owned())]);
        let served = serve_with(&interface, Asked { parameters, ..Asked::default() }).await;
        assert_eq!(soon(served.refused).await.unwrap().0, Why::Wrong, "{key}");
    }
    let mut served = serve_with(&interface, Asked::default()).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(adapter);
    assert!(soon(served.far.read(&mut [0])).await.is_err());
    assert!(soon(served.ended).await.unwrap().is_err());
}
