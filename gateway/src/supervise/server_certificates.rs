//! The gateway's own certificates. They are issued at the first start, renewed at two thirds of
//! their life, and replaced without a restart.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use doorward_ca::{Algorithm, Authority, Keys as _, Profiles, Signer, Slot, served_names};
use doorward_control::Health;
use doorward_keys::SealedKeys;
use doorward_model::{Clock, Subject};
use doorward_session::{Anchor, Trust};
use doorward_store::{IssuanceRow, Sign, Store};
use jiff::Timestamp;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;
use tokio::sync::watch;

use crate::failure::CommandFailure;
use crate::server_key::ServerKey;

/// The host names and addresses of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CertificateNames {
    pub(crate) hosts: Vec<String>,
    pub(crate) addresses: Vec<IpAddr>,
}

/// Issues and renews the gateway's own certificates. All clones share the same state.
#[derive(Clone)]
pub(crate) struct ServerCertificates(Arc<Inner>);

struct Inner {
    authority: Arc<Authority>,
    keys: Arc<SealedKeys>,
    store: Store,
    profiles: Profiles,
    gateway: Subject,
    names: CertificateNames,
    provider: Arc<CryptoProvider>,
    clock: Arc<dyn Clock>,
    shown: Mutex<Option<InUse>>,
}

/// The certificates in use.
struct InUse {
    trust: watch::Sender<Trust>,
    /// The start of their validity.
    from: Timestamp,
    renewal: Timestamp,
}

/// How often to read the clock. The clock may be set, and the machine may sleep.
const LOOK: Duration = Duration::from_secs(60);
/// How long to wait after a failed renewal.
const AGAIN: Duration = Duration::from_secs(60);

impl ServerCertificates {
    #[expect(clippy::too_many_arguments, reason = "wired in one place")]
    pub(crate) fn new(
        authority: Arc<Authority>,
        keys: Arc<SealedKeys>,
        store: Store,
        profiles: Profiles,
        gateway: Subject,
        names: CertificateNames,
        provider: Arc<CryptoProvider>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let shown = Mutex::new(None);
        Self(Arc::new(Inner {
            authority,
            keys,
            store,
            profiles,
            gateway,
            names,
            provider,
            clock,
            shown,
        }))
    }

    /// Finds good certificates in the store or issues new ones, and puts them in use.
    pub(crate) async fn ensure(&self) -> Result<watch::Receiver<Trust>, CommandFailure> {
        let inner = &self.0;
        let (trust, from, renewal) = match inner.find().await? {
            Some(found) => found,
            None => inner.issue().await?,
        };
        let mut shown = inner.shown.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *shown {
            Some(shown) => {
                shown.trust.send_replace(trust);
                (shown.from, shown.renewal) = (from, renewal);
                Ok(shown.trust.subscribe())
            }
            None => {
                let (sender, receiver) = watch::channel(trust);
                *shown = Some(InUse { trust: sender, from, renewal });
                Ok(receiver)
            }
        }
    }

    fn from(&self) -> Timestamp {
        let shown = self.0.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.as_ref().map_or(Timestamp::MIN, |shown| shown.from)
    }

    fn renewal(&self) -> Timestamp {
        let shown = self.0.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.as_ref().map_or(Timestamp::MIN, |shown| shown.renewal)
    }

