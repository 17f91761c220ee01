//! Handles the requests of one connection: what is asked of every request, whichever version of HTTP
//! it came by.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use doorward_api::ProblemKind;
use doorward_model::FlowId;
use http::{HeaderName, HeaderValue, Method, Request, Response};
use tokio::time::Instant;

use super::body::{Body, Reservation, reserve_answer};
use super::payload::Payload;
use super::problem::Problem;
use crate::endpoint::ListenerKind;
use crate::ports::Tunnel;
use crate::serving::Serving;
use crate::visit::Visit;

/// The longest head of a request, in bytes.
pub(super) const HEAD: usize = 16 * 1024;
/// What a request takes in memory besides its head: a task, and the state of h2 or hyper.
const LEAST_HEAD: usize = 4096;
/// How long a connection may be open without a request.
const IDLE: Duration = Duration::from_secs(75);
/// How long a connection without an identity may go on after it was told to end. The client loses
/// what it has not read by then.
const LAST: Duration = Duration::from_secs(10);
/// How long a pending answer may take to leave after its session was cut, so that a subject that
/// ends its own session gets the answer.
pub(super) const PARTING: Duration = Duration::from_secs(1);
/// How often the connection is checked for idleness.
const LOOK: Duration = Duration::from_secs(5);

/// The id of a request, as an extension of the request.
#[derive(Clone, Copy, Debug)]
pub struct RequestId(pub FlowId);

const REQUEST_ID: HeaderName = HeaderName::from_static("doorward-request-id");

/// Answers the requests of one connection.
#[derive(Clone)]
pub(super) struct RequestHandler {
    pub(super) visit: Arc<Visit>,
    pub(super) serving: Arc<Serving>,
    busy: Arc<Busy>,
}

/// How many requests are being answered, and since when there have been none.
struct Busy {
    count: AtomicUsize,
    idle_since: std::sync::Mutex<Instant>,
}

pub(super) struct BusyGuard(Arc<Busy>);

impl Busy {
    fn new() -> Self {
        Self { count: AtomicUsize::new(0), idle_since: Instant::now().into() }
    }

    fn enter(self: &Arc<Self>) -> BusyGuard {
        self.count.fetch_add(1, Ordering::SeqCst);
        BusyGuard(Arc::clone(self))
    }

    fn is_idle_for(&self, time: Duration) -> bool {
        let since = *self.idle_since.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.count.load(Ordering::SeqCst) == 0 && since.elapsed() >= time
    }
}

