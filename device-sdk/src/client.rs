//! The client: a connection to the gateway that comes back by itself.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use doorward_model::{DoorName, Name};
use doorward_wire::Kind;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout, timeout_at};

use crate::crypto;
use crate::driver::{Asker, Driver};
use crate::error::{Error, Next};
use crate::flow::{Datagrams, Flow, NotOpened, Stream, Wanted, asked, open};
use crate::identity::{IdentityDir, Validity};
use crate::live::Counted;
use crate::offer::{Handler, Offered};
use crate::posture::Collector;
use crate::schedule::until;
use crate::settings::Settings;
use crate::shared::{Reporting, Shared};
use crate::status::{State, Status};

/// How long a connection is waited for.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a renewal may take, with what comes before it.
const RENEWING: Duration = Duration::from_secs(240);
/// How long an end in good order may take.
const ENDING: Duration = Duration::from_secs(10);
/// Renewals that wait to begin.
const ASKS: usize = 4;
/// The shortest time between two reports.
const REPORTS: Duration = Duration::from_secs(1);

/// A program's connection to its gateway. Cheap to clone: all clones share the one connection,
/// which is made anew whenever it ends. It ends with the last clone, or with [`Client::stop`].
#[derive(Clone)]
pub struct Client {
    handle: Arc<Running>,
}

struct Running {
    shared: Arc<Shared>,
    asks: mpsc::Sender<Asker>,
    /// Dropped by the driver when it is done.
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
    /// Begins to connect with the identity in `dir`. What that comes to is in
    /// [`Client::status`]; nothing that a network does is an error here.
    ///
    /// # Errors
    /// When there is no identity, a file of it does not read, or this is called outside of a
    /// tokio runtime.
    pub fn start(dir: IdentityDir, settings: Settings) -> Result<Self, Error> {
        let runtime = Handle::try_current().map_err(|_| Error::NoRuntime)?;
        let identity = dir.load()?;
        let status = Status::new(&identity, identity.validity()?);
        let shared = Arc::new(Shared::new(dir, settings, crypto::random()?, status));
        let (asks, asked) = mpsc::channel(ASKS);
        let (running, done) = watch::channel(());
        let driver = Driver::new(Arc::clone(&shared), asked);
        drop(runtime.spawn(async move {
            driver.run().await;
            drop(running);
        }));
        Ok(Self { handle: Arc::new(Running { shared, asks, done }) })
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }

    /// Opens an interface. A connection is waited for, 20 s at most and only if the next try is
    /// before that, and the gateway's answer, 45 s at most.
    ///
    /// # Errors
    /// When the gateway refuses ([`Error::Flow`]), there is no connection in time, or it breaks
    /// off.
    pub async fn connect(&self, door: &DoorName, wanted: Wanted) -> Result<Flow, Error> {
        let asked = asked(door, &wanted);
        let until = Instant::now() + PATIENCE;
        let mut live = self.shared().live.subscribe();
        loop {
            let counted = self.standing(&mut live, until).await?;
            match open(counted, &asked, until).await {
                Ok(flow) => return Ok(flow),
                Err(NotOpened::Failed(error)) => return Err(error),
                // The next connection is as good.
                Err(NotOpened::NotAsked(error)) => {
                    let changed = timeout_at(until, live.changed()).await;
                    if !matches!(changed, Ok(Ok(()))) {
                        return Err(Error::Broken(error.to_string()));
                    }
                }
            }
        }
    }

