//! Connects to the gateway over TCP and does the TLS handshake.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use doorward_model::Fingerprint;
use jiff::Timestamp;
use rustls::client::Resumption;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::crypto::provider;
use crate::error::Error;
use crate::identity::Identity;
use crate::tls_words::{alert_words, certificate_words, words};
use crate::verify::{Timeless, unix_time};

/// How long connecting and the handshake may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// What the client trusts, and the certificate that it shows.
pub(crate) enum Credentials<'a> {
    /// Trusts the anchor named by a code, and shows no certificate.
    Code(Fingerprint),
    /// Trusts an identity's anchors, and shows its certificate.
    Identity(&'a Identity),
    /// Works on a machine whose clock may be wrong, over TLS 1.3 only.
    Timeless {
        /// The identity whose anchors are trusted.
        identity: &'a Identity,
        /// Whether to show its certificate.
        shown: bool,
        /// A lower bound of the present time.
        low: Timestamp,
        /// The estimated present time.
        now: Timestamp,
    },
}

#[derive(Debug)]
struct FixedTime(Timestamp);

impl TimeProvider for FixedTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(unix_time(self.0))
    }
}

fn roots(identity: &Identity) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for anchor in identity.anchors()? {
        roots.add(anchor).map_err(|_| Error::Crypto("read the anchors"))?;
    }
    Ok(roots)
}

/// Returns the TLS configuration for the credentials and the ALPN protocols.
pub(crate) fn config(
    credentials: &Credentials<'_>,
    protocols: &[&[u8]],
) -> Result<ClientConfig, Error> {
    let refused = |_| Error::Crypto("set up TLS");
    let provider = provider();
    let builder = || {
        ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(refused)
    };
    let mut config = match credentials {
        Credentials::Code(anchor) => builder()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(crate::pinned::Pinned::new(
                *anchor,
                Arc::clone(&provider),
            )))
            .with_no_client_auth(),
        Credentials::Identity(identity) => {
            let (chain, key) = (identity.certificates()?, identity.key()?);
            builder()?
                .with_root_certificates(roots(identity)?)
                .with_client_auth_cert(chain, key)
                .map_err(refused)?
        }
        Credentials::Timeless { identity, shown, low, now } => {
            let verifier = Timeless::new(roots(identity)?, *low, Arc::clone(&provider));
            let verifying = ClientConfig::builder_with_details(provider, Arc::new(FixedTime(*now)))
                .with_protocol_versions(&[&rustls::version::TLS13])
                .map_err(refused)?
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(verifier.map_err(refused)?));
            let mut config = if *shown {
                let (chain, key) = (identity.certificates()?, identity.key()?);
                verifying.with_client_auth_cert(chain, key).map_err(refused)?
            } else {
                verifying.with_no_client_auth()
            };
            // Without resumption, every handshake proves possession of the key.
            config.resumption = Resumption::disabled();
            config
        }
    };
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(config)
}

/// Returns the host and port of a URL `https://HOST:PORT`.
pub(crate) fn authority(url: &str) -> Result<(String, u16), Error> {
    let wrong = || Error::Url(url.to_owned());
    let uri: http::Uri = url.parse().map_err(|_| wrong())?;
    let plain = uri.path() == "/" && uri.query().is_none();
    if uri.scheme_str() != Some("https") || !plain {
        return Err(wrong());
    }
    let authority = uri.authority().ok_or_else(wrong)?;
    if authority.as_str().contains('@') {
        return Err(wrong());
    }
    let host = authority.host().trim_matches(['[', ']']).to_owned();
    Ok((host, authority.port_u16().unwrap_or(443)))
}

/// Connects to the gateway at `url` and does the handshake, for the server name `name` or else the
/// URL's host.
pub(crate) async fn open(
    url: &str,
    name: Option<&str>,
    credentials: &Credentials<'_>,
    protocols: &[&[u8]],
) -> Result<TlsStream<TcpStream>, Error> {
    let (host, port) = authority(url)?;
    let server = name.unwrap_or(&host).to_owned();
    let server = ServerName::try_from(server).map_err(|_| Error::Url(url.to_owned()))?;
    let config = Arc::new(config(credentials, protocols)?);
    let open = async {
        let unreachable = |error| Error::Unreachable { url: url.to_owned(), error };
        #[expect(clippy::disallowed_methods, reason = "the SDK dials its gateway, and only it")]
        let tcp = TcpStream::connect((host.as_str(), port)).await.map_err(unreachable)?;
        tcp.set_nodelay(true).map_err(unreachable)?;
        TlsConnector::from(config).connect(server, tcp).await.map_err(|error| tls(url, error))
    };
    tokio::time::timeout(PATIENCE, open).await.unwrap_or_else(|_| {
        Err(Error::Unreachable { url: url.to_owned(), error: io::ErrorKind::TimedOut.into() })
    })
}

/// Converts a TLS failure into an error that says which side was refused.
pub(crate) fn tls(url: &str, error: io::Error) -> Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let why = match inner {
        Some(rustls::Error::InvalidCertificate(problem)) => format!(
            "this is not the gateway that the identity or code is for: {}. If it is, its authority \
             or its names have changed, or this machine's clock is wrong",
            certificate_words(problem)
        ),
        Some(rustls::Error::AlertReceived(alert)) => {
            format!("the gateway refuses the identity: {}", alert_words(*alert))
        }
        Some(other) => words(other),
        None => return Error::Unreachable { url: url.to_owned(), error },
    };
    Error::Tls { url: url.to_owned(), why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateways_url_is_https_with_a_host_and_nothing_else() {
        assert_eq!(authority("https://10.0.0.1:8443").unwrap(), ("10.0.0.1".into(), 8443));
        assert_eq!(authority("https://[::1]:8443").unwrap(), ("::1".into(), 8443));
        assert_eq!(authority("https://gateway.home").unwrap(), ("gateway.home".into(), 443));
        for no in ["", "http://h:1", "https://", "https://u@h:1", "https://h:1/x", "h:1"] {
            assert!(authority(no).is_err(), "{no}");
        }
    }
}
