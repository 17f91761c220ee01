//! The client: keeps a connection to the gateway and makes it again when it ends.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use doorward_model::DoorName;
use doorward_wire::{FlowKind, Why};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout, timeout_at};

use crate::crypto;
use crate::driver::{Driver, RenewalWaiter};
use crate::error::{Error, Next};
use crate::flow::{Datagrams, Flow, FlowPreview, OpenFailure, Stream, Wanted, ask, open, request};
use crate::identity::{IdentityDir, Validity};
use crate::live::FlowGuard;
use crate::posture::Collector;
use crate::schedule::until;
use crate::settings::Settings;
use crate::shared::{ClientShared, Reporting};
use crate::status::{State, Status};

/// How long to wait for a connection.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a renewal may take, including the wait for an earlier one.
const RENEWING: Duration = Duration::from_secs(240);
/// How long a graceful end may take.
const ENDING: Duration = Duration::from_secs(10);
/// How many renewal requests may wait.
const RENEWAL_REQUESTS: usize = 4;
/// The shortest interval between two reports.
const REPORTS: Duration = Duration::from_secs(1);

/// A program's connection to its gateway. Clones are cheap and share one connection, which the
/// client makes again whenever it ends. [`Client::stop`] or dropping the last clone ends it.
#[derive(Clone)]
pub struct Client {
    handle: Arc<Running>,
}

struct Running {
    shared: Arc<ClientShared>,
    requests: mpsc::Sender<RenewalWaiter>,
    /// Closed when the driver has ended.
    done: watch::Receiver<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.stopping.send_replace(true);
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({})", self.handle.shared.dir.path().display())
    }
}

impl Client {
    /// Starts to connect with the identity in `dir`, and returns at once. [`Client::status`] tells
    /// the state of the connection. Network failures are not errors here.
    ///
    /// # Errors
    /// Fails when there is no identity, when one of its files cannot be read, or when the caller is
    /// outside of a tokio runtime.
    pub fn start(dir: IdentityDir, settings: Settings) -> Result<Self, Error> {
        let runtime = Handle::try_current().map_err(|_| Error::NoRuntime)?;
        let identity = dir.load()?;
        let status = Status::new(&identity, identity.validity()?);
        let shared = Arc::new(ClientShared::new(dir, settings, crypto::random()?, status));
        let (requests, request) = mpsc::channel(RENEWAL_REQUESTS);
        let (running, done) = watch::channel(());
        let driver = Driver::new(Arc::clone(&shared), request);
        drop(runtime.spawn(async move {
            driver.run().await;
            drop(running);
        }));
        Ok(Self { handle: Arc::new(Running { shared, requests, done }) })
    }

    pub(crate) fn shared(&self) -> &Arc<ClientShared> {
        &self.handle.shared
    }

    /// Opens a flow to an interface. Waits at most 20 s for a connection, and not at all if the
    /// next attempt is later than that. Then waits at most 45 s for the gateway's answer.
    ///
    /// # Errors
    /// Fails when the gateway refuses ([`Error::Flow`]), when there is no connection in time, or
    /// when it breaks off.
    pub async fn connect(&self, door: &DoorName, wanted: Wanted) -> Result<Flow, Error> {
        let request = request(door, &wanted);
        self.exchange(|guard, until| open(guard, &request, until)).await
    }

    /// Asks whether a flow to an interface would be admitted. Nothing is opened or dialed. Returns
    /// `None` if the gateway is of a version that cannot be asked. Waits like [`Client::connect`].
    ///
    /// # Errors
    /// Fails when the gateway would refuse ([`Error::Flow`]), when there is no connection in time,
    /// or when it breaks off.
    pub async fn ask(&self, door: &DoorName, wanted: Wanted) -> Result<Option<FlowPreview>, Error> {
        let request = request(door, &wanted);
        let answered = self.exchange(|guard, until| ask(guard, &request, until)).await;
        // That is how a gateway answers to a message that it does not know.
        if let Err(Error::Flow { why: Why::Wrong, .. }) = &answered {
            return Ok(None);
        }
        answered.map(Some)
    }

