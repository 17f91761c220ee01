//! Serves the gateway's own names over HTTP/1.1.

use doorward_api::ProblemKind;
use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::body::Body;
use super::handler::{HEAD, Interruption, PARTING, RequestHandler, is_connect, mark};
use super::payload::{Payload, empty};
use super::problem::Problem;
use crate::ports::{Tunnel, TunnelOpening};
use crate::secured::Secured;
use crate::wire::{TlsWire, Wire};

/// How long the head of a request may take to arrive.
const HEAD_TIME: Duration = Duration::from_secs(10);

pub(super) async fn serve(stream: Secured, handler: RequestHandler) {
    let requests = handler.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let handler = requests.clone();
        async move { Ok::<_, Infallible>(answer(&handler, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD)
        .max_headers(64)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        interruption = handler.interruption() => match interruption {
            // The drop on return resets the connection.
            Interruption::Cut => {
                connection.as_mut().graceful_shutdown();
                drop(tokio::time::timeout(PARTING, connection.as_mut()).await);
                return;
            }
            Interruption::Drain => {
                connection.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = connection.as_mut() => ended,
                    () = handler.drained(Instant::now()) => return,
                }
            }
        },
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an HTTP/1.1 connection broke off");
    }
}

async fn answer(handler: &RequestHandler, mut request: Request<Incoming>) -> Response<Payload> {
    let id = handler.serving.leases.new_flow_id();
    if !is_connect(&request) {
        let (head, body) = request.into_parts();
        let mut refused = match handler.reserve(&head) {
            Ok(reservation) => {
                let body = Body::http1(body, reservation);
                return handler.answer(id, Request::from_parts(head, body)).await;
            }
            Err(problem) => problem.into_response(),
        };
        mark(&mut refused, id);
        return refused;
    }
    // The bytes after a CONNECT belong to the tunnel, so a body would be lost.
    let length = request.headers().get(http::header::CONTENT_LENGTH);
    let bodied = request.headers().contains_key(http::header::TRANSFER_ENCODING)
        || length.is_some_and(|length| length.as_bytes() != b"0");
    if bodied {
        let problem = Problem::new(ProblemKind::WrongRequest, "A CONNECT has no body.");
        let mut response = problem.into_response();
        mark(&mut response, id);
        return response;
    }
    let (reply, told) = oneshot::channel();
    let upgrade = hyper::upgrade::on(&mut request);
    handler.connect(id, request.uri().authority(), Box::new(Connect { reply, upgrade }));
    let mut response = match told.await {
        Ok(response) => response,
        Err(_) => {
            Problem::new(ProblemKind::Unreachable, "The tunnel was not opened.").into_response()
        }
    };
    mark(&mut response, id);
    response
}

/// A CONNECT whose head has been read.
struct Connect {
    reply: oneshot::Sender<Response<Payload>>,
    upgrade: OnUpgrade,
}

impl Tunnel for Connect {
    fn refuse(self: Box<Self>, problem: Problem) {
        // The client may have gone.
        drop(self.reply.send(problem.into_response()));
    }

    fn open(self: Box<Self>) -> TunnelOpening {
        Box::pin(async move {
            let gone = || io::Error::from(io::ErrorKind::ConnectionAborted);
            self.reply.send(empty(StatusCode::OK)).map_err(|_| gone())?;
            let upgraded = self.upgrade.await.map_err(io::Error::other)?;
            let parts = upgraded.downcast::<TokioIo<Secured>>().map_err(|_| gone())?;
            let wire = TlsWire::new(parts.read_buf, parts.io.into_inner());
            Ok(Box::new(wire) as Box<dyn Wire>)
        })
    }
}
