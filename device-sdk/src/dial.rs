//! Connects to the gateway over QUIC or over TLS and TCP, whichever answers.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use doorward_wire::{ALPN, Carrier, LinkEnd, transport};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ConnectionError, Endpoint};
use rustls::AlertDescription;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{sleep, timeout};

use crate::connection_end::ConnectionEnd;
use crate::error::Error;
use crate::link::{Credentials, PATIENCE, authority, config, open};
use crate::settings::{Settings, Transport};
use crate::tls_words::{alert_words, words};

/// A connection whose handshake is done.
pub(crate) struct DialedCarrier {
    pub(crate) carrier: Carrier,
    /// The gateway's certificate.
    pub(crate) leaf: CertificateDer<'static>,
    pub(crate) refusal: TlsRefusal,
}

/// A way to learn whether the gateway's TLS refused the client's certificate. TLS 1.3 refuses it
/// only after the handshake.
#[derive(Debug)]
pub(crate) enum TlsRefusal {
    Quic(quinn::Connection),
    Tls(Arc<OnceLock<AlertDescription>>),
}

impl TlsRefusal {
    /// Returns the reason if the certificate was refused.
    pub(crate) fn why(&self) -> Option<String> {
        let alert = match self {
            Self::Tls(alert) => alert.get().copied(),
            Self::Quic(connection) => match connection.close_reason() {
                Some(ConnectionError::ConnectionClosed(closed)) => alert(closed.error_code.into()),
                _ => None,
            },
        };
        let alert = alert.filter(is_about_the_certificate)?;
        Some(format!("the gateway refuses the identity: {}", alert_words(alert)))
    }
}

/// Returns the TLS alert in a QUIC error code (RFC 9001 section 4.8).
fn alert(code: u64) -> Option<AlertDescription> {
    let alert = code.checked_sub(0x100)?;
    u8::try_from(alert).ok().map(AlertDescription::from)
}

fn is_about_the_certificate(alert: &AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::CertificateRequired
    )
}

/// Connects to the gateway at `url` over the transport in the settings. With `both`, QUIC and TLS
/// start at the same time.
pub(crate) async fn dial(
    url: &str,
    credentials: &Credentials<'_>,
    settings: &Settings,
    both: bool,
) -> Result<DialedCarrier, ConnectionEnd> {
    match settings.transport {
        Transport::Quic => quic(url, credentials, settings).await,
        Transport::Tls => tls(url, credentials).await,
        Transport::Auto => {
            let patience = if both { Duration::ZERO } else { settings.quic_patience };
            race(quic(url, credentials, settings), tls(url, credentials), patience).await
        }
    }
}

/// Returns the result of the first future that succeeds. The second starts when the first has
/// failed, or after `patience`.
async fn race<T>(
    first: impl Future<Output = Result<T, ConnectionEnd>>,
    second: impl Future<Output = Result<T, ConnectionEnd>>,
    patience: Duration,
) -> Result<T, ConnectionEnd> {
    let mut first = std::pin::pin!(first);
    tokio::select! {
        biased;
        done = first.as_mut() => return match done {
            Ok(done) => Ok(done),
            Err(one) => second.await.map_err(|other| worse(one, other)),
        },
        () = sleep(patience) => {}
    }
    let mut second = std::pin::pin!(second);
    tokio::select! {
        biased;
        done = first.as_mut() => match done {
            Ok(done) => Ok(done),
            Err(one) => second.await.map_err(|other| worse(one, other)),
        },
        done = second.as_mut() => match done {
            Ok(done) => Ok(done),
            Err(other) => first.await.map_err(|one| worse(one, other)),
        },
    }
}

/// Combines two failures. The one of TCP says more about why nobody answers.
fn worse(quic: ConnectionEnd, tls: ConnectionEnd) -> ConnectionEnd {
    ConnectionEnd { why: format!("{} (QUIC: {})", tls.why, quic.why), ..tls }
}

async fn resolve(url: &str) -> Result<(String, Vec<SocketAddr>), Error> {
    let (host, port) = authority(url)?;
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok((host, vec![SocketAddr::new(ip, port)]));
    }
    let unreachable = |error| Error::Unreachable { url: url.to_owned(), error };
    let found = tokio::net::lookup_host((host.as_str(), port)).await.map_err(unreachable)?;
    let found: Vec<SocketAddr> = found.collect();
    if found.is_empty() {
        return Err(unreachable(io::ErrorKind::NotFound.into()));
    }
    Ok((host, found))
}

/// Connects to the gateway over QUIC.
pub(crate) async fn quic(
    url: &str,
    credentials: &Credentials<'_>,
    settings: &Settings,
) -> Result<DialedCarrier, ConnectionEnd> {
    let tls = config(credentials, &[ALPN])?;
    let crypto = QuicClientConfig::try_from(tls).map_err(|_| Error::Crypto("speak QUIC"))?;
    let mut config = quinn::ClientConfig::new(Arc::new(crypto));
    config.transport_config(Arc::new(transport(LinkEnd::Client)));
    let reach = async {
        let (host, addresses) = resolve(url).await?;
        let mut last = ConnectionEnd::failed("the gateway's host name has no address");
        for address in addresses {
            match reach(&config, &host, address, settings.endpoint.as_ref()).await {
                Ok(dialed) => return Ok(dialed),
                Err(end) => last = end,
            }
        }
        Err(last)
    };
    timeout(PATIENCE, reach)
        .await
        .unwrap_or_else(|_| Err(ConnectionEnd::failed("no answer to QUIC")))
}

