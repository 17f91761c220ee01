//! A local port, TCP or UDP, for one interface.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use doorward_model::DoorName;
use doorward_wire::LARGEST_DATAGRAM;
use serde_json::json;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use crate::datagrams::{FlowTable, Sink};
use crate::failure::Failure;
use crate::local_listener::{ListenAddress, LocalListener};
use crate::local_stream::LocalStream;
use crate::notices::Notices;
use crate::opener::{self, Boxed, FlowOpener};
use crate::signals::StopSignals;

/// How many local connections are served at once. Further ones wait to be accepted.
const CONNECTIONS: usize = 512;
/// How many programs may send datagrams to one port at once.
const SENDERS: usize = 256;
/// How long a program's flow of datagrams may be idle.
const IDLE: Duration = Duration::from_secs(2 * 60);

/// The local listeners for one interface: connections, and datagrams at the same port number.
pub(crate) struct InterfaceListener {
    connections: LocalListener,
    datagrams: Option<UdpSocket>,
}

impl InterfaceListener {
    /// Listens at `unix:PATH`, or at a loopback address if `open` is set.
    pub(crate) fn bind(address: &str, open: bool, notices: &Notices) -> Result<Self, Failure> {
        let address = ListenAddress::parse(address)?;
        if matches!(address, ListenAddress::Tcp(_)) && !open {
            return Err(Failure::Usage(
                "a TCP port can be used by everyone on this machine; use --stdio, or --listen \
                 unix:PATH, or add --open if that is what you mean"
                    .to_owned(),
            ));
        }
        let connections = LocalListener::bind(&address)?;
        let bound = || {
            let LocalListener::Tcp(tcp) = &connections else { return Ok(None) };
            let socket = std::net::UdpSocket::bind(tcp.local_addr()?)?;
            socket.set_nonblocking(true)?;
            UdpSocket::from_std(socket).map(Some)
        };
        // The UDP port may be taken although the TCP port was free. Most programs need only TCP.
        let datagrams = bound().unwrap_or_else(|error: io::Error| {
            notices.warn(format!("cannot receive datagrams at {}: {error}", connections.shown()));
            None
        });
        Ok(Self { connections, datagrams })
    }
}

/// Serves local programs until the agent is told to stop, or a refusal leaves no hope for another
/// flow. Each program gets its own flow.
pub(crate) async fn serve(
    listeners: InterfaceListener,
    opener: Arc<dyn FlowOpener>,
    interface: DoorName,
    notices: Notices,
    mut stop: StopSignals,
) -> Result<(), Failure> {
    let (at, path) = (listeners.connections.shown(), interface.path());
    notices
        .listening(&format!("{path} is at {at}"), json!({ "interface": path, "address": at }))?;
    tokio::select! {
        () = stop.received() => Ok(()),
        hopeless = notices.hopeless() => Err(hopeless),
        () = connections(&listeners.connections, &opener, &interface, &notices) => Ok(()),
        ended = datagrams(listeners.datagrams, &opener, &interface, &notices) => ended,
    }
}

async fn connections(
    listener: &LocalListener,
    opener: &Arc<dyn FlowOpener>,
    interface: &DoorName,
    notices: &Notices,
) {
    let mut flows = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = flows.join_next(), if !flows.is_empty() => {}
            accepted = listener.accept(), if flows.len() < CONNECTIONS => match accepted {
                Ok(local) => {
                    let (opener, interface) = (Arc::clone(opener), interface.clone());
                    flows.spawn(flow(local, opener, interface, notices.clone()));
                }
                Err(error) => {
                    notices.warn(format!("could not accept a connection: {error}"));
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
}

async fn flow(
    local: LocalStream,
    opener: Arc<dyn FlowOpener>,
    interface: DoorName,
    notices: Notices,
) {
    // Set before the flow is opened, so that a refusal is a reset too.
    if local.guard().is_err() {
        return;
    }
    match opener::stream(&*opener, &interface).await {
        Ok(mut flow) => {
            if let Err(failure) = local.carry(&mut *flow, Vec::new()).await {
                let failure = opener::explained(failure, &*flow).await;
                notices.failed(Some(&interface), failure);
            }
        }
        Err(refusal) => notices.refused(&interface, &refusal),
    }
}

/// Sends datagrams back to the programs that sent some.
struct Port(Arc<UdpSocket>);

impl Sink<SocketAddr> for Port {
    fn deliver<'a>(&'a self, key: &'a SocketAddr, datagram: &'a [u8]) -> Boxed<'a, io::Result<()>> {
        Box::pin(async move {
            match self.0.send_to(datagram, key).await {
                // The program may have ended. The idle timeout then ends its flow.
                Err(error) if error.kind() != io::ErrorKind::ConnectionRefused => Err(error),
                _ => Ok(()),
            }
        })
    }
}

