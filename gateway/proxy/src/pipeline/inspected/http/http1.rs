//! Serves clients over HTTP/1.1.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use doorward_session::{Cause, Payload, RefusalForm, present};
use http::{HeaderMap, Request, Response};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::timeout;

use super::exchange::{Announced, BackendAnswer, RequestAborted, exchange};
use super::flow::HttpFlow;
use super::half::Half;
use super::limits::{HEAD, HEAD_FIELDS, HEAD_TIME};
use super::preface::ClientStream;
use super::running::{Running, RunningLease};
use super::upgrade::Upgraded;
use super::upload::RequestContent;
use crate::pipeline::relay_end::RelayEnd;

/// How long a connection may be without a request before it is closed.
const KEEP_ALIVE: Duration = Duration::from_secs(25);

/// The one request that a connection is busy with.
#[derive(Default)]
struct Current {
    lease: RunningLease,
    upgraded: Mutex<Option<(OnUpgrade, Upgraded)>>,
}

impl Current {
    /// Waits until the running request must end, and returns the cause.
    async fn over(&self) -> Cause {
        let mut lease = self.lease.subscribe();
        loop {
            let running = lease.borrow_and_update().clone();
            let over = async {
                match &running {
                    Some(lease) => lease.over().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                cause = over => return cause,
                changed = lease.changed() => if changed.is_err() {
                    return std::future::pending().await;
                },
            }
        }
    }

    /// Waits until no request has run for [`KEEP_ALIVE`].
    async fn idle(&self) {
        let mut lease = self.lease.subscribe();
        loop {
            let begun = timeout(KEEP_ALIVE, lease.wait_for(Option::is_some)).await;
            if begun.map(|begun| begun.is_err()).unwrap_or(true) {
                return;
            }
            if lease.wait_for(Option::is_none).await.is_err() {
                return;
            }
        }
    }
}

/// Serves a client that speaks HTTP/1.1. A drop before the end resets its connection.
pub(super) async fn serve(flow: &Arc<HttpFlow>, wire: ClientStream) -> RelayEnd {
    let current = Arc::new(Current::default());
    let service = service_fn(|request: Request<Incoming>| {
        answer(Arc::clone(flow), Arc::clone(&current), request)
    });
    let (wire, silence) = Half::new(wire);
    let ended = {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .half_close(true)
            .header_read_timeout(HEAD_TIME)
            .max_buf_size(HEAD)
            .max_headers(HEAD_FIELDS)
            .serve_connection(TokioIo::new(wire), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let mut over = pin!(async {
            tokio::select! {
                cause = flow.over() => cause,
                cause = current.over() => cause,
                () = flow.count() => std::future::pending().await,
            }
        });
        tokio::select! {
            biased;
            cause = over.as_mut() => return RelayEnd::Cut(cause),
            ended = connection.as_mut() => ended,
            () = silence.over() => return RelayEnd::Client,
            () = current.idle() => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    biased;
                    cause = over.as_mut() => return RelayEnd::Cut(cause),
                    ended = connection.as_mut() => ended,
                    () = silence.over() => return RelayEnd::Client,
                }
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an HTTP/1.1 connection broke off");
        return if error.is_user() { RelayEnd::Backend } else { RelayEnd::Client };
    }
    let upgraded = current.upgraded.lock().unwrap_or_else(PoisonError::into_inner).take();
    match upgraded {
        Some((client, upgraded)) => upgraded.relay_http1(flow, client).await,
        None => RelayEnd::Complete,
    }
}

async fn answer(
    flow: Arc<HttpFlow>,
    current: Arc<Current>,
    mut request: Request<Incoming>,
) -> Result<Response<Payload>, RequestAborted> {
    let upgrade = hyper::upgrade::on(&mut request);
    let (mut head, body) = request.into_parts();
    head.extensions.clear();
    head.extensions.insert(Announced::by(&head.headers));
    let content = !body.is_end_stream();
    let (waits, form) = (waits(&head.headers), RefusalForm::asked_by(&head.headers));
    let response = match flow.admit(head, None, content).await {
        Ok(permitted) => {
            let running = Running::new(&current.lease, &permitted.lease);
            match exchange(&flow, permitted, RequestContent::Http1(body), Some(running)).await? {
                BackendAnswer::Content(response) => response,
                BackendAnswer::Upgraded(response, upgraded) => {
                    let both = Some((upgrade, upgraded));
                    *current.upgraded.lock().unwrap_or_else(PoisonError::into_inner) = both;
                    response
                }
            }
        }
        Err(refused) => {
            // A client that waits for 100 (Continue) gets this response before it sends content.
            if !waits {
                RequestContent::Http1(body).drain();
            }
            refused
        }
    };
    Ok(present(response, flow.id(), form))
}

/// Returns whether the client waits for 100 (Continue) before it sends content.
fn waits(fields: &HeaderMap) -> bool {
    fields.contains_key(http::header::EXPECT)
}
