//! HTTP requests from the SDK to its gateway.

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

/// The longest response that is read into memory, in bytes.
const LIMIT: usize = 512 * 1024 * 1024;
/// How long the response may take to begin.
const PATIENCE: Duration = Duration::from_secs(60);

/// An HTTP client for a gateway. It opens a connection for each request.
pub struct Api<'a> {
    url: &'a str,
    credentials: Credentials<'a>,
}

/// A successful response.
#[derive(Debug)]
pub struct Reply {
    status: u16,
    body: Incoming,
    /// The task that drives the connection. It ends with the connection.
    _connection: tokio::task::JoinHandle<()>,
}

impl<'a> Api<'a> {
    /// Creates a client for the gateway at `url` that authenticates with an identity.
    #[must_use]
    pub fn new(url: &'a str, identity: &'a Identity) -> Self {
        Self { url, credentials: Credentials::Identity(identity) }
    }

    /// Creates a client for the gateway at `url` with the given credentials.
    pub(crate) fn with(url: &'a str, credentials: Credentials<'a>) -> Self {
        Self { url, credentials }
    }

    /// Creates a client for the gateway at `url` that trusts the anchor named by a code.
    pub(crate) fn with_code(url: &'a str, anchor: doorward_model::Fingerprint) -> Self {
        Self { url, credentials: Credentials::Code(anchor) }
    }

    /// Sends a request and returns the response once its head has arrived.
    ///
    /// # Errors
    /// Fails when the gateway is not reached, is another one, or refuses the request.
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Reply, Error> {
        let stream = self.open().await?;
        self.exchange(stream, method, path, body).await
    }

    /// Opens the connection for one request.
    pub(crate) async fn open(&self) -> Result<TlsStream<TcpStream>, Error> {
        open(self.url, None, &self.credentials, &[b"http/1.1"]).await
    }

    /// Sends a request on a connection that was opened for it.
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
            // An error here also fails the response.
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

    /// Converts an error. With TLS 1.3, a client learns only from a read that its certificate was
    /// refused.
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
    /// Returns the HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Returns the next part of the body, or `None` at its end.
    ///
    /// # Errors
    /// Fails when the connection breaks off.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|_| Error::Answer("the response broke off".to_owned()))?;
            if let Ok(chunk) = frame.into_data() {
                return Ok(Some(chunk));
            }
        }
        Ok(None)
    }

    /// Reads the whole body as JSON.
    ///
    /// # Errors
    /// Fails when the connection breaks off, or when the body is not the expected JSON.
    pub async fn json<T: DeserializeOwned>(self) -> Result<T, Error> {
        let whole = Limited::new(self.body, LIMIT).collect().await;
        let whole =
            whole.map_err(|_| Error::Answer("the response broke off".to_owned()))?.to_bytes();
        serde_json::from_slice(&whole).map_err(|error| Error::Answer(error.to_string()))
    }
}
