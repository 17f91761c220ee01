//! A live connection, and the flows on it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use doorward_wire::{Carrier, Control, Declined, Renewed, Why};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::error::Error;

/// How long the gateway may take to issue a certificate.
const ISSUING: Duration = Duration::from_secs(60);
/// How long after a cut its reason may arrive.
const REASON: Duration = Duration::from_millis(500);

/// A live connection, on which flows are opened.
#[derive(Debug)]
pub(crate) struct LiveConnection {
    pub(crate) carrier: Carrier,
    /// The queue of messages for its control stream.
    pub(crate) outgoing: mpsc::Sender<Control>,
    flows: watch::Sender<usize>,
    /// The flows by their streams, each with the reason if it was cut.
    cuts: Mutex<HashMap<u64, Option<Why>>>,
    /// Notified when `cuts` has a new reason.
    cut_noted: Notify,
    renewals: Mutex<HashMap<u64, oneshot::Sender<Result<Renewed, Declined>>>>,
    ids: AtomicU64,
    /// Whether another connection has replaced this one, which then ends with its last flow.
    retired: AtomicBool,
}

impl LiveConnection {
    pub(crate) fn new(carrier: Carrier, outgoing: mpsc::Sender<Control>) -> Self {
        Self {
            carrier,
            outgoing,
            flows: watch::Sender::new(0),
            cuts: Mutex::default(),
            cut_noted: Notify::new(),
            renewals: Mutex::default(),
            ids: AtomicU64::new(1),
            retired: AtomicBool::new(false),
        }
    }

    /// Returns a number that no other request on this connection has.
    pub(crate) fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::SeqCst)
    }

    /// Waits until the connection has no flow.
    pub(crate) async fn idle(&self) {
        let mut flows = self.flows.subscribe();
        // Cannot fail, since `self` holds the sender.
        drop(flows.wait_for(|flows| *flows == 0).await.map(drop));
    }

    fn cuts(&self) -> MutexGuard<'_, HashMap<u64, Option<Why>>> {
        self.cuts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes why the flow on a stream was cut.
    pub(crate) fn note_cut(&self, stream: u64, why: Why) {
        if let Some(cut) = self.cuts().get_mut(&stream) {
            *cut = Some(why);
        }
        self.cut_noted.notify_waiters();
    }

    fn renewals(&self) -> MutexGuard<'_, HashMap<u64, oneshot::Sender<Result<Renewed, Declined>>>> {
        self.renewals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests a certificate with a PKCS #10 request in PEM. Returns the answer with the request's
    /// id, which [`Control::Kept`] needs.
    pub(crate) async fn renew(&self, request: String) -> Result<(u64, Renewed), Error> {
        let broken = || Error::Broken("the connection ended before the answer".to_owned());
        let id = self.next_id();
        let (answer, answered) = oneshot::channel();
        self.renewals().insert(id, answer);
        let request_sent = async {
            self.outgoing.send(Control::Renew(id, request)).await.map_err(|_| broken())?;
            answered.await.map_err(|_| broken())
        };
        let answer = timeout(ISSUING, request_sent).await;
        self.renewals().remove(&id);
        let slow = |_| Error::Broken("the gateway did not answer in time".to_owned());
        match answer.map_err(slow)?? {
            Ok(renewed) => Ok((id, renewed)),
            Err(Declined { why, detail, .. }) => Err(Error::Declined { why, detail }),
        }
    }

    /// Passes an answer to the caller that waits for it. Returns whether there was one.
    pub(crate) fn renewed(&self, id: u64, answer: Result<Renewed, Declined>) -> bool {
        match self.renewals().remove(&id) {
            // The caller may have stopped waiting.
            Some(waiter) => waiter.send(answer).is_ok(),
            None => false,
        }
    }

    /// Fails all requests that wait for an answer, since the connection is over.
    pub(crate) fn fail_requests(&self) {
        self.renewals().clear();
    }
}

/// A guard for a flow or another use of a connection. A retired connection waits for its guards.
#[derive(Debug)]
pub(crate) struct FlowGuard {
    live: Arc<LiveConnection>,
    stream: Option<u64>,
}

impl FlowGuard {
    pub(crate) fn new(live: &Arc<LiveConnection>) -> Self {
        live.flows.send_modify(|flows| *flows = flows.saturating_add(1));
        Self { live: Arc::clone(live), stream: None }
    }

    /// Ties the guard to the flow on this stream.
    pub(crate) fn on(mut self, stream: u64) -> Self {
        self.live.cuts().insert(stream, None);
        self.stream = Some(stream);
        self
    }

    pub(crate) fn live(&self) -> &Arc<LiveConnection> {
        &self.live
    }

    /// Returns why the flow was cut, if the gateway has said so.
    pub(crate) fn why(&self) -> Option<Why> {
        self.stream.and_then(|stream| self.live.cuts().get(&stream).copied().flatten())
    }

    /// Returns why the flow was cut, and waits a moment if the gateway has not said so yet.
    pub(crate) async fn cut_reason(&self) -> Option<Why> {
        let noted = async {
            loop {
                // Registered before the look, so that no reason is missed.
                let next = self.live.cut_noted.notified();
                if let Some(why) = self.why() {
                    return why;
                }
                next.await;
            }
        };
        timeout(REASON, noted).await.ok()
    }
}

impl Drop for FlowGuard {
    fn drop(&mut self) {
        if let Some(stream) = self.stream {
            self.live.cuts().remove(&stream);
        }
        self.live.flows.send_modify(|flows| *flows = flows.saturating_sub(1));
    }
}
