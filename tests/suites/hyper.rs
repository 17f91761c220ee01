//! hyper and h2, as clients of an HTTP interface: by its own name, and at a port of
//! `doorward-agent connect`.

use std::net::SocketAddr;

use bytes::Bytes;
use doorward_tests::Gateway;
use doorward_tests::client::Client;
use doorward_tests::forge::Credentials;
use doorward_tests::http::HttpBackend;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

const NAME: &str = "web--box.doorward.home.arpa";
const RULES: &str = "p, user/alice, box, web/**, *, , allow\n\
                     p, user/alice, box, web/secret/**, *, , deny";

fn world() -> (Gateway, HttpBackend) {
    let gateway = Gateway::start();
    let backend = HttpBackend::start(&gateway);
    gateway.declare("box/web", &backend.url());
    gateway.enrol("user/alice", &[]);
    gateway.rules(RULES);
    (gateway, backend)
}

/// A connection of hyper's.
struct Http1(SendRequest<Full<Bytes>>);

impl Http1 {
    async fn over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        let (send, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(async { drop(connection.with_upgrades().await) });
        Self(send)
    }

    async fn ask(&mut self, method: &str, path: &str, body: &'static str) -> Response<Incoming> {
        let request = Request::builder().method(method).uri(path).header("host", NAME);
        // Whoever does not say so is sent no trailers (RFC 9110 section 6.5.1).
        let request = request.header("te", "trailers").header("connection", "te");
        let request = request.body(Full::new(Bytes::from_static(body.as_bytes()))).unwrap();
        self.0.ready().await.unwrap();
        self.0.send_request(request).await.unwrap()
    }

    async fn content(&mut self, method: &str, path: &str, body: &'static str) -> (u16, String) {
        let (head, body) = self.ask(method, path, body).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head.status.as_u16(), String::from_utf8(body.to_vec()).unwrap())
    }
}

async fn by_name(gateway: &Gateway, protocol: &str) -> impl AsyncRead + AsyncWrite + use<> {
    let dir = gateway.identity("alice");
    let credentials = Some(Credentials::read(&dir));
    let client = Client::speaking(gateway.listen, &dir.join("ca.pem"), credentials, &[protocol]);
    client.connect(NAME).await.unwrap()
}

async fn hyper_is_served(mut client: Http1, backend: &HttpBackend) {
    let before = backend.lines().len();
    let (status, _) = client.content("GET", "/secret/a", "").await;
    assert_eq!(status, 403);
    assert_eq!(backend.lines().len(), before, "it reached the backend");
    // The connection goes on.
    assert_eq!(client.content("GET", "/a", "").await, (200, "GET /a\n".to_owned()));
    assert_eq!(client.content("POST", "/echo", "some").await, (200, "some".to_owned()));
    assert_eq!(client.content("HEAD", "/head", "").await, (200, String::new()));
    let (status, _) = client.content("GET", "/a/../secret/a", "").await;
    assert!([400, 403].contains(&status), "{status}");
    // A body that is framed by chunks, and what stands behind it.
    let (head, body) = client.ask("GET", "/trailers", "").await.into_parts();
    assert_eq!(head.status, StatusCode::OK);
    let whole = body.collect().await.unwrap();
    let sum = whole.trailers().and_then(|trailers| trailers.get("x-sum")).cloned();
    assert_eq!(whole.to_bytes(), "hi");
    assert_eq!(sum.as_ref().map(|sum| sum.as_bytes()), Some(&b"7"[..]));
    // Another protocol, behind an upgrade.
    let request = Request::get("/raw").header("host", NAME);
    let request = request.header("connection", "upgrade").header("upgrade", "raw");
    let response = client.0.send_request(request.body(Full::default()).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    let mut stream = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    stream.write_all(b"there").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    assert_eq!(said, "hello\nthere".to_owned() + "bye\n");
}

async fn h2_is_served(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
    let (send, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(async { drop(connection.await) });
    let mut send = send.ready().await.unwrap();
    for (path, body, status, told) in [
        ("/secret/a", None, 403, None),
        ("/a", None, 200, Some("GET /a\n")),
        ("/echo", Some("some"), 200, Some("some")),
    ] {
        let method = if body.is_some() { "POST" } else { "GET" };
        let request = Request::builder().method(method).uri(format!("https://{NAME}{path}"));
        let (answer, mut up) =
            send.send_request(request.body(()).unwrap(), body.is_none()).unwrap();
        if let Some(body) = body {
            up.send_data(Bytes::from_static(body.as_bytes()), true).unwrap();
        }
        let answer = answer.await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{path}");
        let (mut body, mut found) = (answer.into_body(), Vec::new());
        while let Some(chunk) = body.data().await {
            let chunk = chunk.unwrap();
            body.flow_control().release_capacity(chunk.len()).unwrap();
            found.extend_from_slice(&chunk);
        }
        if let Some(told) = told {
            assert_eq!(String::from_utf8(found).unwrap(), told);
        }
    }
}

async fn at_port(at: SocketAddr) -> TcpStream {
    TcpStream::connect(at).await.unwrap()
}

#[tokio::test]
async fn hyper_and_h2_are_served_by_name_and_at_a_port() {
    let (gateway, backend) = world();
    let (_running, at) = gateway.listening("alice", "box/web");
    hyper_is_served(Http1::over(by_name(&gateway, "http/1.1").await).await, &backend).await;
    hyper_is_served(Http1::over(at_port(at).await).await, &backend).await;
    h2_is_served(by_name(&gateway, "h2").await).await;
    h2_is_served(at_port(at).await).await;
    let reached = backend.lines();
    assert!(reached.iter().all(|line| !line.contains("secret")), "{reached:?}");
}
