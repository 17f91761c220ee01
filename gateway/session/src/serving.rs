//! What all listeners share.

use std::sync::Arc;
use std::time::Duration;

use doorward_model::Clock;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::authenticate::Authenticator;
use crate::endpoint::ListenerKind;
use crate::lease::Leases;
use crate::limits::Entrance;
use crate::ports::{Flows, Front};
use crate::refusals::Refusals;
use crate::tls::{OwnNames, ResumptionDomains, TlsConfigs, TlsSettings};
use crate::trust::Trust;

/// What all listeners share.
pub struct Serving {
    pub(crate) refusals: Refusals,
    pub(crate) leases: Leases,
    pub(crate) front: Arc<dyn Front>,
    pub(crate) flows: Arc<dyn Flows>,
    pub(crate) names: Arc<OwnNames>,
    pub(crate) tasks: TaskTracker,
    trust: watch::Receiver<Trust>,
    tls: TlsSettings,
    resumption: ResumptionDomains,
    draining: watch::Sender<bool>,
}

impl Serving {
    /// Returns what the listeners serve with. No listener is open yet.
    #[must_use]
    pub fn new(
        trust: watch::Receiver<Trust>,
        tls: TlsSettings,
        names: OwnNames,
        leases: Leases,
        refusals: Refusals,
        front: Arc<dyn Front>,
        flows: Arc<dyn Flows>,
    ) -> Self {
        Self {
            refusals,
            leases,
            front,
            flows,
            names: Arc::new(names),
            tasks: TaskTracker::new(),
            trust,
            tls,
            resumption: ResumptionDomains::new(),
            draining: watch::Sender::new(false),
        }
    }

    /// Returns the bounds before authentication at that listener. The management listener has its
    /// own, so connections to interfaces cannot use up the slots of administrators.
    pub(crate) fn entrance(&self, listener: ListenerKind) -> &Arc<Entrance> {
        self.leases.pots().entrance(listener)
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.tls.clock
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock().now()
    }

    /// Returns how many bytes one `doorward/1` connection may have in flight: its share of
    /// `limits.buffers` among all sessions, but at least 64 KiB and at most 4 MiB.
    pub(crate) fn window(&self) -> u32 {
        const LEAST: u64 = 64 * 1024;
        const MOST: u64 = 4 * 1024 * 1024;
        let sessions = self.leases.session_count().max(1) as u64;
        let share = (self.leases.pots().limits().buffers / sessions).clamp(LEAST, MOST);
        u32::try_from(share).unwrap_or(u32::MAX)
    }

    pub(crate) fn tls(&self) -> &TlsSettings {
        &self.tls
    }

    pub(crate) fn trust(&self) -> watch::Receiver<Trust> {
        self.trust.clone()
    }

    /// Waits until the gateway drains.
    pub(crate) async fn draining(&self) {
        let mut draining = self.draining.subscribe();
        // `self` owns the sender, so the wait cannot fail.
        drop(draining.wait_for(|draining| *draining).await);
    }

    /// Stops accepting: the listeners close, idle connections end, and flows go on.
    pub fn drain(&self) {
        self.draining.send_replace(true);
    }

    /// Drains, and waits at most `grace` for every connection and flow to end. Then cuts the rest,
    /// and waits at most five seconds until they have ended and are recorded.
    pub async fn stop(&self, grace: Duration) {
        self.drain();
        self.tasks.close();
        if tokio::time::timeout(grace, self.tasks.wait()).await.is_err() {
            self.leases.cut_all();
            let last = Duration::from_secs(5);
            if tokio::time::timeout(last, self.tasks.wait()).await.is_err() {
                tracing::warn!(tasks = self.tasks.len(), "some connections did not end in time");
            }
        }
    }

    pub(crate) fn authenticator(&self, trust: &Trust) -> Result<Authenticator, rustls::Error> {
        let configs = TlsConfigs::new(trust, &self.tls, &self.resumption)?;
        let (names, clock) = (Arc::clone(&self.names), Arc::clone(self.clock()));
        Ok(Authenticator { trust: trust.clone(), configs, names, clock })
    }
}
