//! A fake gateway in this process, as the agent's program sees it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use doorward_wire::{
    ALPN, Answer, Asked, CONTROL_LIMIT, Carrier, Control, FlowKind, LinkEnd, OPENING_LIMIT,
    OpenFrame, Pipe, Taken, Welcome, Why, read_frame, transport, write_frame,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType, date_time_ymd};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;

const SUBJECT: &str = "device/plc";

fn now() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "the fake gateway lives at the present")]
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

fn live(params: &mut CertificateParams) {
    let at = |second: u64| date_time_ymd(1970, 1, 1) + Duration::from_secs(second);
    (params.not_before, params.not_after) = (at(now() - 60), at(now() + 86_400));
}

/// A fake gateway over QUIC. It admits flows, and serves them by the interface's name.
pub(crate) struct FakeGateway {
    address: SocketAddr,
    links: mpsc::Receiver<Carrier>,
    offers: mpsc::Receiver<Vec<String>>,
    issuer: Issuer<'static, KeyPair>,
    anchor: String,
}

impl FakeGateway {
    pub(crate) fn start() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        live(&mut params);
        let key = KeyPair::generate().unwrap();
        let anchor = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        live(&mut params);
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &issuer).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(anchor.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let mut tls = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(
                vec![leaf.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        tls.alpn_protocols = vec![ALPN.to_vec()];
        let crypto = quinn::crypto::rustls::QuicServerConfig::try_from(tls).unwrap();
        let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
        config.transport_config(Arc::new(transport(LinkEnd::Gateway)));
        let endpoint =
            quinn::Endpoint::server(config, SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = endpoint.local_addr().unwrap();
        let (linked, links) = mpsc::channel(16);
        let (offered, offers) = mpsc::channel(16);
        tokio::spawn(async move {
            while let Some(incoming) = endpoint.accept().await {
                let (linked, offered) = (linked.clone(), offered.clone());
                tokio::spawn(async move {
                    let carrier = Carrier::quic(incoming.await.unwrap());
                    linked.send(carrier.clone()).await.unwrap();
                    converse(carrier, offered).await;
                });
            }
        });
        Self { address, links, offers, issuer, anchor: anchor.pem() }
    }

    /// Writes an identity into a directory.
    pub(crate) fn enrol(&self, dir: &Path) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        live(&mut params);
        let id = format!("spiffe://home.arpa/{SUBJECT}");
        params.subject_alt_names = vec![SanType::URI(id.try_into().unwrap())];
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        let facts = json!({
            "url": format!("https://{}", self.address),
            "domain": "home.arpa",
            "gateway": "gateway/main",
            "subject": SUBJECT,
        });
        for (name, text) in [
            ("key.pem", key.serialize_pem()),
            ("cert.pem", leaf.pem()),
            ("ca.pem", self.anchor.clone()),
            ("gateway.json", facts.to_string()),
        ] {
            std::fs::write(dir.join(name), text).unwrap();
        }
    }

    /// Returns the next connection.
    pub(crate) async fn link(&mut self) -> Carrier {
        super::soon(self.links.recv()).await.unwrap()
    }

    /// Returns the next offer.
    pub(crate) async fn offered(&mut self) -> Vec<String> {
        super::soon(self.offers.recv()).await.unwrap()
    }
}

/// Opens a flow to an offered interface.
pub(crate) async fn open(carrier: &Carrier, interface: &str) -> (Pipe, Answer) {
    let mut pipe = carrier.open().await.unwrap();
    let asked = Asked {
        interface: interface.to_owned(),
        subject: Some("user/alice".to_owned()),
        ..Asked::default()
    };
    write_frame(&mut pipe, &OpenFrame::Open(asked).encode()).await.unwrap();
    let frame = super::soon(read_frame(&mut pipe, OPENING_LIMIT)).await.unwrap();
    (pipe, Answer::decode(&frame).unwrap())
}

async fn converse(carrier: Carrier, offered: mpsc::Sender<Vec<String>>) {
    let mut control = carrier.accept().await.unwrap();
    let hello = read_frame(&mut control, CONTROL_LIMIT).await.unwrap();
    assert!(matches!(Control::decode(&hello), Ok(Control::Hello(_))));
    let welcome = Control::Welcome(Welcome {
        version: 1,
        software: "fake".to_owned(),
        time: i64::try_from(now()).unwrap(),
        session: "S1".to_owned(),
    });
    write_frame(&mut control, &welcome.encode()).await.unwrap();
    let flows = carrier.clone();
    tokio::spawn(async move {
        while let Ok(pipe) = flows.accept().await {
            tokio::spawn(flow(flows.clone(), pipe));
        }
    });
    while let Ok(frame) = read_frame(&mut control, CONTROL_LIMIT).await {
        #[expect(clippy::wildcard_enum_match_arm, reason = "a fake gateway answers these only")]
        let answer = match Control::decode(&frame).unwrap() {
            Control::Offer(offer) => {
                let names: Vec<String> = offer.interfaces.into_iter().map(|one| one.name).collect();
                let declined = names.iter().filter(|name| name.starts_with("no"));
                let declined = declined.map(|name| (name.clone(), "not declared".to_owned()));
                let taken = Taken { id: offer.id, declined: declined.collect() };
                offered.send(names).await.unwrap();
                Control::Taken(taken)
            }
            Control::Posture(posture) => Control::Noted(posture.id),
            Control::Ping(number) => Control::Pong(number),
            _ => continue,
        };
        if write_frame(&mut control, &answer.encode()).await.is_err() {
            return;
        }
    }
}

/// Serves a flow by the name of its interface.
async fn flow(carrier: Carrier, mut pipe: Pipe) {
    let frame = read_frame(&mut pipe, OPENING_LIMIT).await.unwrap();
    let Ok(OpenFrame::Open(asked)) = OpenFrame::decode(&frame) else { panic!("it is Open") };
    let kind = if asked.interface == "box/udp" { FlowKind::Datagrams } else { FlowKind::Stream };
    let answer = match asked.interface.as_str() {
        "box/forbidden" => {
            let (detail, flow) = (String::new(), "F2".to_owned());
            Answer::Refused { why: Why::Forbidden, detail, flow, from: None }
        }
        _ => Answer::Admitted { flow: "F1".to_owned(), kind, actions: asked.actions.clone() },
    };
    write_frame(&mut pipe, &answer.encode()).await.unwrap();
    let mut bytes = [0; 1024];
    match asked.interface.as_str() {
        "box/forbidden" => drop(pipe.shutdown().await),
        "box/udp" => {
            let mut datagrams = carrier.datagrams(pipe);
            while let Ok(Some(datagram)) = datagrams.receive().await {
                datagrams.send(&[b"<", &datagram[..], b">"].concat());
            }
        }
        "box/actions" => {
            pipe.write_all(asked.actions.join(" ").as_bytes()).await.unwrap();
            pipe.shutdown().await.unwrap();
            // Waits until the other end has read it.
            drop(pipe.read_to_end(&mut Vec::new()).await);
        }
        "box/http" => {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let count = pipe.read(&mut bytes).await.unwrap();
                head.extend_from_slice(&bytes[..count]);
            }
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
            pipe.write_all(answer).await.unwrap();
            pipe.shutdown().await.unwrap();
            drop(pipe.read_to_end(&mut Vec::new()).await);
        }
        "box/cut" => {
            let count = pipe.read(&mut bytes).await.unwrap();
            pipe.write_all(&bytes[..count]).await.unwrap();
            pipe.flush().await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
            pipe.cut(Why::Ended);
        }
        _ => loop {
            match pipe.read(&mut bytes).await {
                Ok(0) => return drop(pipe.shutdown().await),
                Ok(count) => pipe.write_all(&bytes[..count]).await.unwrap(),
                Err(_) => return,
            }
        },
    }
}
