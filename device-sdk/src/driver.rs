//! The client's one task: it connects, serves the connection, renews, and connects again.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;

use doorward_wire::Control;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use crate::backoff::EndReason;
use crate::connection_end::ConnectionEnd;
use crate::crypto;
use crate::dial::{DialedCarrier, dial, quic};
use crate::error::Error;
use crate::identity::{Identity, Validity};
use crate::live::LiveConnection;
use crate::planner::{Now, Planner, PlannerRules, PlannerStep, ReplaceReason};
use crate::recover::recover;
use crate::renew::{RenewalOutcome, renew_on};
use crate::schedule::after;
use crate::session::{GatewaySession, greet};
use crate::shared::ClientShared;
use crate::status::State;

/// The channel to a caller that waits for the result of a renewal.
pub(crate) type RenewalWaiter = oneshot::Sender<Result<Validity, Error>>;

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The connection that is being made to replace the live one.
type Next = Option<Boxed<Result<GatewaySession, ConnectionEnd>>>;

/// The task's state. The [`Planner`] decides; the driver acts.
pub(crate) struct Driver {
    shared: Arc<ClientShared>,
    planner: Planner,
    requests: mpsc::Receiver<RenewalWaiter>,
    renewing: Option<JoinHandle<Result<RenewalOutcome, Error>>>,
    /// The callers that wait for the running renewal.
    waiters: Vec<RenewalWaiter>,
}

/// The live connection.
struct CurrentConnection {
    running: Boxed<ConnectionEnd>,
    live: Arc<LiveConnection>,
}

impl Driver {
    pub(crate) fn new(shared: Arc<ClientShared>, requests: mpsc::Receiver<RenewalWaiter>) -> Self {
        let planner = Planner::new(PlannerRules::from(&shared.settings), crypto::number());
        Self { shared, planner, requests, renewing: None, waiters: vec![] }
    }

    fn now(&self) -> Now {
        Now { instant: Instant::now(), time: self.shared.now(), random: crypto::number() }
    }

