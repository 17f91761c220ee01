//! A scripted gateway in the same process, as the SDK sees it.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use doorward_wire::{
    Answer, Asked, CONTROL_LIMIT, Carrier, Control, Declined, FlowKind, LinkEnd, OPENING_LIMIT,
    OpenFrame, Pipe, Renewed, Report, Taken, Welcome, Why, read_frame, transport, write_frame,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;

use crate::crypto::library::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use crate::crypto::sha256;

use super::authority::{DAY, Life, SUBJECT, TestAuthority, now};

/// An event that the gateway has seen.
#[derive(Debug)]
pub(super) enum GatewayEvent {
    Hello(Vec<u8>),
    Offered(Vec<String>),
    Reported(Report),
    Kept,
    Bye(Why),
    /// A connection is over.
    Over(&'static str),
    Recovered,
}

/// How the gateway behaves.
pub(super) struct Script {
    /// Whether `/v1/self` knows the client.
    pub(super) knows: AtomicBool,
    /// Whether it recovers identities.
    pub(super) recovers: AtomicBool,
    /// Whether it grants renewals.
    pub(super) renews: AtomicBool,
    /// By how many seconds its time is wrong.
    pub(super) off: AtomicI64,
    authority: Arc<TestAuthority>,
    links: Mutex<Vec<(Carrier, mpsc::UnboundedSender<Control>)>>,
    seen: mpsc::UnboundedSender<GatewayEvent>,
}

pub(super) struct ScriptedGateway {
    pub(super) address: SocketAddr,
    /// Holds the TCP port, and refuses connections, until the gateway listens there.
    tcp: Option<TcpSocket>,
    /// Holds the UDP port. What comes while no endpoint uses it is lost.
    udp: UdpSocket,
    pub(super) script: Arc<Script>,
    seen: mpsc::UnboundedReceiver<GatewayEvent>,
    endpoint: Option<quinn::Endpoint>,
    tasks: JoinSet<()>,
    life: Life,
}

impl ScriptedGateway {
    pub(super) fn new(authority: &Arc<TestAuthority>) -> Self {
        let (tell, seen) = mpsc::unbounded_channel();
        let script = Script {
            knows: AtomicBool::new(true),
            recovers: AtomicBool::new(true),
            renews: AtomicBool::new(true),
            off: AtomicI64::new(0),
            authority: Arc::clone(authority),
            links: Mutex::default(),
            seen: tell,
        };
        let (tcp, udp) = std::iter::repeat_with(one_number).flatten().next().unwrap();
        let address = udp.local_addr().unwrap();
        let (script, tasks) = (Arc::new(script), JoinSet::new());
        Self { address, tcp: Some(tcp), udp, script, seen, endpoint: None, tasks, life: DAY }
    }

    pub(super) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Listens at the TCP port.
    pub(super) async fn tcp(mut self) -> Self {
        let listener = self.tcp.take().unwrap().listen(1024).unwrap();
        let config = Arc::new(self.script.authority.server(self.life, false));
        let script = Arc::clone(&self.script);
        self.tasks.spawn(async move {
            let mut tasks = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                let (script, acceptor) =
                    (Arc::clone(&script), TlsAcceptor::from(Arc::clone(&config)));
                tasks.spawn(async move {
                    let Ok(stream) = acceptor.accept(tcp).await else { return };
                    if stream.get_ref().1.alpn_protocol() == Some(doorward_wire::ALPN) {
                        // Like the gateway, without a word to a client that shows no certificate.
                        if stream.get_ref().1.peer_certificates().is_some() {
                            serve(script, Carrier::yamux(stream, LinkEnd::Gateway)).await;
                        }
                    } else {
                        http(script, stream).await;
                    }
                });
            }
        });
        self
    }

    /// Listens at the UDP port with the same number.
    pub(super) async fn quic(mut self) -> Self {
        self.listen_quic().await;
        self
    }

