//! HTTP requests of the SDK to its gateway.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::error::Error;
use crate::identity::Identity;
use crate::link::{Credentials, authority, open, tls};

/// The longest answer that is read whole, in bytes.
const LIMIT: usize = 512 * 1024 * 1024;
/// How long an answer may take to begin.
const PATIENCE: Duration = Duration::from_secs(60);

/// Requests to a gateway, each on a connection of its own.
pub struct Api<'a> {
    url: &'a str,
    credentials: Credentials<'a>,
}

/// An answer that is no refusal.
#[derive(Debug)]
pub struct Reply {
    status: u16,
    body: Incoming,
    /// Drives the connection; ends with it.
    _connection: tokio::task::JoinHandle<()>,
}

impl<'a> Api<'a> {
    /// Requests to the gateway at `url`, with an identity.
    #[must_use]
    pub fn new(url: &'a str, identity: &'a Identity) -> Self {
        Self { url, credentials: Credentials::Identity(identity) }
    }

    /// Requests to the gateway at `url`, with those credentials.
    pub(crate) fn with(url: &'a str, credentials: Credentials<'a>) -> Self {
        Self { url, credentials }
    }

    /// Requests to the gateway at `url`, trusted by the anchor of a code.
    pub(crate) fn with_code(url: &'a str, anchor: doorward_model::Fingerprint) -> Self {
        Self { url, credentials: Credentials::Code(anchor) }
    }

    /// Makes a request, and answers when the gateway's answer has begun.
    ///
    /// # Errors
    /// When the gateway is not reached, is another, or refuses.
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Reply, Error> {
        let stream = self.open().await?;
        self.exchange(stream, method, path, body).await
    }

    /// The connection of one request.
    pub(crate) async fn open(&self) -> Result<TlsStream<TcpStream>, Error> {
        open(self.url, None, &self.credentials, &[b"http/1.1"]).await
    }

    /// Makes a request on a connection that has been opened for it.
    pub(crate) async fn exchange(
        &self,
        stream: TlsStream<TcpStream>,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Reply, Error> {
        let (host, port) = authority(self.url)?;
        let broken = |error: hyper::Error| {
            let error = std::io::Error::other(error);
            Error::Unreachable { url: self.url.to_owned(), error }
        };
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let connection = tokio::spawn(async move {
            // What breaks here, breaks the answer as well.
            drop(connection.await);
        });
        let bytes = match body {
            Some(body) => {
                serde_json::to_vec(body).map_err(|error| Error::Answer(error.to_string()))?
            }
            None => vec![],
        };
        let host =
            if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, host)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(bytes)))
            .map_err(|error| Error::Answer(error.to_string()))?;
        let slow = |_| Error::Unreachable {
            url: self.url.to_owned(),
            error: std::io::ErrorKind::TimedOut.into(),
        };
        let answer = tokio::time::timeout(PATIENCE, sender.send_request(request)).await;
        let response = answer.map_err(slow)?.map_err(|error| self.broke(error))?;
        let (head, body) = response.into_parts();
        let reply = Reply { status: head.status.as_u16(), body, _connection: connection };
        if head.status.is_success() {
            return Ok(reply);
        }
        let id = head.headers.get("doorward-request-id");
        let id = id.and_then(|id| id.to_str().ok()).map(str::to_owned);
        let status = reply.status;
        let document: Value = reply.json().await.unwrap_or_default();
        let detail = document.get("detail").and_then(Value::as_str);
        let detail = detail.map_or_else(|| format!("the gateway answered {status}"), str::to_owned);
        let kind = document.get("type").and_then(Value::as_str).unwrap_or_default();
        let kind = match kind.rsplit('/').next() {
            None | Some("") => "failed".to_owned(),
            Some(kind) => kind.to_owned(),
        };
        Err(Error::Refused { status, kind, detail, id })
    }

    /// A TLS 1.3 client learns that its certificate was refused only when it reads.
    fn broke(&self, error: hyper::Error) -> Error {
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            if let Some(io) = cause.downcast_ref::<std::io::Error>()
                && let Some(inner) = io.get_ref()
                && let Some(inner) = inner.downcast_ref::<rustls::Error>()
            {
                return tls(self.url, std::io::Error::other(inner.clone()));
            }
            source = cause.source();
        }
        Error::Unreachable { url: self.url.to_owned(), error: std::io::Error::other(error) }
    }
}

impl Reply {
    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The next piece of the answer; `None` at its end.
    ///
    /// # Errors
    /// When it breaks off.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|_| Error::Answer("it broke off".to_owned()))?;
            if let Ok(chunk) = frame.into_data() {
                return Ok(Some(chunk));
            }
        }
        Ok(None)
    }

    /// The whole answer, which must be JSON.
    ///
    /// # Errors
    /// When it breaks off, or is no such JSON.
    pub async fn json<T: DeserializeOwned>(self) -> Result<T, Error> {
        let whole = Limited::new(self.body, LIMIT).collect().await;
        let whole = whole.map_err(|_| Error::Answer("it broke off".to_owned()))?.to_bytes();
        serde_json::from_slice(&whole).map_err(|error| Error::Answer(error.to_string()))
    }
}
