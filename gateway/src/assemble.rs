//! Connects the rooms to a gateway.

mod found;
mod reset_key;
mod vouch;

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;

use doorward_ca::{Assertions, Authority, Slot};
use doorward_control::{
    Administration, AdministrationParts, CodeMaker, Health, Renewals, TargetBounds, WrongCodes,
};
use doorward_model::{Clock, Domain, Kind, Name, Subject, Target};
use doorward_policies::{Event, Journal, Outcome, Record};
use doorward_proxy::{Bounds, Dialer, Means, OnlineAgents, Proxy, Rates};
use doorward_session::{
    Leases, Listener, ListenerKind, OwnNames, Pots, QuicListener, Refusals, Serving, TlsSettings,
};
use doorward_store::{AuditLog, OpenedStore, Store, StoreError};
use rustls::crypto::CryptoProvider;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::clock::SystemClock;
use crate::config::Config;
use crate::data_directory::DataDirectory;
use crate::failure::CommandFailure;
use crate::host;
use crate::supervise::{CertificateNames, ServerCertificates};

use self::vouch::AssertionSigner;

pub(crate) use found::import;

/// An assembled gateway that does not serve yet.
pub(crate) struct Gateway {
    pub(crate) data_directory: DataDirectory,
    pub(crate) config: Config,
    pub(crate) subject: Subject,
    pub(crate) domain: Domain,
    pub(crate) addresses: Addresses,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) quic: Option<QuicListener>,
    pub(crate) serving: Arc<Serving>,
    pub(crate) store: Store,
    pub(crate) audit: AuditLog,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) leases: Leases,
    pub(crate) refusals: Refusals,
    pub(crate) health: Health,
    pub(crate) codes: CodeMaker,
    pub(crate) certificates: ServerCertificates,
    pub(crate) clock: Arc<dyn Clock>,
    /// The tasks that write the databases. They end after all other users of the databases.
    pub(crate) writers: Option<[JoinHandle<()>; 2]>,
}

/// The addresses of the gateway.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    pub(crate) listen: SocketAddr,
    pub(crate) management: SocketAddr,
    /// The HOST:PORT at which clients reach it.
    pub(crate) advertise: String,
}

impl Addresses {
    /// Returns the URL for codes and identities.
    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.advertise)
    }

    /// Returns the URL for commands.
    pub(crate) fn management_url(&self) -> String {
        let at = match self.management.ip() {
            ip if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            ip => ip,
        };
        format!("https://{}", SocketAddr::new(at, self.management.port()))
    }
}

/// Gives the administration the bounds of the dialer. The administration does not know the proxy.
struct DialerBounds(Dialer);

impl TargetBounds for DialerBounds {
    fn declare<'a>(
        &'a self,
        target: &'a Target,
        wanted: Option<&'a Name>,
    ) -> Pin<Box<dyn Future<Output = Result<Option<Name>, String>> + Send + 'a>> {
        Box::pin(
            async move { self.0.declare(target, wanted).await.map_err(|error| error.to_string()) },
        )
    }

    fn doubts(&self, target: &Target, network: Option<&Name>) -> Option<String> {
        self.0.doubts(target, network)
    }
}

