//! The state that the parts of a client share.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Semaphore, watch};

use crate::error::Error;
use crate::identity::{Identity, IdentityDir};
use crate::link::Credentials;
use crate::live::LiveConnection;
use crate::offer::OfferedInterfaces;
use crate::posture::Collector;
use crate::settings::Settings;
use crate::status::{State, Status};
use crate::time::{GatewayTime, low, now};

/// How many flows opened by the gateway are served at once.
const INCOMING: usize = 1024;

/// What to report, and how often.
#[derive(Clone)]
pub(crate) struct Reporting {
    pub(crate) collector: Arc<dyn Collector>,
    pub(crate) every: Duration,
}

/// The state that a client's handles and its tasks share.
pub(crate) struct ClientShared {
    pub(crate) dir: IdentityDir,
    pub(crate) settings: Settings,
    /// Distinguishes this program from another one with the same identity.
    pub(crate) instance: [u8; 16],
    /// The live connection, if there is one.
    pub(crate) live: watch::Sender<Option<Arc<LiveConnection>>>,
    pub(crate) status: watch::Sender<Status>,
    pub(crate) offers: watch::Sender<OfferedInterfaces>,
    pub(crate) reporting: watch::Sender<Option<Reporting>>,
    pub(crate) stopping: watch::Sender<bool>,
    /// The permits for flows that the gateway opens.
    pub(crate) incoming: Arc<Semaphore>,
    gateway_time: Mutex<Option<GatewayTime>>,
}

impl ClientShared {
    pub(crate) fn new(
        dir: IdentityDir,
        settings: Settings,
        instance: [u8; 16],
        status: Status,
    ) -> Self {
        Self {
            dir,
            settings,
            instance,
            live: watch::Sender::new(None),
            status: watch::Sender::new(status),
            offers: watch::Sender::default(),
            reporting: watch::Sender::new(None),
            stopping: watch::Sender::new(false),
            incoming: Arc::new(Semaphore::new(INCOMING)),
            gateway_time: Mutex::new(None),
        }
    }

    fn gateway_time(&self) -> Option<GatewayTime> {
        *self.gateway_time.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the present time, as well as it is known.
    pub(crate) fn now(&self) -> Timestamp {
        now(&*self.settings.clock, self.gateway_time().as_ref())
    }

    /// Stores a time received from the gateway.
    pub(crate) fn set_gateway_time(&self, time: Timestamp) {
        let gateway_time = GatewayTime::new(time, self.settings.clock.now());
        *self.gateway_time.lock().unwrap_or_else(PoisonError::into_inner) = Some(gateway_time);
        self.status
            .send_modify(|status| status.clock_behind = Some(gateway_time.behind().as_secs()));
        crate::time::keep(&self.dir, time);
    }

    /// Returns credentials for an identity that work even if the local clock is wrong.
    pub(crate) fn credentials<'a>(
        &self,
        identity: &'a Identity,
        shown: bool,
    ) -> Result<Credentials<'a>, Error> {
        let low = low(&self.dir, identity)?;
        let low = self.gateway_time().map_or(low, |gateway_time| gateway_time.least().max(low));
        Ok(Credentials::Timeless { identity, shown, low, now: self.now() })
    }

    pub(crate) fn set_state(&self, state: State) {
        self.status.send_modify(|status| status.state = state);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Waits until the client is to stop.
    pub(crate) async fn stopped(&self) {
        let mut stopping = self.stopping.subscribe();
        // Cannot fail, since `self` holds the sender.
        drop(stopping.wait_for(|stop| *stop).await.map(drop));
    }
}