async fn reach(
    config: &quinn::ClientConfig,
    host: &str,
    address: SocketAddr,
    endpoint: Option<&Endpoint>,
) -> Result<DialedCarrier, ConnectionEnd> {
    let endpoint = match endpoint {
        Some(shared) => shared.clone(),
        None => {
            let any: IpAddr = match address {
                SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
            };
            // The connection keeps its endpoint alive.
            Endpoint::client(SocketAddr::new(any, 0)).map_err(ConnectionEnd::failed)?
        }
    };
    let connecting =
        endpoint.connect_with(config.clone(), address, host).map_err(ConnectionEnd::failed)?;
    let connection = connecting.await.map_err(|error| {
        let ConnectionError::TransportError(error) = error else {
            return ConnectionEnd::failed(error);
        };
        // The text of a TLS error is the library's, so only its alert is translated.
        let why = match alert(error.code.into()) {
            Some(alert) => alert_words(alert),
            None => error.code.to_string(),
        };
        ConnectionEnd::failed(format!(
            "this is not the gateway that the identity is for, or it does not speak doorward/1 \
             ({why})"
        ))
    })?;
    let certificates =
        connection.peer_identity().and_then(|certificates| certificates.downcast().ok());
    let leaf = certificates.and_then(|certificates: Box<Vec<CertificateDer<'static>>>| {
        certificates.into_iter().next()
    });
    let leaf = leaf.ok_or_else(|| ConnectionEnd::failed("the gateway shows no certificate"))?;
    let refusal = TlsRefusal::Quic(connection.clone());
    Ok(DialedCarrier { carrier: Carrier::quic(connection), leaf, refusal })
}

/// Connects to the gateway over TLS and TCP.
pub(crate) async fn tls(
    url: &str,
    credentials: &Credentials<'_>,
) -> Result<DialedCarrier, ConnectionEnd> {
    let stream = open(url, None, credentials, &[ALPN]).await?;
    let (_, session) = stream.get_ref();
    if session.alpn_protocol() != Some(ALPN) {
        return Err(ConnectionEnd::failed("the gateway does not speak doorward/1"));
    }
    let leaf = session.peer_certificates().and_then(|certificates| certificates.first()).cloned();
    let leaf = leaf.ok_or_else(|| ConnectionEnd::failed("the gateway shows no certificate"))?;
    let alert = Arc::new(OnceLock::new());
    let watched = AlertWatch { stream, alert: Arc::clone(&alert) };
    let carrier = Carrier::yamux(watched, LinkEnd::Client);
    Ok(DialedCarrier { carrier, leaf: leaf.into_owned(), refusal: TlsRefusal::Tls(alert) })
}

/// A TLS stream that remembers the alert with which the peer ended it.
struct AlertWatch<T> {
    stream: T,
    alert: Arc<OnceLock<AlertDescription>>,
}

impl<T> AlertWatch<T> {
    /// Notes an alert, and says in plain words what the TLS library reports.
    fn note<R>(&self, polled: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        polled.map_err(|error| {
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            let Some(inner) = inner else { return error };
            if let rustls::Error::AlertReceived(alert) = inner {
                // Keeps the first alert.
                self.alert.get_or_init(|| *alert);
            }
            io::Error::new(error.kind(), words(inner))
        })
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for AlertWatch<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, into);
        self.note(polled)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for AlertWatch<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note(polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.note(polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn later(
        wait: u64,
        ends: Result<&'static str, &'static str>,
    ) -> Result<&'static str, ConnectionEnd> {
        sleep(Duration::from_secs(wait)).await;
        ends.map_err(ConnectionEnd::failed)
    }

    #[tokio::test(start_paused = true)]
    async fn the_second_is_tried_when_the_first_is_slow_or_has_failed() {
        let patience = Duration::from_secs(3);
        let quick = race(later(1, Ok("quic")), later(1, Ok("tls")), patience).await;
        assert_eq!(quick.unwrap(), "quic");
        let slow = race(later(60, Ok("quic")), later(1, Ok("tls")), patience).await;
        assert_eq!(slow.unwrap(), "tls");
        let failed = race(later(1, Err("no")), later(1, Ok("tls")), patience).await;
        assert_eq!(failed.unwrap(), "tls");
        let late = race(later(5, Ok("quic")), later(1, Err("no")), patience).await;
        assert_eq!(late.unwrap(), "quic");
        let end = race(later(1, Err("one")), later(1, Err("other")), patience).await.unwrap_err();
        assert_eq!(end.why, "other (QUIC: one)");
    }
}