impl Drop for BusyGuard {
    fn drop(&mut self) {
        let mut since = self.0.idle_since.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *since = Instant::now();
        self.0.count.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What interrupts a connection besides its requests.
pub(super) enum Interruption {
    /// Finish the open requests, and accept no more.
    Drain,
    /// End at once.
    Cut,
}

impl RequestHandler {
    pub(super) fn new(visit: Visit, serving: Arc<Serving>) -> Self {
        Self { visit: Arc::new(visit), serving, busy: Arc::new(Busy::new()) }
    }

    /// Waits until the visitor's session is cut.
    pub(super) async fn cut(&self) {
        match &self.visit.connection {
            Some(connection) => drop(connection.ended().await),
            None => std::future::pending().await,
        }
    }

    /// Waits until a connection that has been draining since then must end.
    pub(super) async fn drained(&self, since: Instant) {
        match &self.visit.connection {
            Some(connection) => drop(connection.ended().await),
            None => tokio::time::sleep_until(since + LAST).await,
        }
    }

    /// Waits until the connection must drain or end.
    pub(super) async fn interruption(&self) -> Interruption {
        let idle = async {
            while !self.busy.is_idle_for(IDLE) {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::select! {
            () = self.cut() => Interruption::Cut,
            () = idle => Interruption::Drain,
            () = self.serving.draining() => Interruption::Drain,
        }
    }

    /// Returns the refusal of a request, if it must be refused before it is read any further.
    pub(super) async fn objection(&self) -> Option<Problem> {
        let peer = self.visit.peer.ip();
        let is_stranger = self.visit.connection.is_none();
        if is_stranger && !self.visit.entrance.admits_request(peer).await {
            self.serving.refusals.count(peer, "too-many-requests");
            return Some(Problem::new(ProblemKind::TooMany, "Try again in a few seconds."));
        }
        None
    }

    /// Reserves memory for a request with this head, and later for its body.
    ///
    /// # Errors
    /// When the visitor's share is used up.
    pub(super) fn reserve(&self, head: &http::request::Parts) -> Result<Reservation, Problem> {
        let fields = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
        let bytes = fields.sum::<usize>() + head.uri.path().len() + LEAST_HEAD;
        let reservation =
            Reservation::for_head(self.serving.leases.pots(), &self.visit, bytes as u64);
        reservation.ok_or_else(|| {
            self.serving.refusals.count(self.visit.peer.ip(), "no-room-for-requests");
            let detail = "Too many requests of yours are being read. Try again in a moment.";
            Problem::new(ProblemKind::Busy, detail)
        })
    }

    /// Answers a request other than CONNECT.
    pub(super) async fn answer(&self, id: FlowId, mut request: Request<Body>) -> Response<Payload> {
        let _busy = self.busy.enter();
        let mut response = match self.objection().await.or_else(|| self.misdirected(&request)) {
            Some(problem) => problem.into_response(),
            None => {
                request.extensions_mut().insert(RequestId(id));
                let visit = Arc::clone(&self.visit);
                let response = self.serving.front.answer(visit, id, request).await;
                let pots = self.serving.leases.pots();
                let kept = reserve_answer(pots, &self.visit, response).await;
                kept.unwrap_or_else(|| {
                    let detail = "Many answers to you are still being sent. Read them first.";
                    Problem::new(ProblemKind::Busy, detail).into_response()
                })
            }
        };
        mark(&mut response, id);
        response
    }

    /// Refuses a request for another origin. That is the absolute form of a proxy request, and the
    /// gateway never forwards those.
    fn misdirected(&self, request: &Request<Body>) -> Option<Problem> {
        let authority = request.uri().authority()?;
        if request.version() == http::Version::HTTP_2 {
            // HTTP/2 always names the origin. Only a foreign origin makes it a proxy request.
            let host = authority.host();
            let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
            if self.serving.names.contain(host) || address.is_ok() {
                return None;
            }
        }
        Some(Problem::new(
            ProblemKind::NotForwarded,
            "This gateway opens tunnels and forwards no requests. Ask for a tunnel: with curl, \
             add --proxytunnel (-p).",
        ))
    }

    /// Refuses a CONNECT, or hands it to the flows in a task of its own.
    pub(super) fn connect(
        &self,
        id: FlowId,
        authority: Option<&http::uri::Authority>,
        tunnel: Box<dyn Tunnel>,
    ) {
        if self.visit.listener == ListenerKind::Management {
            let problem =
                Problem::new(ProblemKind::WrongMethod, "Tunnels are opened at the data listener.");
            return tunnel.refuse(problem);
        }
        // The authority is an interface's name and a port. Anything else counts as an unknown name.
        let host = match authority {
            Some(authority) if !authority.as_str().contains('@') => authority.host().to_owned(),
            Some(authority) => authority.as_str().to_owned(),
            None => String::new(),
        };
        let (handler, busy) = (self.clone(), self.busy.enter());
        self.serving.tasks.spawn(async move {
            match handler.objection().await {
                Some(problem) => tunnel.refuse(problem),
                None => {
                    handler.serving.flows.tunnel(Arc::clone(&handler.visit), id, host, tunnel).await
                }
            }
            drop(busy);
        });
    }
}

pub(super) fn is_connect<T>(request: &Request<T>) -> bool {
    request.method() == Method::CONNECT
}

/// Marks a response with the request's id in the audit log.
pub fn mark<T>(response: &mut Response<T>, id: FlowId) {
    if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
}
