//! A client that can do what stock ones would never: show any certificate, and offer any
//! ticket at any door.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::client::{
    ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, NamedGroup, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::forge::Credentials;

/// How long anything may take before a test gives up on it.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Tickets that are offered at whatever door is next, wherever they came from.
#[derive(Debug, Default)]
pub struct AnyDoor(Mutex<VecDeque<Tls13ClientSessionValue>>);

impl AnyDoor {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl ClientSessionStore for AnyDoor {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}
    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }
    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}
    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }
    fn remove_tls12_session(&self, _: &ServerName<'static>) {}
    fn insert_tls13_ticket(&self, _: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        self.0.lock().unwrap().push_back(ticket);
    }
    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.0.lock().unwrap().pop_front()
    }
}

/// A client of one gateway.
#[derive(Clone)]
pub struct Client {
    config: Arc<ClientConfig>,
    at: SocketAddr,
    from: Option<IpAddr>,
    /// The tickets that it has.
    pub tickets: Arc<AnyDoor>,
}

impl Client {
    /// A client that trusts what `ca` holds and shows `credentials`.
    pub fn new(at: SocketAddr, ca: &Path, credentials: Option<Credentials>) -> Self {
        Self::speaking(at, ca, credentials, &[])
    }

    /// The same, offering protocols.
    pub fn speaking(
        at: SocketAddr,
        ca: &Path,
        credentials: Option<Credentials>,
        protocols: &[&str],
    ) -> Self {
        let mut roots = RootCertStore::empty();
        for anchor in CertificateDer::pem_file_iter(ca).unwrap() {
            roots.add(anchor.unwrap()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match credentials {
            Some(Credentials { chain, key }) => builder.with_client_auth_cert(chain, key).unwrap(),
            None => builder.with_no_client_auth(),
        };
        let tickets = Arc::new(AnyDoor::default());
        config.resumption = Resumption::store(Arc::clone(&tickets) as _);
        config.alpn_protocols = protocols.iter().map(|one| one.as_bytes().to_vec()).collect();
        Self { config: Arc::new(config), at, from: None, tickets }
    }

    /// The same trust and tickets, but another certificate, or none.
    pub fn with_tickets_of(mut self, other: &Self) -> Self {
        let mut config = ClientConfig::clone(&self.config);
        config.resumption = Resumption::store(Arc::clone(&other.tickets) as _);
        self.config = Arc::new(config);
        self.tickets = Arc::clone(&other.tickets);
        self
    }

    /// The same client, coming from another address of this machine.
    pub fn coming_from(mut self, address: IpAddr) -> Self {
        self.from = Some(address);
        self
    }

    async fn dial(&self) -> std::io::Result<TcpStream> {
        let Some(from) = self.from else { return TcpStream::connect(self.at).await };
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(from, 0))?;
        socket.connect(self.at).await
    }

    /// Shakes hands at a name.
    pub async fn connect(&self, name: &str) -> std::io::Result<TlsStream<TcpStream>> {
        let tcp = self.dial().await?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let connect = TlsConnector::from(Arc::clone(&self.config)).connect(name, tcp);
        tokio::time::timeout(PATIENCE, connect).await.expect("the handshake ends")
    }

    /// Opens a tunnel by CONNECT over HTTP/1.1; returns the status, the head, and the stream.
    pub async fn tunnel(
        &self,
        own: &str,
        authority: &str,
    ) -> std::io::Result<(u16, String, TlsStream<TcpStream>)> {
        let mut stream = self.connect(own).await?;
        let ask = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
        stream.write_all(ask.as_bytes()).await?;
        let head = read_head(&mut stream).await?;
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        Ok((status, head, stream))
    }
}

/// Reads up to the empty line of an HTTP head.
pub async fn read_head(stream: &mut TlsStream<TcpStream>) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = tokio::time::timeout(PATIENCE, stream.read_u8()).await.expect("an answer");
        head.push(byte?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// What was read until the far end ended, and whether that was a proper end.
pub async fn read_all(stream: &mut TlsStream<TcpStream>) -> (Vec<u8>, bool) {
    let mut all = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut all)).await;
    (all, ended.expect("the far end ends").is_ok())
}
