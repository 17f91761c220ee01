//! The one task of a client: connects, keeps the connection, renews, and begins again.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use doorward_wire::Control;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use crate::backoff::{Backoff, Ending};
use crate::dial::{Dialed, dial, quic};
use crate::error::Error;
use crate::identity::{Identity, Validity};
use crate::over::Over;
use crate::random;
use crate::recover::recover;
use crate::renew::{Over as Renewing, renew_on};
use crate::schedule::{about, after, again, due, rest, until};
use crate::session::{Session, greet};
use crate::settings::Transport;
use crate::shared::Shared;
use crate::status::State;

/// Whoever wants a renewal now, and is told what it came to.
pub(crate) type Asker = oneshot::Sender<Result<Validity, Error>>;

/// How long is slept at most before the clock is looked at again.
const LOOK: Duration = Duration::from_secs(600);

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What is remembered from one connection to the next.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    asks: mpsc::Receiver<Asker>,
    backoff: Backoff,
    /// QUIC did not get through the last time.
    tls_needed: bool,
    renewing: Option<JoinHandle<Result<Renewing, Error>>>,
    /// Who waits for that renewal.
    askers: Vec<Asker>,
    /// Renewals that failed, in a row.
    failed: u32,
    /// Spreads renewals of many clients.
    spread: u64,
    /// Before that, no renewal begins by itself.
    rest_until: Option<Instant>,
}

/// How a new connection came to be wanted while one stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Another {
    /// QUIC may get through again.
    Quic,
    /// There is another identity in the directory.
    Identity,
}

impl Driver {
    pub(crate) fn new(shared: Arc<Shared>, asks: mpsc::Receiver<Asker>) -> Self {
        let backoff = Backoff::new(shared.settings.backoff);
        Self {
            shared,
            asks,
            backoff,
            tls_needed: false,
            renewing: None,
            askers: vec![],
            failed: 0,
            spread: random::number(),
            rest_until: None,
        }
    }

