//! The client's one task: it connects, serves the connection, renews, and connects again.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;

use doorward_wire::Control;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use crate::backoff::Ending;
use crate::course::{Another, Course, Now, Rules, Step};
use crate::crypto;
use crate::dial::{Dialed, dial, quic};
use crate::error::Error;
use crate::identity::{Identity, Validity};
use crate::live::Live;
use crate::over::Over;
use crate::recover::recover;
use crate::renew::{Over as Renewing, renew_on};
use crate::schedule::after;
use crate::session::{Session, greet};
use crate::shared::Shared;
use crate::status::State;

/// The channel to a caller that waits for the result of a renewal.
pub(crate) type Asker = oneshot::Sender<Result<Validity, Error>>;

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The connection that is being made to replace the live one.
type Next = Option<Boxed<Result<Session, Over>>>;

/// The task's state. The [`Planner`] decides; the driver acts.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    course: Course,
    asks: mpsc::Receiver<Asker>,
    renewing: Option<JoinHandle<Result<Renewing, Error>>>,
    /// The callers that wait for the running renewal.
    askers: Vec<Asker>,
}

/// The live connection.
struct Stands {
    running: Boxed<Over>,
    live: Arc<Live>,
}

impl Driver {
    pub(crate) fn new(shared: Arc<Shared>, asks: mpsc::Receiver<Asker>) -> Self {
        let course = Course::new(Rules::from(&shared.settings), crypto::number());
        Self { shared, course, asks, renewing: None, askers: vec![] }
    }

    fn now(&self) -> Now {
        Now { instant: Instant::now(), time: self.shared.now(), random: crypto::number() }
    }

    /// Runs until the client is stopped.
    pub(crate) async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        loop {
            shared.say(State::Connecting);
            let connecting: Boxed<Result<Session, Over>> =
                Box::pin(connect(Arc::clone(&shared), self.course.begin()));
            let connected = tokio::select! {
                biased;
                () = shared.stopped() => Err(Over::stopped()),
                connected = connecting => connected,
            };
            let over = match connected {
                Ok(session) => self.stand(session).await,
                Err(over) => over,
            };
            shared.live.send_replace(None);
            shared.status.send_modify(|status| {
                status.offers.clear();
                status.posture = None;
            });
            if shared.is_stopping() {
                break;
            }
            self.wait(over).await;
            if shared.is_stopping() {
                break;
            }
        }
        if let Some(renewing) = self.renewing.take() {
            renewing.abort();
        }
        shared.say(State::Ended { why: Over::stopped().why });
    }

    /// Waits before the next attempt to connect. Tries to recover a refused identity first.
    async fn wait(&mut self, over: Over) {
        let shared = Arc::clone(&self.shared);
        let Over { mut ending, mut why } = over;
        let ended = self.now();
        tracing::debug!(why, ?ending, "the connection to the gateway is over");
        if ending == Ending::Refused {
            let recovering: Boxed<Result<Validity, Error>> = Box::pin(recover(Arc::clone(&shared)));
            let recovered = tokio::select! {
                biased;
                () = shared.stopped() => return,
                recovered = recovering => recovered,
            };
            match recovered {
                // Only a connection with the recovered identity shows that the gateway accepts it.
                Ok(_) => ending = Ending::Failed,
                Err(error) => why = format!("{why}; recovery: {error}"),
            }
        }
        let wait = self.course.over(ended, ending);
        shared.say(match ending {
            Ending::GivenUp => State::Ended { why },
            _ => State::Waiting { until: after(shared.now(), wait), why },
        });
        tokio::select! {
            biased;
            () = shared.stopped() => {}
            () = sleep(wait) => {}
        }
    }

    /// Serves a connection until it is over.
    async fn stand(&mut self, session: Session) -> Over {
        let mut stands = self.take(session);
        let mut next: Next = None;
        loop {
            let look_at = self.course.next(self.now());
            tokio::select! {
                biased;
                over = &mut stands.running => return over,
                connected = ready(&mut next) => match connected {
                    Ok(session) => {
                        let former = std::mem::replace(&mut stands, self.take(session));
                        former.retire();
                    }
                    Err(over) => {
                        tracing::debug!(why = over.why, "the present connection stays");
                        self.course.stays(self.now());
                    }
                },
                renewed = finished(&mut self.renewing) => self.renewed(renewed),
                Some(asker) = self.asks.recv() => {
                    if self.askers.len() < 8 {
                        self.askers.push(asker);
                    }
                    let step = self.course.asked();
                    self.begin(step, &stands, &mut next);
                }
                () = at(look_at) => {
                    let step = self.course.step(self.now());
                    self.begin(step, &stands, &mut next);
                }
            }
        }
    }

    /// Begins the planned action.
    fn begin(&mut self, step: Option<Step>, stands: &Stands, next: &mut Next) {
        let shared = Arc::clone(&self.shared);
        match step {
            Some(Step::Connect(Another::Quic)) => *next = Some(Box::pin(connect_quic(shared))),
            Some(Step::Connect(Another::Identity)) => {
                *next = Some(Box::pin(connect(shared, self.course.tls_needed())));
            }
            Some(Step::Renew { former, anyway }) => {
                let live = Arc::clone(&stands.live);
                self.renewing = Some(tokio::spawn(renew_on(shared, live, former, anyway)));
            }
            None => {}
        }
    }

    /// Makes a connection the live one.
    fn take(&mut self, session: Session) -> Stands {
        let shared = Arc::clone(&self.shared);
        let carrier = session.live.carrier.as_str();
        let (live, validity) = (Arc::clone(&session.live), session.validity);
        let now = self.now();
        self.course.stands(now, carrier == "tls", validity);
        shared.status.send_modify(|status| {
            status.state = State::Up { carrier, session: session.id.clone(), since: now.time };
            status.validity = validity;
            status.renewal = self.course.renewal(now);
        });
        shared.live.send_replace(Some(Arc::clone(&live)));
        Stands { running: Box::pin(session.run(shared)), live }
    }

    /// Handles the end of a renewal.
    fn renewed(&mut self, renewed: Result<Renewing, Error>) {
        let now = self.now();
        self.course.renewed(now, renewed.as_ref().ok().copied());
        let answer = renewed.map(|made| match made {
            Renewing::Renewed(validity) | Renewing::ByAnother(validity) => validity,
        });
        self.shared.status.send_modify(|status| {
            status.renewal = self.course.renewal(now);
            match &answer {
                Ok(validity) => (status.validity, status.renewal_problem) = (*validity, None),
                Err(error) => status.renewal_problem = Some(error.to_string()),
            }
        });
        let mut askers = std::mem::take(&mut self.askers).into_iter();
        // Errors are not `Clone`: the first caller gets the error itself, the others its text.
        let words = answer.as_ref().map(|validity| *validity).map_err(ToString::to_string);
        if let Some(first) = askers.next() {
            // The caller may have stopped waiting.
            drop(first.send(answer));
        }
        for asker in askers {
            drop(asker.send(words.clone().map_err(Error::Broken)));
        }
    }
}