/// Assembles a gateway: binds its addresses, locks its data directory, founds it if it is new,
/// opens its state, and connects the rooms.
pub(crate) async fn assemble(config: Config) -> Result<Gateway, CommandFailure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let (data, udp) = bind_data(config.listen).await?;
    let management = bind("--management", config.management, ListenerKind::Management).await?;
    let addresses = addresses(&config, &data, &management)?;

    let data_directory = DataDirectory::lock(&config.data)?;
    let keys = Arc::new(found::open_keys(&data_directory, &config)?);
    let state = config.state();
    let log_lost = Store::exists(&state) && !AuditLog::exists(data_directory.path());
    found::found_if_new(&data_directory, &config, &keys, &*clock).await?;
    let OpenedStore { store, facts, authority, task } =
        Store::open(&state, data_directory.path(), Arc::clone(&clock)).await?;
    facts.check(config.domain.as_ref(), config.name.as_ref())?;
    let reset_key = reset_key::load_or_create(&data_directory.join(reset_key::FILE), &provider)?;
    let quic = QuicListener::new(udp, &reset_key)
        .map_err(|error| CommandFailure::new(format!("{} over UDP: {error}", addresses.listen)))?;
    let (audit, audit_task) = store.open_audit(data_directory.path(), config.audit).await?;
    let domain = facts.domain.clone();
    let subject = Subject::new(Kind::Gateway, facts.name.clone());
    let authority = Authority::open(&*keys, Slot::Issuing, authority, domain.clone())?;
    let authority = Arc::new(authority);
    let assertions = Arc::new(Assertions::open(&*keys, domain.clone(), subject.clone())?);

    let journal: Arc<dyn Journal> = Arc::new(audit.clone());
    let start = Record::new(clock.now(), Event::Start).detail(&format!(
        "{} at {}",
        env!("CARGO_PKG_VERSION"),
        addresses.listen
    ));
    journal.write(start).await.map_err(|error| {
        CommandFailure::new(format!("nothing can be recorded, so nothing is served: {error}"))
    })?;

    let names = own_names(&config, &addresses, &domain);
    let certificates = ServerCertificates::new(
        Arc::clone(&authority),
        keys,
        store.clone(),
        config.profiles,
        subject.clone(),
        names.clone(),
        Arc::clone(&provider),
        Arc::clone(&clock),
    );
    let trust = certificates.ensure().await?;
    let (leases, refusals, serving, health, codes) = wire(WiringInput {
        config: &config,
        addresses: &addresses,
        store: &store,
        audit: &audit,
        journal: &journal,
        authority: &authority,
        assertions: &assertions,
        domain: &domain,
        subject: &subject,
        own: OwnNames::new(domain.clone(), names.hosts.iter().cloned()),
        trust,
        provider,
        clock: &clock,
    });
    store.observe(Arc::new(leases.clone())).await?;
    if log_lost {
        let detail = "the audit log was gone at the start; a new one has begun";
        tracing::error!("{detail}");
        health.set("audit history", Some(format!("{detail}; put it back from a backup")));
        let alarm = Record::new(clock.now(), Event::Alarm).ended(Outcome::Done, "audit-log-gone");
        journal.write(alarm.detail(detail)).await.map_err(|error| {
            CommandFailure::new(format!("nothing can be recorded, so nothing is served: {error}"))
        })?;
    }
    let advertised = store.advertise(addresses.advertise.clone()).await;
    if matches!(advertised, Err(StoreError::Full)) {
        tracing::warn!("the disk is full, so `doorward recover` may not know the present address");
    } else {
        advertised?;
    }
    Ok(Gateway {
        data_directory,
        config,
        subject,
        domain,
        addresses,
        listeners: vec![data, management],
        quic: Some(quic),
        serving,
        store,
        audit,
        journal,
        leases,
        refusals,
        health,
        codes,
        certificates,
        clock,
        writers: Some([task, audit_task]),
    })
}

struct WiringInput<'a> {
    config: &'a Config,
    addresses: &'a Addresses,
    store: &'a Store,
    audit: &'a AuditLog,
    journal: &'a Arc<dyn Journal>,
    authority: &'a Arc<Authority>,
    assertions: &'a Arc<Assertions>,
    domain: &'a Domain,
    subject: &'a Subject,
    own: OwnNames,
    trust: watch::Receiver<doorward_session::Trust>,
    provider: Arc<CryptoProvider>,
    clock: &'a Arc<dyn Clock>,
}

type WiredRooms = (Leases, Refusals, Arc<Serving>, Health, CodeMaker);

fn wire(wiring: WiringInput<'_>) -> WiredRooms {
    let WiringInput {
        config, addresses, store, audit, journal, authority, domain, subject, ..
    } = wiring;
    let clock = wiring.clock;
    let health = Health::default();
    let codes = CodeMaker::new(addresses.url(), authority.public().anchor());
    let snapshots = store.snapshots();
    let pots = Pots::new(config.limits, config.set.clone());
    let leases =
        Leases::new(pots, snapshots, store.trouble(), Arc::clone(clock), Arc::clone(journal));
    let refusals = Refusals::new(Arc::clone(clock), Arc::clone(journal));
    let own = vec![addresses.listen, addresses.management];
    let dialer = Dialer::new(
        Bounds::new(config.networks.clone(), config.paths.clone(), own),
        OnlineAgents::new(config.twice),
    );
    let front = Administration::new(AdministrationParts {
        store: store.clone(),
        audit: audit.clone(),
        journal: Arc::clone(journal),
        leases: leases.clone(),
        authority: Arc::clone(authority),
        assertions: Arc::clone(wiring.assertions),
        profiles: config.profiles,
        codes: codes.clone(),
        refusals: refusals.clone(),
        bounds: Arc::new(DialerBounds(dialer.clone())),
        health: health.clone(),
        clock: Arc::clone(clock),
        domain: domain.clone(),
        gateway: subject.clone(),
        management: addresses.management_url(),
        wrong_codes: WrongCodes::default(),
        renewals: Renewals::default(),
        recovery: config.recovery,
    });
    let means = Means {
        leases: leases.clone(),
        dialer,
        journal: Arc::clone(journal),
        clock: Arc::clone(clock),
        domain: domain.clone(),
        rates: Rates::default(),
        vouch: Arc::new(AssertionSigner(Arc::clone(wiring.assertions))),
    };
    let flows = Proxy::new(means, refusals.clone());
    let tls =
        TlsSettings { least: config.tls, provider: wiring.provider, clock: Arc::clone(clock) };
    let serving = Serving::new(
        wiring.trust,
        tls,
        wiring.own,
        leases.clone(),
        refusals.clone(),
        Arc::new(front),
        Arc::new(flows),
    );
    (leases, refusals, Arc::new(serving), health, codes)
}