    pub(super) async fn listen_quic(&mut self) {
        let tls = self.script.authority.server(self.life, true);
        let crypto = quinn::crypto::rustls::QuicServerConfig::try_from(tls).unwrap();
        let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
        config.transport_config(Arc::new(transport(LinkEnd::Gateway)));
        let socket = self.udp.try_clone().unwrap();
        let runtime = Arc::new(quinn::TokioRuntime);
        let settings = quinn::EndpointConfig::default();
        let endpoint = quinn::Endpoint::new(settings, Some(config), socket, runtime).unwrap();
        self.endpoint = Some(endpoint.clone());
        let script = Arc::clone(&self.script);
        self.tasks.spawn(async move {
            let mut tasks = JoinSet::new();
            while let Some(incoming) = endpoint.accept().await {
                let script = Arc::clone(&script);
                tasks.spawn(async move {
                    if let Ok(connection) = incoming.await {
                        serve(script, Carrier::quic(connection)).await;
                    }
                });
            }
        });
    }

    /// Stops the gateway and closes all connections. It keeps its UDP port.
    pub(super) async fn go(&mut self) {
        for (carrier, _) in self.script.links.lock().unwrap().drain(..) {
            carrier.close(Why::Broken);
        }
        self.tasks.shutdown().await;
        if let Some(endpoint) = self.endpoint.take() {
            endpoint.close(0u32.into(), b"");
            endpoint.wait_idle().await;
        }
    }

    /// Returns the next event.
    pub(super) async fn sees(&mut self) -> GatewayEvent {
        let seen = self.seen.recv();
        tokio::time::timeout(super::PATIENCE, seen).await.expect("nothing is seen").unwrap()
    }

    /// Skips events until `wanted` returns a value.
    pub(super) async fn sees_until<T>(
        &mut self,
        mut wanted: impl FnMut(&GatewayEvent) -> Option<T>,
    ) -> T {
        loop {
            if let Some(found) = wanted(&self.sees().await) {
                return found;
            }
        }
    }

    /// Sends a message on the newest connection.
    pub(super) fn say(&self, word: Control) {
        self.script.links.lock().unwrap().last().unwrap().1.send(word).unwrap();
    }

    /// Opens an offered interface on the newest connection.
    pub(super) async fn open(&self, interface: &str) -> (Carrier, Pipe, Answer) {
        let carrier = self.script.links.lock().unwrap().last().unwrap().0.clone();
        let mut pipe = carrier.open().await.unwrap();
        let asked = Asked {
            interface: interface.to_owned(),
            subject: Some("user/alice".to_owned()),
            ..Asked::default()
        };
        write_frame(&mut pipe, &OpenFrame::Open(asked).encode()).await.unwrap();
        let answer = Answer::decode(&read_frame(&mut pipe, OPENING_LIMIT).await.unwrap()).unwrap();
        (carrier, pipe, answer)
    }
}

/// Takes a TCP port and the UDP port of the same number, unless another program has that one.
fn one_number() -> Option<(TcpSocket, UdpSocket)> {
    let tcp = TcpSocket::new_v4().unwrap();
    tcp.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let udp = UdpSocket::bind(tcp.local_addr().unwrap()).ok()?;
    Some((tcp, udp))
}

impl Script {
    fn see(&self, seen: GatewayEvent) {
        drop(self.seen.send(seen));
    }
}

async fn serve(script: Arc<Script>, carrier: Carrier) {
    let name = carrier.as_str();
    let over = converse(&script, &carrier).await;
    script.see(GatewayEvent::Over(name));
    if let Some(why) = over {
        carrier.close(why);
    } else {
        carrier.close(Why::Broken);
    }
}