    /// Runs until the client is stopped.
    pub(crate) async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        loop {
            shared.set_state(State::Connecting);
            let connecting: Boxed<Result<GatewaySession, ConnectionEnd>> =
                Box::pin(connect(Arc::clone(&shared), self.planner.begin()));
            let connected = tokio::select! {
                biased;
                () = shared.stopped() => Err(ConnectionEnd::stopped()),
                connected = connecting => connected,
            };
            let end = match connected {
                Ok(session) => self.serve(session).await,
                Err(end) => end,
            };
            shared.live.send_replace(None);
            shared.status.send_modify(|status| {
                status.offers.clear();
                status.posture = None;
            });
            if shared.is_stopping() {
                break;
            }
            self.wait(end).await;
            if shared.is_stopping() {
                break;
            }
        }
        if let Some(renewing) = self.renewing.take() {
            renewing.abort();
        }
        shared.set_state(State::Ended { why: ConnectionEnd::stopped().why });
    }

    /// Waits before the next attempt to connect. Tries to recover a refused identity first.
    async fn wait(&mut self, end: ConnectionEnd) {
        let shared = Arc::clone(&self.shared);
        let ConnectionEnd { mut reason, mut why } = end;
        let mut is_dead = reason == EndReason::GivenUp;
        let ended = self.now();
        tracing::debug!(why, ?reason, "the connection to the gateway is over");
        if reason == EndReason::Refused {
            let recovering: Boxed<Result<Validity, Error>> = Box::pin(recover(Arc::clone(&shared)));
            let recovered = tokio::select! {
                biased;
                () = shared.stopped() => return,
                recovered = recovering => recovered,
            };
            match recovered {
                // Only a connection with the recovered identity shows that the gateway accepts it.
                Ok(_) => reason = EndReason::Failed,
                Err(error) => {
                    // A refusal of the gateway stands until a person acts. A failure to ask does
                    // not.
                    is_dead = matches!(error, Error::Refused { .. })
                        && error.next() == crate::Next::GiveUp;
                    why = format!("{why}; recovery: {error}");
                }
            }
        }
        let wait = self.planner.note_ended(ended, reason);
        shared.set_state(if is_dead {
            State::Ended { why }
        } else {
            State::Waiting { until: after(shared.now(), wait), why }
        });
        tokio::select! {
            biased;
            () = shared.stopped() => {}
            () = sleep(wait) => {}
        }
    }

    /// Serves a connection until it is over.
    async fn serve(&mut self, session: GatewaySession) -> ConnectionEnd {
        let mut current = self.make_current(session);
        let mut next: Next = None;
        loop {
            let next_step = self.planner.next(self.now());
            tokio::select! {
                biased;
                end = &mut current.running => return end,
                connected = ready(&mut next) => match connected {
                    Ok(session) => {
                        let former = std::mem::replace(&mut current, self.make_current(session));
                        former.retire();
                    }
                    Err(end) => {
                        tracing::debug!(why = end.why, "the present connection stays");
                        self.planner.note_not_replaced(self.now());
                    }
                },
                renewed = finished(&mut self.renewing) => self.renewed(renewed),
                Some(waiter) = self.requests.recv() => {
                    if self.waiters.len() < 8 {
                        self.waiters.push(waiter);
                    }
                    let step = self.planner.request_renewal();
                    self.begin(step, &current, &mut next);
                }
                () = at(next_step) => {
                    let step = self.planner.step(self.now());
                    self.begin(step, &current, &mut next);
                }
            }
        }
    }

    /// Begins the planned action.
    fn begin(&mut self, step: Option<PlannerStep>, current: &CurrentConnection, next: &mut Next) {
        let shared = Arc::clone(&self.shared);
        match step {
            Some(PlannerStep::Connect(ReplaceReason::Quic)) => {
                *next = Some(Box::pin(connect_quic(shared)));
            }
            Some(PlannerStep::Connect(ReplaceReason::Identity)) => {
                *next = Some(Box::pin(connect(shared, self.planner.tls_needed())));
            }
            Some(PlannerStep::Renew { former, anyway }) => {
                let live = Arc::clone(&current.live);
                self.renewing = Some(tokio::spawn(renew_on(shared, live, former, anyway)));
            }
            None => {}
        }
    }

    /// Makes a connection the live one.
    fn make_current(&mut self, session: GatewaySession) -> CurrentConnection {
        let shared = Arc::clone(&self.shared);
        let carrier = session.live.carrier.as_str();
        let (live, validity) = (Arc::clone(&session.live), session.validity);
        let now = self.now();
        self.planner.note_connected(now, carrier == "tls", validity);
        shared.status.send_modify(|status| {
            status.state = State::Up { carrier, session: session.id.clone(), since: now.time };
            status.validity = validity;
            status.renewal = self.planner.renewal(now);
        });
        shared.live.send_replace(Some(Arc::clone(&live)));
        CurrentConnection { running: Box::pin(session.run(shared)), live }
    }

    /// Handles the end of a renewal.
    fn renewed(&mut self, renewed: Result<RenewalOutcome, Error>) {
        let now = self.now();
        self.planner.note_renewed(now, renewed.as_ref().ok().copied());
        let answer = renewed.map(|made| match made {
            RenewalOutcome::Renewed(validity) | RenewalOutcome::ByAnother(validity) => validity,
        });
        self.shared.status.send_modify(|status| {
            status.renewal = self.planner.renewal(now);
            match &answer {
                Ok(validity) => (status.validity, status.renewal_problem) = (*validity, None),
                Err(error) => status.renewal_problem = Some(error.to_string()),
            }
        });
        let mut waiters = std::mem::take(&mut self.waiters).into_iter();
        // Errors are not `Clone`: the first caller gets the error itself, the others its text.
        let texts = answer.as_ref().map(|validity| *validity).map_err(ToString::to_string);
        if let Some(first) = waiters.next() {
            // The caller may have stopped waiting.
            drop(first.send(answer));
        }
        for waiter in waiters {
            drop(waiter.send(texts.clone().map_err(Error::Broken)));
        }
    }
}

impl CurrentConnection {
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
            if live.outgoing.try_send(bye).is_ok() {
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

async fn ready(next: &mut Next) -> Result<GatewaySession, ConnectionEnd> {
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
async fn connect(shared: Arc<ClientShared>, both: bool) -> Result<GatewaySession, ConnectionEnd> {
    let identity = shared.dir.load()?;
    let credentials = shared.credentials(&identity, true)?;
    let dialed = dial(&identity.gateway().url, &credentials, &shared.settings, both).await?;
    welcome(dialed, &identity, &shared).await
}

async fn connect_quic(shared: Arc<ClientShared>) -> Result<GatewaySession, ConnectionEnd> {
    let identity = shared.dir.load()?;
    let credentials = shared.credentials(&identity, true)?;
    let dialed = quic(&identity.gateway().url, &credentials, &shared.settings).await?;
    welcome(dialed, &identity, &shared).await
}

async fn welcome(
    dialed: DialedCarrier,
    identity: &Identity,
    shared: &ClientShared,
) -> Result<GatewaySession, ConnectionEnd> {
    greet(dialed, identity, shared).await
}