/// Binds the data listener, and the UDP port of the same number for QUIC. If the port is 0, the
/// system chooses one for TCP, and this function asks for others while that number is in use for
/// UDP.
async fn bind_data(address: SocketAddr) -> Result<(Listener, UdpSocket), CommandFailure> {
    /// How many other ports to ask for.
    const TRIES: usize = 64;
    // They stay bound until a port is found, so that the system chooses each port once.
    let mut unusable = Vec::new();
    loop {
        let listener = bind("--listen", address, ListenerKind::Data).await?;
        let at = listener
            .address()
            .map_err(|error| CommandFailure::new(format!("no address: {error}")))?;
        match UdpSocket::bind(at) {
            Ok(udp) => return Ok((listener, udp)),
            Err(_) if address.port() == 0 && unusable.len() < TRIES => unusable.push(listener),
            Err(error) => {
                return Err(CommandFailure::new(format!(
                    "the gateway cannot listen at {at} over UDP, for QUIC: {error}; stop the \
                     program that uses the port, or choose another port with --listen ADDRESS:PORT"
                )));
            }
        }
    }
}

/// Binds a TCP listener. An error names the option that sets the address.
async fn bind(
    option: &str,
    address: SocketAddr,
    kind: ListenerKind,
) -> Result<Listener, CommandFailure> {
    let mut bound = Listener::bind(address, kind).await;
    let unspecified = SocketAddr::from((Ipv6Addr::UNSPECIFIED, address.port()));
    if bound.is_err() && address == unspecified {
        // The system may have no IPv6.
        let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
        if let Ok(v4) = Listener::bind(v4, kind).await {
            bound = Ok(v4);
        }
    }
    bound.map_err(|error| {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "only these kinds have a remedy of their own"
        )]
        CommandFailure::new(match error.kind() {
            io::ErrorKind::AddrInUse if address.port() == 0 => format!(
                "no port of {} is free; stop programs that listen, or choose a port with {option} \
                 ADDRESS:PORT",
                address.ip()
            ),
            io::ErrorKind::AddrInUse => format!(
                "{address} is in use by another program; stop it, or choose another with {option} \
                 ADDRESS:PORT"
            ),
            io::ErrorKind::AddrNotAvailable => {
                format!("{address} is not an address of this machine; choose one with {option}")
            }
            io::ErrorKind::PermissionDenied => format!(
                "this user may not listen at {address}; choose a port from 1024 with {option}"
            ),
            _ => format!("the gateway cannot listen at {address}: {error}"),
        })
    })
}

fn addresses(
    config: &Config,
    data: &Listener,
    management: &Listener,
) -> Result<Addresses, CommandFailure> {
    let address = |listener: &Listener| {
        listener.address().map_err(|error| CommandFailure::new(format!("no address: {error}")))
    };
    let (listen, management) = (address(data)?, address(management)?);
    let advertise = match &config.advertise {
        Some(advertise) => advertise.clone(),
        None => {
            let ip = match listen.ip() {
                ip if ip.is_unspecified() => {
                    host::address().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
                }
                ip => ip,
            };
            SocketAddr::new(ip, listen.port()).to_string()
        }
    };
    Ok(Addresses { listen, management, advertise })
}

/// Returns the names and addresses of the gateway's own certificate.
fn own_names(config: &Config, addresses: &Addresses, domain: &Domain) -> CertificateNames {
    let mut hosts: BTreeSet<String> = BTreeSet::new();
    hosts.insert(domain.to_string());
    hosts.insert("localhost".to_owned());
    hosts.extend(host::name());
    let mut ips =
        BTreeSet::from([IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]);
    for host in &config.hosts {
        match host.parse() {
            Ok(ip) => drop(ips.insert(ip)),
            Err(_) => drop(hosts.insert(host.to_ascii_lowercase())),
        }
    }
    for address in [addresses.listen, addresses.management] {
        if !address.ip().is_unspecified() {
            ips.insert(address.ip());
        }
    }
    let url: Option<http::Uri> = addresses.url().parse().ok();
    if let Some(host) = url.as_ref().and_then(http::Uri::host) {
        let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
        match host.parse() {
            Ok(ip) => {
                ips.insert(ip);
            }
            Err(_) => {
                hosts.insert(host);
            }
        }
    }
    CertificateNames { hosts: hosts.into_iter().collect(), addresses: ips.into_iter().collect() }
}