async fn converse(script: &Arc<Script>, carrier: &Carrier) -> Option<Why> {
    let mut control = carrier.accept().await.ok()?;
    let hello = read_frame(&mut control, CONTROL_LIMIT).await.ok()?;
    let Ok(Control::Hello(hello)) = Control::decode(&hello) else { panic!("the first is Hello") };
    let welcome = Control::Welcome(Welcome {
        version: 1,
        software: "fake".to_owned(),
        time: now() + script.off.load(Ordering::SeqCst),
        session: "S1".to_owned(),
    });
    write_frame(&mut control, &welcome.encode()).await.ok()?;
    let (words, mut waiting) = mpsc::unbounded_channel();
    script.links.lock().unwrap().push((carrier.clone(), words));
    script.see(GatewayEvent::Hello(hello.instance));
    let (mut from, mut to) = tokio::io::split(control);
    let (tell, mut heard) = mpsc::channel(1);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Ok(frame) = read_frame(&mut from, CONTROL_LIMIT).await {
            if tell.send(Control::decode(&frame).unwrap()).await.is_err() {
                return;
            }
        }
    });
    loop {
        tokio::select! {
            word = heard.recv() => {
                #[expect(clippy::wildcard_enum_match_arm, reason = "a fake gateway answers these only")]
                let answer = match word? {
                    Control::Offer(offer) => {
                        let names = offer.interfaces.iter().map(|one| one.name.clone());
                        script.see(GatewayEvent::Offered(names.clone().collect()));
                        let declined = names.filter(|name| name.starts_with("no"));
                        let declined = declined.map(|name| (name, "not declared".to_owned()));
                        Control::Taken(Taken { id: offer.id, declined: declined.collect() })
                    }
                    Control::Posture(posture) => {
                        script.see(GatewayEvent::Reported(posture.report));
                        Control::Noted(posture.id)
                    }
                    Control::Renew(id, _) if !script.renews.load(Ordering::SeqCst) => {
                        let detail = "ask an administrator".to_owned();
                        Control::Declined(Declined { id, why: Why::Forbidden, detail })
                    }
                    Control::Renew(id, request) => Control::Renewed(Renewed {
                        id,
                        certificate: script.authority.sign(&request, DAY),
                        anchors: script.authority.anchor.clone(),
                    }),
                    Control::Kept(_) => {
                        script.see(GatewayEvent::Kept);
                        continue;
                    }
                    Control::Ping(number) => Control::Pong(number),
                    Control::Bye(why, _) => {
                        script.see(GatewayEvent::Bye(why));
                        continue;
                    }
                    _ => continue,
                };
                write_frame(&mut to, &answer.encode()).await.ok()?;
            }
            Some(word) = waiting.recv() => {
                write_frame(&mut to, &word.encode()).await.ok()?;
                if let Control::Bye(why, _) = word {
                    return Some(why);
                }
            }
            stream = carrier.accept() => match stream {
                Ok(pipe) => {
                    tasks.spawn(flow(carrier.clone(), pipe));
                }
                Err(_) => {
                    // Messages sent before the end still count.
                    while let Some(word) = heard.recv().await {
                        if let Control::Bye(why, _) = word {
                            script.see(GatewayEvent::Bye(why));
                        }
                    }
                    return None;
                }
            },
        }
    }
}

fn refused(why: Why, from: Option<i64>) -> Answer {
    Answer::Refused { why, detail: "no".to_owned(), flow: "F2".to_owned(), from }
}

/// Answers a question by the name of the interface. An old gateway does not know questions.
async fn answer(mut pipe: Pipe, interface: &str) {
    let answer = match interface {
        "plc-3/echo" => Answer::Admitted {
            flow: String::new(),
            kind: FlowKind::Stream,
            actions: vec!["connect".to_owned()],
        },
        "plc-3/old" => refused(Why::Wrong, None),
        "plc-3/later" => refused(Why::Forbidden, Some(4_102_444_800)),
        _ => refused(Why::Forbidden, None),
    };
    write_frame(&mut pipe, &answer.encode()).await.unwrap();
    drop(pipe.shutdown().await);
}

