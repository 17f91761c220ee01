//! The gateway's own names, and what every other name is taken for.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use doorward_model::{Clock, Domain};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::UnixTime;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, NoServerSessionStorage, ProducesTickets};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::time_provider::TimeProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedProtocolVersion};

use crate::endpoint::Endpoint;
use crate::endpoint::ListenerKind;
use crate::tickets::Tickets;
use crate::trust::Trust;

/// The names that are the gateway's own. Every other name at the data listener is taken for an
/// interface's, known or not.
#[derive(Clone, Debug)]
pub struct OwnNames {
    domain: Domain,
    hosts: BTreeSet<String>,
}

impl OwnNames {
    /// The domain itself, and those host names.
    #[must_use]
    pub fn new(domain: Domain, hosts: impl IntoIterator<Item = String>) -> Self {
        let mut hosts: BTreeSet<String> =
            hosts.into_iter().map(|host| host.to_ascii_lowercase()).collect();
        hosts.insert(domain.as_str().to_owned());
        Self { domain, hosts }
    }

    /// The gateway's domain.
    #[must_use]
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// Whether `host` is one of them.
    #[must_use]
    pub fn contain(&self, host: &str) -> bool {
        self.hosts.contains(&host.to_ascii_lowercase())
    }
}

/// The least version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2 with AEAD ciphers, for clients that know nothing newer. It shows client
    /// certificates to whoever listens.
    Tls12,
    /// TLS 1.3 only.
    #[default]
    Tls13,
}

/// How the doors speak TLS.
#[derive(Clone)]
pub struct TlsSettings {
    /// The least version.
    pub least: TlsVersion,
    /// The ciphers and key exchanges, and who computes them.
    pub provider: Arc<CryptoProvider>,
    /// Against which time certificates are judged.
    pub clock: Arc<dyn Clock>,
}

impl fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TlsSettings({:?})", self.least)
    }
}

#[derive(Clone)]
struct OurTime(Arc<dyn Clock>);

impl fmt::Debug for OurTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OurTime")
    }
}

impl TimeProvider for OurTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(unix_time(&*self.0))
    }
}

pub(crate) fn unix_time(clock: &dyn Clock) -> UnixTime {
    let since = u64::try_from(clock.now().as_second()).unwrap_or_default();
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(since))
}

/// The tickets of each resumption domain. A session that was opened in one is unknown in the
/// others, so what was not asked for at one door cannot be skipped at the next.
pub(crate) struct ResumptionDomains {
    interfaces: Arc<Tickets>,
    own: Arc<Tickets>,
    management: Arc<Tickets>,
}

impl ResumptionDomains {
    pub(crate) fn new() -> Self {
        let fresh = || Arc::new(Tickets::new());
        Self { interfaces: fresh(), own: fresh(), management: fresh() }
    }
}

/// The TLS configuration of each door, under one trust.
pub(crate) struct TlsConfigs {
    interfaces: InterfaceConfigs,
    own: Arc<ServerConfig>,
    management: Arc<ServerConfig>,
    sdk: Arc<ServerConfig>,
}

const HTTP: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The doors of interfaces, known or not: they differ in the protocol that a client is told.
///
/// HTTP clients want to hear one that they have offered. Any other may be spoken without being
/// named, so none is. Which it is depends on the client alone: whoever has shown no identity yet
/// learns nothing of what there is behind a name.
struct InterfaceConfigs {
    http1: Arc<ServerConfig>,
    http2: Arc<ServerConfig>,
    any: Arc<ServerConfig>,
}

impl InterfaceConfigs {
    fn choose(&self, hello: &ClientHello<'_>) -> &Arc<ServerConfig> {
        let offers =
            |wanted: &[u8]| hello.alpn().is_some_and(|mut all| all.any(|one| one == wanted));
        match () {
            () if offers(b"http/1.1") => &self.http1,
            () if offers(b"h2") => &self.http2,
            () => &self.any,
        }
    }
}

impl TlsConfigs {
    pub(crate) fn new(
        trust: &Trust,
        settings: &TlsSettings,
        domains: &ResumptionDomains,
    ) -> Result<Self, rustls::Error> {
        let versions: &[&'static SupportedProtocolVersion] = match settings.least {
            TlsVersion::Tls13 => &[&TLS13],
            TlsVersion::Tls12 => &[&TLS13, &TLS12],
        };
        let config_for = |verifier: &Arc<dyn ClientCertVerifier>,
                          shown: &Arc<CertifiedKey>,
                          tickets: &Arc<Tickets>,
                          protocols: &[&[u8]]| {
            let mut config = config(settings, versions, verifier, shown, protocols)?;
            config.ticketer = Arc::clone(tickets) as Arc<dyn ProducesTickets>;
            Ok::<_, rustls::Error>(Arc::new(config))
        };
        let interfaces = |protocols: &[&[u8]]| {
            config_for(&trust.verifier, &trust.interfaces, &domains.interfaces, protocols)
        };
        Ok(Self {
            interfaces: InterfaceConfigs {
                http1: interfaces(&[b"http/1.1"])?,
                http2: interfaces(&[b"h2"])?,
                any: interfaces(&[])?,
            },
            own: config_for(&trust.lenient, &trust.own, &domains.own, &HTTP)?,
            management: config_for(&trust.lenient, &trust.own, &domains.management, &HTTP)?,
            sdk: Arc::new(sdk(trust, settings)?),
        })
    }

    /// Which door a hello is for.
    pub(crate) fn choose(
        &self,
        listener: ListenerKind,
        hello: &ClientHello<'_>,
        names: &OwnNames,
    ) -> (Endpoint, Arc<ServerConfig>) {
        let sdk =
            hello.alpn().is_some_and(|mut offered| offered.any(|name| name == doorward_wire::ALPN));
        match (listener, hello.server_name()) {
            (ListenerKind::Data, _) if sdk => (Endpoint::Link, Arc::clone(&self.sdk)),
            (ListenerKind::Management, _) => (Endpoint::Management, Arc::clone(&self.management)),
            (ListenerKind::Data, Some(host)) if !names.contain(host) => (
                Endpoint::Interface(host.to_ascii_lowercase()),
                Arc::clone(self.interfaces.choose(hello)),
            ),
            (ListenerKind::Data, _) => (Endpoint::Own, Arc::clone(&self.own)),
        }
    }
}

/// What all doors have in common: nothing is resumed by an id, and nothing is taken early.
fn config(
    settings: &TlsSettings,
    versions: &[&'static SupportedProtocolVersion],
    verifier: &Arc<dyn ClientCertVerifier>,
    shown: &Arc<CertifiedKey>,
    protocols: &[&[u8]],
) -> Result<ServerConfig, rustls::Error> {
    let time = Arc::new(OurTime(Arc::clone(&settings.clock)));
    let mut config = ServerConfig::builder_with_details(Arc::clone(&settings.provider), time)
        .with_protocol_versions(versions)?
        .with_client_cert_verifier(Arc::clone(verifier))
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(shown))));
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.max_early_data_size = 0;
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(config)
}

/// The door of `doorward/1`, over QUIC and over TLS: TLS 1.3, a certificate required. Its sessions
/// are long, so none is resumed: every handshake proves the key.
pub(crate) fn sdk(trust: &Trust, settings: &TlsSettings) -> Result<ServerConfig, rustls::Error> {
    let mut config =
        config(settings, &[&TLS13], &trust.verifier, &trust.own, &[doorward_wire::ALPN])?;
    config.send_tls13_tickets = 0;
    Ok(config)
}
