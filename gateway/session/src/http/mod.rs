//! HTTP at the gateway's own doors: requests go to the front, CONNECT becomes a flow.

mod body;
mod http1;
mod http2;
mod problem;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use doorward_model::FlowId;
use http::{HeaderName, HeaderValue, Method, Request, Response};
use tokio::time::Instant;

pub use body::{Body, BodyError, Payload, Whole, empty, json, text};
use body::{Reservation, keep_room};
pub use problem::Problem;

use crate::endpoint::ListenerKind;
use crate::ports::{Tunnel, Visit};
use crate::secured::Secured;
use crate::serving::Serving;

/// The longest head of a request, in bytes.
const HEAD: usize = 16 * 1024;
/// What a request takes besides its head: a task, and what h2 or hyper keep of it.
const LEAST_HEAD: usize = 4096;
/// How long a connection may be open without a request.
const IDLE: Duration = Duration::from_secs(75);
/// How long a connection of a visitor without an identity may go on once it is to end: what it
/// does not read by then, it does not get.
const LAST: Duration = Duration::from_secs(10);
/// How long an answer in hand may take to leave when the session behind it is cut: whoever ends
/// itself is told that it is done.
const PARTING: Duration = Duration::from_secs(1);
/// How often idleness is looked at.
const LOOK: Duration = Duration::from_secs(5);

/// The id of a request, as an extension of it.
#[derive(Clone, Copy, Debug)]
pub struct RequestId(pub FlowId);

const REQUEST_ID: HeaderName = HeaderName::from_static("doorward-request-id");

/// Serves one connection of a visitor until it ends.
pub(crate) async fn serve(stream: Secured, visit: Visit, serving: Arc<Serving>) {
    let is_http2 = stream.session().alpn_protocol() == Some(b"h2");
    let desk = Desk { visit: Arc::new(visit), serving, busy: Arc::new(Busy::new()) };
    if is_http2 {
        http2::serve(stream, desk).await;
    } else {
        http1::serve(stream, desk).await;
    }
}

/// Where the requests of one connection arrive.
#[derive(Clone)]
struct Desk {
    visit: Arc<Visit>,
    serving: Arc<Serving>,
    busy: Arc<Busy>,
}

/// Requests that are being answered, and since when there were none.
struct Busy {
    count: AtomicUsize,
    idle_since: std::sync::Mutex<Instant>,
}

struct BusyGuard(Arc<Busy>);

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

/// What a connection is to do besides its requests.
enum Turn {
    /// Finish what was begun, take nothing new.
    Drain,
    /// End at once.
    Cut,
}

impl Desk {
    /// Answers when the visitor's session is cut.
    async fn cut(&self) {
        match &self.visit.session {
            Some(session) => drop(session.ended().await),
            None => std::future::pending().await,
        }
    }

    /// Answers when a connection that is to end since then has had its time.
    async fn over(&self, since: Instant) {
        match &self.visit.session {
            Some(session) => drop(session.ended().await),
            None => tokio::time::sleep_until(since + LAST).await,
        }
    }

    /// Answers when the connection must change its ways.
    async fn turn(&self) -> Turn {
        let idle = async {
            while !self.busy.is_idle_for(IDLE) {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::select! {
            () = self.cut() => Turn::Cut,
            () = idle => Turn::Drain,
            () = self.serving.draining() => Turn::Drain,
        }
    }

    /// What must be said before a request is looked at any further.
    async fn objection(&self) -> Option<Problem> {
        let peer = self.visit.peer.ip();
        let is_stranger = self.visit.session.is_none();
        if is_stranger && !self.visit.entrance.admits_request(peer).await {
            self.serving.refusals.count(peer, "too-many-requests");
            return Some(Problem::new(429, "Too many requests", "Try again in a few seconds."));
        }
        None
    }

    /// Reservation for a request of that head, and for its body once that is read.
    ///
    /// # Errors
    /// When there is none.
    fn room(&self, head: &http::request::Parts) -> Result<Reservation, Problem> {
        let fields = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
        let bytes = fields.sum::<usize>() + head.uri.path().len() + LEAST_HEAD;
        let room = Reservation::for_head(self.serving.leases.pots(), &self.visit, bytes as u64);
        room.ok_or_else(|| {
            self.serving.refusals.count(self.visit.peer.ip(), "no-room-for-requests");
            let detail = "Too many requests of yours are being read. Try again in a moment.";
            Problem::new(503, "Busy", detail)
        })
    }

    /// A request that is no CONNECT.
    async fn answer(&self, id: FlowId, mut request: Request<Body>) -> Response<Payload> {
        let _busy = self.busy.enter();
        let mut response = match self.objection().await.or_else(|| self.misdirected(&request)) {
            Some(problem) => problem.into_response(),
            None => {
                request.extensions_mut().insert(RequestId(id));
                let visit = Arc::clone(&self.visit);
                let response = self.serving.front.answer(visit, id, request).await;
                let pots = self.serving.leases.pots();
                let kept = keep_room(pots, &self.visit, response).await;
                kept.unwrap_or_else(|| {
                    let detail = "Many answers to you are still being sent. Read them first.";
                    Problem::new(503, "Busy", detail).into_response()
                })
            }
        };
        mark(&mut response, id);
        response
    }

    /// A request for another origin: a proxy's absolute form, which is never forwarded.
    fn misdirected(&self, request: &Request<Body>) -> Option<Problem> {
        let authority = request.uri().authority()?;
        if request.version() == http::Version::HTTP_2 {
            // HTTP/2 always names the origin; only a foreign one makes it a proxy's request.
            let host = authority.host();
            let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
            if self.serving.names.contain(host) || address.is_ok() {
                return None;
            }
        }
        Some(Problem::new(
            400,
            "Not forwarded",
            "This gateway opens tunnels and forwards no requests. Ask for a tunnel: with curl, \
             add --proxytunnel (-p).",
        ))
    }

    /// A CONNECT: refused here, or handed to the flows, which live on in a task of their own.
    fn connect(
        &self,
        id: FlowId,
        authority: Option<&http::uri::Authority>,
        tunnel: Box<dyn Tunnel>,
    ) {
        if self.visit.listener == ListenerKind::Management {
            let problem = Problem::new(405, "Not here", "Tunnels are opened at the data listener.");
            return tunnel.refuse(problem);
        }
        // An interface's name and a port; anything else is an unknown name.
        let host = match authority {
            Some(authority) if !authority.as_str().contains('@') => authority.host().to_owned(),
            Some(authority) => authority.as_str().to_owned(),
            None => String::new(),
        };
        let (desk, busy) = (self.clone(), self.busy.enter());
        self.serving.tasks.spawn(async move {
            match desk.objection().await {
                Some(problem) => tunnel.refuse(problem),
                None => desk.serving.flows.tunnel(Arc::clone(&desk.visit), id, host, tunnel).await,
            }
            drop(busy);
        });
    }
}

fn is_connect<T>(request: &Request<T>) -> bool {
    request.method() == Method::CONNECT
}

/// Every answer carries the id under which the audit log has it.
pub fn mark<T>(response: &mut Response<T>, id: FlowId) {
    if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
}