    /// Runs until the client is stopped.
    pub(crate) async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        loop {
            shared.say(State::Connecting);
            let connecting: Boxed<Result<Session, Over>> =
                Box::pin(connect(Arc::clone(&shared), self.tls_needed));
            let connected = tokio::select! {
                biased;
                () = shared.stopped() => Err(Over::stopped()),
                connected = connecting => connected,
            };
            let begun = Instant::now();
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
            self.wait(over, begun.elapsed()).await;
            if shared.is_stopping() {
                break;
            }
        }
        if let Some(renewing) = self.renewing.take() {
            renewing.abort();
        }
        shared.say(State::Ended { why: Over::stopped().why });
    }

    /// Waits for the next try.
    async fn wait(&mut self, over: Over, stood: Duration) {
        let shared = Arc::clone(&self.shared);
        let Over { mut ending, mut why } = over;
        tracing::debug!(why, ?ending, "the connection to the gateway is over");
        if ending == Ending::Refused {
            let recovering: Boxed<Result<Validity, Error>> = Box::pin(recover(Arc::clone(&shared)));
            let recovered = tokio::select! {
                biased;
                () = shared.stopped() => return,
                recovered = recovering => recovered,
            };
            match recovered {
                // It is not believed before a connection stands on it.
                Ok(_) => ending = Ending::Failed,
                Err(error) => why = format!("{why}; recovery: {error}"),
            }
        }
        let wait = self.backoff.after(ending, stood, random::number());
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

    /// Keeps a connection until it is over.
    async fn stand(&mut self, session: Session) -> Over {
        let shared = Arc::clone(&self.shared);
        let mut stands = self.take(session);
        let mut next: Option<(Another, Boxed<Result<Session, Over>>)> = None;
        loop {
            let renewal = self.renewal(stands.validity);
            let free = next.is_none();
            let quic_at = stands.quic_at.filter(|_| free);
            let identity_at = stands.identity_at.filter(|_| free);
            tokio::select! {
                biased;
                over = &mut stands.running => return over,
                (another, connected) = ready(&mut next) => match connected {
                    Ok(session) => {
                        let former = std::mem::replace(&mut stands, self.take(session));
                        former.retire();
                    }
                    Err(over) => {
                        tracing::debug!(why = over.why, "the present connection stays");
                        match another {
                            Another::Quic => stands.quic_at = self.quic_again(),
                            Another::Identity => stands.identity_at = Some(Instant::now() + LOOK),
                        }
                    }
                },
                () = at(quic_at) => {
                    next = Some((Another::Quic, Box::pin(connect_quic(Arc::clone(&shared)))));
                }
                () = at(identity_at) => {
                    stands.identity_at = None;
                    let connecting = connect(Arc::clone(&shared), self.tls_needed);
                    next = Some((Another::Identity, Box::pin(connecting)));
                }
                renewed = finished(&mut self.renewing) => match self.renewed(renewed, stands.validity) {
                    Some(Renewing::Renewed(validity)) => stands.validity = validity,
                    // The gateway does not know that this session may stand on it.
                    Some(Renewing::ByAnother(_)) => stands.identity_at = Some(Instant::now()),
                    None => {}
                },
                Some(asker) = self.asks.recv() => {
                    if self.askers.len() < 8 {
                        self.askers.push(asker);
                    }
                    if self.renewing.is_none() {
                        self.renew(&stands, true);
                    }
                }
                () = at(renewal) => {
                    if self.is_due(stands.validity) {
                        self.renew(&stands, false);
                    }
                }
            }
        }
    }

    /// A connection is the present one from here on.
    fn take(&mut self, session: Session) -> Stands {
        let shared = &self.shared;
        let carrier = session.live.carrier.as_str();
        let auto = shared.settings.transport == Transport::Auto;
        if auto {
            self.tls_needed = carrier == "tls";
        }
        let quic_at = if auto && carrier == "tls" { self.quic_again() } else { None };
        let (live, validity) = (Arc::clone(&session.live), session.validity);
        let renewal = due(validity, self.spread);
        let since = shared.now();
        shared.status.send_modify(|status| {
            status.state = State::Up { carrier, session: session.id.clone(), since };
            status.validity = validity;
            status.renewal = shared.settings.renew.then_some(renewal);
        });
        shared.live.send_replace(Some(Arc::clone(&live)));
        let running = Box::pin(session.run(Arc::clone(shared)));
        Stands { running, live, validity, quic_at, identity_at: None }
    }

    /// When QUIC is tried again; never, if that is too late to be said.
    fn quic_again(&self) -> Option<Instant> {
        let wait = about(self.shared.settings.quic_again, random::number());
        Instant::now().checked_add(wait)
    }

    fn is_due(&self, validity: Validity) -> bool {
        self.shared.now() >= due(validity, self.spread)
    }

    /// When to look whether a renewal is due.
    fn renewal(&self, validity: Validity) -> Option<Instant> {
        if !self.shared.settings.renew || self.renewing.is_some() {
            return None;
        }
        let wait = until(self.shared.now(), due(validity, self.spread)).min(LOOK);
        let then = Instant::now() + wait;
        Some(self.rest_until.map_or(then, |rest| rest.max(then)))
    }

    fn renew(&mut self, stands: &Stands, anyway: bool) {
        let (shared, live) = (Arc::clone(&self.shared), Arc::clone(&stands.live));
        self.renewing = Some(tokio::spawn(renew_on(shared, live, stands.validity, anyway)));
    }

    /// A renewal has ended. What it came to, if it came to something.
    fn renewed(&mut self, renewed: Result<Renewing, Error>, former: Validity) -> Option<Renewing> {
        let made = renewed.as_ref().ok().copied();
        let answer = renewed.map(|made| match made {
            Renewing::Renewed(validity) | Renewing::ByAnother(validity) => validity,
        });
        let now = Instant::now();
        match &answer {
            Ok(validity) => {
                self.failed = 0;
                self.spread = random::number();
                self.rest_until = Some(now + rest(*validity));
                let renewal = due(*validity, self.spread);
                self.shared.status.send_modify(|status| {
                    status.validity = *validity;
                    status.renewal = self.shared.settings.renew.then_some(renewal);
                    status.renewal_problem = None;
                });
            }
            Err(error) => {
                let wait = again(former, self.failed, random::number());
                self.failed = self.failed.saturating_add(1);
                self.rest_until = Some(now + wait);
                let renewal = after(self.shared.now(), wait);
                self.shared.status.send_modify(|status| {
                    status.renewal_problem = Some(error.to_string());
                    status.renewal = self.shared.settings.renew.then_some(renewal);
                });
            }
        }
        let mut askers = std::mem::take(&mut self.askers).into_iter();
        // An error is not copied: the first is told what it was, the others that it was.
        let words = answer.as_ref().map(|validity| *validity).map_err(ToString::to_string);
        if let Some(first) = askers.next() {
            // Whoever has asked may have gone.
            drop(first.send(answer));
        }
        for asker in askers {
            drop(asker.send(words.clone().map_err(Error::Broken)));
        }
        made
    }
}

/// The present connection.
struct Stands {
    running: Boxed<Over>,
    live: Arc<crate::live::Live>,
    validity: Validity,
    /// When QUIC is tried again.
    quic_at: Option<Instant>,
    /// When a connection with the directory's identity is to take its place.
    identity_at: Option<Instant>,
}

impl Stands {
    /// Lets it end with its last flow.
    fn retire(self) {
        let Self { mut running, live, .. } = self;
        live.retire();
        drop(tokio::spawn(async move {
            tokio::select! {
                _ = &mut running => return,
                () = live.idle() => {}
            }
            let bye = Control::Bye(doorward_wire::Why::Stopping, String::new());
            // It says so and ends; if it cannot even take the word, it ends without.
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

async fn ready<K: Copy, T>(next: &mut Option<(K, Boxed<T>)>) -> (K, T) {
    match next {
        Some((kind, future)) => {
            let done = (*kind, future.await);
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

/// Makes a connection with the identity that is in the directory now.
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