impl Stands {
    /// Lets the connection end with its last flow.
    fn retire(self) {
        let Self { mut running, live, .. } = self;
        live.retire();
        drop(tokio::spawn(async move {
            tokio::select! {
                _ = &mut running => return,
                () = live.idle() => {}
            }
            let bye = Control::Bye(doorward_wire::Why::Stopping, String::new());
            // Sends Bye and waits for the end. If the queue is full, the connection is dropped.
            if live.words.try_send(bye).is_ok() {
                drop(running.await);
            }
        }));
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => pending().await,
    }
}

async fn ready(next: &mut Next) -> Result<Session, Over> {
    match next {
        Some(future) => {
            let done = future.await;
            *next = None;
            done
        }
        None => pending().await,
    }
}

async fn finished<T>(task: &mut Option<JoinHandle<Result<T, Error>>>) -> Result<T, Error> {
    match task {
        Some(running) => {
            let done = running.await;
            *task = None;
            done.unwrap_or_else(|_| Err(Error::Broken("the renewal broke off".to_owned())))
        }
        None => pending().await,
    }
}

/// Connects with the identity that the directory holds now.
async fn connect(shared: Arc<Shared>, both: bool) -> Result<Session, Over> {
    let identity = shared.dir.load()?;
    let credentials = shared.credentials(&identity, true)?;
    let dialed = dial(&identity.gateway().url, &credentials, &shared.settings, both).await?;
    welcome(dialed, &identity, &shared).await
}

async fn connect_quic(shared: Arc<Shared>) -> Result<Session, Over> {
    let identity = shared.dir.load()?;
    let credentials = shared.credentials(&identity, true)?;
    let dialed = quic(&identity.gateway().url, &credentials, &shared.settings).await?;
    welcome(dialed, &identity, &shared).await
}

async fn welcome(dialed: Dialed, identity: &Identity, shared: &Shared) -> Result<Session, Over> {
    greet(dialed, identity, shared).await
}