    /// Makes an exchange with the gateway, again on the next connection if the gateway did not get
    /// the request.
    async fn exchange<T, F>(
        &self,
        mut once: impl FnMut(FlowGuard, Instant) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, OpenFailure>>,
    {
        let until = Instant::now() + PATIENCE;
        let mut live = self.shared().live.subscribe();
        loop {
            let guard = self.standing(&mut live, until).await?;
            match once(guard, until).await {
                Ok(done) => return Ok(done),
                Err(OpenFailure::Failed(error)) => return Err(error),
                // The gateway did not get the request, so the next connection can send it.
                Err(OpenFailure::NotAsked(error)) => {
                    let changed = timeout_at(until, live.changed()).await;
                    if !matches!(changed, Ok(Ok(()))) {
                        return Err(Error::Broken(error.to_string()));
                    }
                }
            }
        }
    }

    /// Opens a flow of bytes to an interface.
    ///
    /// # Errors
    /// See [`Client::connect`].
    pub async fn stream(&self, door: &DoorName) -> Result<Stream, Error> {
        let wanted = Wanted { kind: Some(FlowKind::Stream), ..Wanted::default() };
        match self.connect(door, wanted).await? {
            Flow::Stream(stream) => Ok(stream),
            Flow::Datagrams(_) => {
                Err(Error::Answer("it admitted datagrams instead of a stream".to_owned()))
            }
        }
    }

    /// Opens a flow of datagrams to an interface.
    ///
    /// # Errors
    /// See [`Client::connect`].
    pub async fn datagrams(&self, door: &DoorName) -> Result<Datagrams, Error> {
        let wanted = Wanted { kind: Some(FlowKind::Datagrams), ..Wanted::default() };
        match self.connect(door, wanted).await? {
            Flow::Datagrams(datagrams) => Ok(datagrams),
            Flow::Stream(_) => {
                Err(Error::Answer("it admitted a stream instead of datagrams".to_owned()))
            }
        }
    }

    /// Waits for a live connection and returns a guard on it.
    async fn standing(
        &self,
        live: &mut watch::Receiver<Option<Arc<crate::live::LiveConnection>>>,
        until: Instant,
    ) -> Result<FlowGuard, Error> {
        let mut status = self.shared().status.subscribe();
        let standing = async {
            tokio::select! {
                biased;
                found = live.wait_for(Option::is_some) => {
                    // Guarded while borrowed, so that a connection retired just now waits for this
                    // flow.
                    found.ok().and_then(|found| found.as_ref().map(FlowGuard::new))
                }
                // Stops waiting when no connection can come in time.
                hopeless = status.wait_for(|status| self.is_hopeless(&status.state)) => {
                    drop(hopeless);
                    None
                }
            }
        };
        match timeout_at(until, standing).await {
            Ok(Some(guard)) => Ok(guard),
            Ok(None) | Err(_) => Err(self.not_connected()),
        }
    }

    fn is_hopeless(&self, state: &State) -> bool {
        match state {
            State::Ended { .. } => true,
            State::Waiting { until: then, .. } => until(self.shared().now(), *then) > PATIENCE,
            State::Connecting | State::Up { .. } => false,
        }
    }

    fn not_connected(&self) -> Error {
        if self.shared().is_stopping() {
            return Error::Stopped;
        }
        let (why, next) = match &self.shared().status.borrow().state {
            State::Connecting => ("the gateway has not answered yet".to_owned(), Next::Retry),
            State::Up { .. } => ("the connection was made only now".to_owned(), Next::Retry),
            State::Waiting { why, .. } => (why.clone(), Next::Retry),
            State::Ended { why } => (why.clone(), Next::GiveUp),
        };
        Error::NotConnected { why, next }
    }

    /// Reports what `posture` collects, after each connect and at every interval of `every`, at
    /// least one second. It replaces an earlier call. Only one program may report and offer for a
    /// device: the gateway takes a second one with the same identity for a thief with a copy.
    pub fn report(&self, posture: Arc<dyn Collector>, every: Duration) {
        let reporting = Reporting { collector: posture, every: every.max(REPORTS) };
        self.shared().reporting.send_replace(Some(reporting));
    }

    /// Waits for a connection to the gateway, at most 20 s, and not at all if the next attempt is
    /// later than that.
    ///
    /// # Errors
    /// Fails when there is no connection in time.
    pub async fn connected(&self) -> Result<(), Error> {
        let mut live = self.shared().live.subscribe();
        self.standing(&mut live, Instant::now() + PATIENCE).await.map(drop)
    }

    /// Returns a receiver of the client's status and its changes.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.shared().status.subscribe()
    }

    /// Renews the identity even if that is not due. Returns the validity of the new certificate.
    /// The connection and its flows continue.
    ///
    /// # Errors
    /// Fails when there is no connection in time, when the gateway declines, or when the new
    /// identity cannot be stored or is not accepted. The present identity then stays in use.
    pub async fn renew_now(&self) -> Result<Validity, Error> {
        let mut live = self.shared().live.subscribe();
        let standing = self.standing(&mut live, Instant::now() + PATIENCE).await?;
        drop(standing);
        let (waiter, answer) = oneshot::channel();
        let request = async {
            self.handle.requests.send(waiter).await.map_err(|_| Error::Stopped)?;
            answer.await.map_err(|_| Error::Broken("too many renewals at once".to_owned()))?
        };
        let slow = |_| Error::Broken("the renewal took too long".to_owned());
        timeout(RENEWING, request).await.map_err(slow)?
    }

    /// Tells the gateway, ends the connection with all its flows, and waits for the end, at most
    /// 10 s. All clones stop.
    pub async fn stop(&self) {
        self.shared().stopping.send_replace(true);
        let mut done = self.handle.done.clone();
        // `changed` fails when the driver has ended, which is the event to wait for.
        drop(timeout(ENDING, done.changed()).await);
    }
}