async fn datagrams(
    socket: Option<UdpSocket>,
    opener: &Arc<dyn FlowOpener>,
    interface: &DoorName,
    notices: &Notices,
) -> Result<(), Failure> {
    let Some(socket) = socket else { return std::future::pending().await };
    let socket = Arc::new(socket);
    let port = Arc::new(Port(Arc::clone(&socket)));
    let mut table = FlowTable::new(Arc::clone(opener), notices.clone(), port, IDLE, SENDERS);
    let mut bytes = vec![0; LARGEST_DATAGRAM];
    loop {
        match socket.recv_from(&mut bytes).await {
            Ok((count, from)) => {
                let datagram = bytes.get(..count).unwrap_or_default();
                table.send(&from, interface, Bytes::copy_from_slice(datagram));
            }
            // An earlier datagram met a closed port. That is no error of this call.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            Err(error) => {
                return Err(Failure::Local { what: "the local datagrams".to_owned(), error });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use doorward_wire::Why;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;
    use crate::opener::tests::{FakeBackend, FakeOpener};

    fn notices() -> Notices {
        Notices::new(false, false)
    }

    #[tokio::test]
    async fn a_local_listener_is_no_way_around() {
        for (address, open, why) in [
            ("0.0.0.0:0", true, "other machines"),
            ("192.0.2.1:80", true, "other machines"),
            ("127.0.0.1:0", false, "--stdio"),
            ("127.0.0.1:0", false, "unix:PATH"),
            ("nowhere", true, "not an address to listen at"),
        ] {
            let error = InterfaceListener::bind(address, open, &notices()).err().unwrap();
            assert!(matches!(error, Failure::Usage(_)), "{address}: {error}");
            let error = error.to_string();
            assert!(error.contains(why), "{address}: {error}");
        }
        assert!(InterfaceListener::bind("127.0.0.1:0", true, &notices()).is_ok());
    }

    #[tokio::test]
    async fn a_udp_port_that_is_taken_leaves_the_connections() {
        let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let listeners = InterfaceListener::bind(&address, true, &notices()).unwrap();
        assert!(listeners.datagrams.is_none());
    }

    fn start(backend: FakeBackend) -> (SocketAddr, tokio::task::JoinHandle<Result<(), Failure>>) {
        let listeners = InterfaceListener::bind("127.0.0.1:0", true, &notices()).unwrap();
        let address = listeners.connections.shown().parse().unwrap();
        let interface = "dns--box".parse().unwrap();
        let serving = serve(
            listeners,
            Arc::new(FakeOpener::new(backend)),
            interface,
            notices(),
            StopSignals::new().unwrap(),
        );
        (address, tokio::spawn(serving))
    }

    async fn program(address: SocketAddr) -> TcpStream {
        #[expect(clippy::disallowed_methods, reason = "a test's local program")]
        TcpStream::connect(address).await.unwrap()
    }

    #[tokio::test]
    async fn one_port_takes_connections_and_datagrams() {
        let (address, serving) = start(FakeBackend::Echo);
        let mut tcp = program(address).await;
        tcp.write_all(b"hello").await.unwrap();
        tcp.shutdown().await.unwrap();
        let mut all = Vec::new();
        tcp.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"hello");
        for text in [&b"one"[..], b"two"] {
            let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            udp.send_to(text, address).await.unwrap();
            let mut bytes = [0; 16];
            let (count, from) = udp.recv_from(&mut bytes).await.unwrap();
            assert_eq!((&bytes[..count], from), (text, address));
        }
        serving.abort();
    }

    #[tokio::test]
    async fn a_refusal_that_waiting_does_not_change_ends_it() {
        let (address, serving) = start(FakeBackend::Refuse(Some(Why::Forbidden)));
        let mut tcp = program(address).await;
        drop(tcp.read_to_end(&mut Vec::new()).await);
        let ended = serving.await.unwrap().unwrap_err();
        assert_eq!(ended.to_string(), "not today");
    }

    #[tokio::test]
    async fn a_cut_or_refused_flow_is_a_reset() {
        for backend in [FakeBackend::Cut, FakeBackend::Refuse(None)] {
            let (address, serving) = start(backend);
            let mut tcp = program(address).await;
            // The refusal may arrive before the write.
            drop(tcp.write_all(b"x").await);
            let error = tcp.read_to_end(&mut Vec::new()).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{backend:?}");
            serving.abort();
        }
    }
}
