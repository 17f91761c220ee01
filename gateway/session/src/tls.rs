//! The TLS configuration of each endpoint, and the choice among them.

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

use crate::endpoint::{ConnectionTarget, ListenerKind};
use crate::tickets::Tickets;
use crate::trust::Trust;

/// The host names of the gateway itself. At the data listener every other name counts as the name
/// of an interface, whether that interface exists or not.
#[derive(Clone, Debug)]
pub struct OwnNames {
    domain: Domain,
    hosts: BTreeSet<String>,
}

impl OwnNames {
    /// Returns the names of a gateway: its domain, and these host names.
    #[must_use]
    pub fn new(domain: Domain, hosts: impl IntoIterator<Item = String>) -> Self {
        let mut hosts: BTreeSet<String> =
            hosts.into_iter().map(|host| host.to_ascii_lowercase()).collect();
        hosts.insert(domain.as_str().to_owned());
        Self { domain, hosts }
    }

    /// Returns the gateway's domain.
    #[must_use]
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// Returns whether `host` is one of the gateway's own names.
    #[must_use]
    pub fn contain(&self, host: &str) -> bool {
        self.hosts.contains(&host.to_ascii_lowercase())
    }
}

/// The least version of TLS that the gateway accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2 with AEAD ciphers, for clients that know nothing newer. TLS 1.2 sends client
    /// certificates unencrypted.
    Tls12,
    /// TLS 1.3 only.
    #[default]
    Tls13,
}

/// The settings of TLS at all endpoints.
#[derive(Clone)]
pub struct TlsSettings {
    /// The least version that is accepted.
    pub least: TlsVersion,
    /// The ciphers and key exchanges, and their implementation.
    pub provider: Arc<CryptoProvider>,
    /// The clock by which certificates are verified.
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

/// The ticket keys of each resumption domain. A TLS session of one domain cannot be resumed in
/// another, so a client cannot use one endpoint to skip a certificate check of another.
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

/// The TLS configuration of each endpoint, under one trust.
pub(crate) struct TlsConfigs {
    interfaces: InterfaceConfigs,
    own: Arc<ServerConfig>,
    management: Arc<ServerConfig>,
    link: Arc<ServerConfig>,
}

const HTTP: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// The configurations for interfaces, known or not. They differ in the protocol that ALPN chooses.
///
/// An HTTP client needs the gateway to choose a protocol that the client has offered. For every
/// other protocol the gateway chooses none. The choice depends only on what the client offers, so a
/// client without an identity learns nothing about the interface.
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
            link: Arc::new(link_config(trust, settings)?),
        })
    }

    /// Chooses the endpoint and the configuration for a ClientHello.
    pub(crate) fn choose(
        &self,
        listener: ListenerKind,
        hello: &ClientHello<'_>,
        names: &OwnNames,
    ) -> (ConnectionTarget, Arc<ServerConfig>) {
        let is_link =
            hello.alpn().is_some_and(|mut offered| offered.any(|name| name == doorward_wire::ALPN));
        match (listener, hello.server_name()) {
            (ListenerKind::Data, _) if is_link => (ConnectionTarget::Link, Arc::clone(&self.link)),
            (ListenerKind::Management, _) => {
                (ConnectionTarget::Management, Arc::clone(&self.management))
            }
            (ListenerKind::Data, Some(host)) if !names.contain(host) => (
                ConnectionTarget::Interface(host.to_ascii_lowercase()),
                Arc::clone(self.interfaces.choose(hello)),
            ),
            (ListenerKind::Data, _) => (ConnectionTarget::Own, Arc::clone(&self.own)),
        }
    }
}

/// Makes what all configurations have in common: no resumption by session id, and no early data.
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

/// Makes the configuration of `doorward/1`, over QUIC and over TLS: TLS 1.3 with a required client
/// certificate. Its connections live long, so nothing is resumed, and every handshake proves the
/// key.
pub(crate) fn link_config(
    trust: &Trust,
    settings: &TlsSettings,
) -> Result<ServerConfig, rustls::Error> {
    let mut config =
        config(settings, &[&TLS13], &trust.verifier, &trust.own, &[doorward_wire::ALPN])?;
    config.send_tls13_tickets = 0;
    Ok(config)
}