/// Serves a flow by the name of the requested interface.
async fn flow(carrier: Carrier, mut pipe: Pipe) {
    let Ok(frame) = read_frame(&mut pipe, OPENING_LIMIT).await else { return };
    let asked = match OpenFrame::decode(&frame) {
        Ok(OpenFrame::Open(asked)) => asked,
        Ok(OpenFrame::Ask(asked)) => return answer(pipe, &asked.interface).await,
        other => panic!("{other:?}"),
    };
    let admitted = |kind| Answer::Admitted {
        flow: "F1".to_owned(),
        kind,
        actions: vec!["connect".to_owned(), "of-a-later-version".to_owned()],
    };
    match asked.interface.as_str() {
        "plc-3/echo" => {
            write_frame(&mut pipe, &admitted(FlowKind::Stream).encode()).await.unwrap();
            let mut bytes = [0; 1024];
            while let Ok(count) = pipe.read(&mut bytes).await {
                if count == 0 {
                    drop(pipe.shutdown().await);
                    return;
                }
                if pipe.write_all(&bytes[..count]).await.is_err() || pipe.flush().await.is_err() {
                    return;
                }
            }
        }
        udp @ ("plc-3/echo-udp" | "plc-3/first-word") => {
            write_frame(&mut pipe, &admitted(FlowKind::Datagrams).encode()).await.unwrap();
            let mut datagrams = carrier.datagrams(pipe);
            if udp == "plc-3/first-word" {
                datagrams.send(b"first");
            }
            while let Ok(Some(datagram)) = datagrams.receive().await {
                datagrams.send(&datagram);
            }
        }
        other => {
            let why = if other == "plc-3/full" { Why::Busy } else { Why::Forbidden };
            write_frame(&mut pipe, &refused(why, None).encode()).await.unwrap();
            drop(pipe.shutdown().await);
        }
    }
}

async fn http(script: Arc<Script>, mut stream: TlsStream<TcpStream>) {
    let mut request = Vec::new();
    let (head, mut body) = loop {
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
        if let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
            break (head, request.split_off(end + 4));
        }
    };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |length| length.parse().unwrap());
    while body.len() < length {
        if stream.read_buf(&mut body).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let (status, answer) = if head.starts_with("get /v1/self ") {
        let known = script.knows.load(Ordering::SeqCst);
        let known = known && stream.get_ref().1.peer_certificates().is_some();
        (if known { 200 } else { 503 }, json!({ "subject": SUBJECT, "detail": "later" }))
    } else if head.starts_with("post /v1/recover ") && !script.recovers.load(Ordering::SeqCst) {
        (403, json!({ "type": "/problems/code-refused", "detail": "ask for a new code" }))
    } else if head.starts_with("post /v1/recover ") {
        recovery(&script, &stream, &serde_json::from_slice(&body).unwrap())
    } else {
        (404, json!({}))
    };
    let answer = answer.to_string();
    let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n", answer.len());
    drop(stream.write_all((head + &answer).as_bytes()).await);
    drop(stream.shutdown().await);
}

/// Verifies a recovery as the gateway must.
fn recovery(script: &Script, stream: &TlsStream<TcpStream>, body: &Value) -> (u16, Value) {
    let leaf = CertificateDer::from_pem_slice(body["certificate"].as_str().unwrap().as_bytes());
    let leaf = leaf.unwrap();
    let (_, leaf) = x509_parser::certificate::X509Certificate::from_der(&leaf).unwrap();
    let pem = body["csr"].as_str().unwrap();
    let request = CertificateSigningRequestDer::from_pem_slice(pem.as_bytes()).unwrap();
    let session = stream.get_ref().1;
    assert!(session.peer_certificates().is_none(), "no certificate is shown");
    let label = doorward_wire::RECOVERY;
    let exported = session.export_keying_material([0; 32], label, None).unwrap();
    let (_, request) = X509CertificationRequest::from_der(&request).unwrap();
    let new_key = request.certification_request_info.subject_pki.raw;
    let proof = [exported, sha256(new_key)].concat();
    let signature = URL_SAFE_NO_PAD.decode(body["signature"].as_str().unwrap()).unwrap();
    let key = &leaf.public_key().subject_public_key.data;
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key).verify(&proof, &signature).unwrap();
    script.see(GatewayEvent::Recovered);
    let answer = json!({
        "subject": SUBJECT,
        "certificate": script.authority.sign(pem, DAY),
        "anchors": script.authority.anchor,
        "domain": "home.arpa",
        "gateway": "gateway/main",
        "management": null,
    });
    (200, answer)
}