    /// Opens an interface as a stream.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub async fn stream(&self, door: &DoorName) -> Result<Stream, Error> {
        let wanted = Wanted { kind: Some(Kind::Stream), ..Wanted::default() };
        match self.connect(door, wanted).await? {
            Flow::Stream(stream) => Ok(stream),
            Flow::Datagrams(_) => {
                Err(Error::Answer("datagrams, where a stream was asked for".to_owned()))
            }
        }
    }

    /// Opens an interface as datagrams.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub async fn datagrams(&self, door: &DoorName) -> Result<Datagrams, Error> {
        let wanted = Wanted { kind: Some(Kind::Datagrams), ..Wanted::default() };
        match self.connect(door, wanted).await? {
            Flow::Datagrams(datagrams) => Ok(datagrams),
            Flow::Stream(_) => {
                Err(Error::Answer("a stream, where datagrams were asked for".to_owned()))
            }
        }
    }

    /// The connection that stands, as soon as one does.
    async fn standing(
        &self,
        live: &mut watch::Receiver<Option<Arc<crate::live::Live>>>,
        until: Instant,
    ) -> Result<Counted, Error> {
        let mut status = self.shared().status.subscribe();
        let standing = async {
            tokio::select! {
                biased;
                found = live.wait_for(Option::is_some) => {
                    // Counted while it is borrowed: a connection that is retired meanwhile
                    // waits for this flow.
                    found.ok().and_then(|found| found.as_ref().map(Counted::new))
                }
                // What will not be in time is not waited for.
                hopeless = status.wait_for(|status| self.is_hopeless(&status.state)) => {
                    drop(hopeless);
                    None
                }
            }
        };
        match timeout_at(until, standing).await {
            Ok(Some(counted)) => Ok(counted),
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
            State::Up { .. } => ("it has only just begun to stand".to_owned(), Next::Retry),
            State::Waiting { why, .. } => (why.clone(), Next::Retry),
            State::Ended { why } => (why.clone(), Next::GiveUp),
        };
        Error::NotConnected { why, next }
    }

    /// Offers an interface under the name with which the gateway declares it, NAME of
    /// `agent:NAME`, as long as the answer lives. Whether the gateway takes it is in
    /// [`Client::status`].
    ///
    /// # Errors
    /// When that name is offered already.
    pub fn offer(
        &self,
        name: Name,
        kind: Kind,
        handler: Arc<dyn Handler>,
    ) -> Result<Offered, Error> {
        let added =
            self.shared().offers.send_if_modified(|offers| offers.add(name.clone(), kind, handler));
        if !added {
            return Err(Error::OfferedAlready(name));
        }
        Ok(Offered::new(self.clone(), name))
    }

    pub(crate) fn withdraw(&self, name: &Name) {
        self.shared().offers.send_if_modified(|offers| offers.remove(name));
    }

    /// Reports what `posture` collects, after each connect and every `every`, which is a second
    /// at least. It takes the place of what was reported before. One program reports and offers
    /// for a device: a second one with the same identity is taken for a thief with a copy.
    pub fn report(&self, posture: Arc<dyn Collector>, every: Duration) {
        let reporting = Reporting { collector: posture, every: every.max(REPORTS) };
        self.shared().reporting.send_replace(Some(reporting));
    }

    /// How the client is, now and whenever it changes.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.shared().status.subscribe()
    }

    /// Renews the identity, whether or not it is due, and answers from when until when the new
    /// one is valid. The connection and its flows go on.
    ///
    /// # Errors
    /// When there is no connection in time, the gateway declines, or the new identity cannot be
    /// stored or is not accepted. The present one stays then.
    pub async fn renew_now(&self) -> Result<Validity, Error> {
        let mut live = self.shared().live.subscribe();
        let standing = self.standing(&mut live, Instant::now() + PATIENCE).await?;
        drop(standing);
        let (asker, answer) = oneshot::channel();
        let asked = async {
            self.handle.asks.send(asker).await.map_err(|_| Error::Stopped)?;
            answer.await.map_err(|_| Error::Broken("too many renewals at once".to_owned()))?
        };
        let slow = |_| Error::Broken("the renewal took too long".to_owned());
        timeout(RENEWING, asked).await.map_err(slow)?
    }

    /// Says goodbye to the gateway, ends the connection with all its flows, and waits for that,
    /// 10 s at most. Every clone is stopped with it.
    pub async fn stop(&self) {
        self.shared().stopping.send_replace(true);
        let mut done = self.handle.done.clone();
        // It is an error when the driver is done, which is what is waited for.
        drop(timeout(ENDING, done.changed()).await);
    }
}