    /// Renews the certificates when they are due.
    pub(crate) async fn keep(self, health: Health) -> Result<(), CommandFailure> {
        loop {
            let now = self.0.clock.now();
            let left = self.renewal().duration_since(now);
            // Certificates from a time when the clock was ahead are not valid yet, so no client
            // accepts them. They are replaced at once.
            if left.is_positive() && self.from() <= now {
                tokio::time::sleep(left.unsigned_abs().min(LOOK)).await;
                continue;
            }
            match self.ensure().await {
                Ok(_) => {
                    health.set("gateway certificate", None);
                    tracing::info!(until = %self.renewal(), "the gateway's certificates were renewed");
                }
                Err(error) => {
                    tracing::error!(%error, "the gateway's certificates were not renewed");
                    let detail = format!("it could not be renewed: {error}");
                    health.set("gateway certificate", Some(detail));
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }
}

/// Returns the instant at two thirds of a certificate's life.
fn renewal(not_before: Timestamp, not_after: Timestamp) -> Timestamp {
    let life = not_after.duration_since(not_before);
    not_after.saturating_sub(life / 3).unwrap_or(not_before)
}

impl Inner {
    fn wildcard(&self) -> CertificateNames {
        let domain = self.store.snapshots().borrow().domain().clone();
        CertificateNames { hosts: vec![domain.wildcard()], addresses: vec![] }
    }

    /// Returns the stored certificates for the present key and names, if both exist and neither is
    /// due for renewal.
    async fn find(&self) -> Result<Option<(Trust, Timestamp, Timestamp)>, CommandFailure> {
        let Some(key) = self.keys.open(Slot::Server)? else { return Ok(None) };
        let now = self.clock.now();
        let print = doorward_ca::key_fingerprint(key.public_key());
        let rows = self.store.certificates(&self.gateway).await?;
        let good = |row: &&IssuanceRow| {
            row.revoked.is_none()
                && row.key == print
                && row.not_before <= now
                && now < renewal(row.not_before, row.not_after)
        };
        let good: Vec<&IssuanceRow> = rows.iter().filter(good).collect();
        let of = |names: &CertificateNames| {
            good.iter().find(|row| {
                served_names(&row.certificate).is_some_and(|(hosts, ips)| {
                    (hosts, ips) == (names.hosts.clone(), names.addresses.clone())
                })
            })
        };
        let (Some(own), Some(interfaces)) = (of(&self.names), of(&self.wildcard())) else {
            return Ok(None);
        };
        let due = renewal(own.not_before, own.not_after)
            .min(renewal(interfaces.not_before, interfaces.not_after));
        let trust = self.trust(key, own.certificate.clone(), interfaces.certificate.clone())?;
        Ok(Some((trust, own.not_before.max(interfaces.not_before), due)))
    }

    /// Issues both certificates for a new key.
    async fn issue(&self) -> Result<(Trust, Timestamp, Timestamp), CommandFailure> {
        let now = self.clock.now();
        let key = self.keys.create(Slot::Server, self.kind())?;
        let prepare = |names: &CertificateNames| {
            let (hosts, ips) = (&names.hosts, &names.addresses);
            self.authority.prepare_server(&self.profiles, &self.gateway, &*key, hosts, ips, now)
        };
        let sign = |prepared| -> Sign {
            let authority = Arc::clone(&self.authority);
            Box::new(move || authority.redeem(prepared))
        };
        let signs = vec![sign(prepare(&self.names)?), sign(prepare(&self.wildcard())?)];
        let issued = self.store.issue_own(self.gateway.clone(), signs).await?.value;
        let [own, interfaces] = <[Vec<u8>; 2]>::try_from(issued)
            .map_err(|_| CommandFailure::new("the gateway's certificates were not issued"))?;
        let rows = self.store.certificates(&self.gateway).await?;
        let due = rows
            .iter()
            .filter(|row| row.revoked.is_none())
            .map(|row| renewal(row.not_before, row.not_after))
            .min()
            .unwrap_or(now);
        let from = rows.iter().filter(|row| row.revoked.is_none()).map(|row| row.not_before).max();
        Ok((self.trust(key, own, interfaces)?, from.unwrap_or(now), due))
    }

    /// Returns the algorithm of the server key. TLS 1.3 signs no handshake with PKCS #1 v1.5, so
    /// under an RSA authority the server key is P-256.
    fn kind(&self) -> Algorithm {
        match self.keys.open(Slot::Issuing) {
            Ok(Some(key)) if key.algorithm() != Algorithm::Rsa => key.algorithm(),
            _ => Algorithm::P256,
        }
    }

    fn trust(
        &self,
        key: Arc<dyn Signer>,
        own: Vec<u8>,
        interfaces: Vec<u8>,
    ) -> Result<Trust, CommandFailure> {
        let public = self.authority.public();
        let chain = |leaf: Vec<u8>, with_root: bool| {
            let above = public.chain().map(<[u8]>::to_vec);
            // An enrolling client checks the root's fingerprint, so the chain contains the root.
            let root = with_root.then(|| public.root.clone());
            let all = [leaf].into_iter().chain(above).chain(root);
            all.map(CertificateDer::from).collect::<Vec<_>>()
        };
        let shown = |chain| {
            let key = Arc::new(ServerKey(Arc::clone(&key)));
            Arc::new(CertifiedKey::new(chain, key))
        };
        let anchors = vec![Anchor::new(public.certificate.clone())?];
        let (own, interfaces) = (shown(chain(own, true)), shown(chain(interfaces, false)));
        Ok(Trust::new(anchors, own, interfaces, &self.provider)?)
    }
}
