//! Serves the gateway's own names over HTTP/2.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use doorward_model::SubjectId;
use doorward_wire::{Paced, STREAM_WINDOW};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{Request, Response};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::body::Body;
use super::handler::{HEAD, Interruption, PARTING, RequestHandler, is_connect, mark};
use super::payload::Payload;
use super::problem::Problem;
use crate::ports::{Tunnel, TunnelOpening};
use crate::pot::Places;
use crate::secured::Secured;
use crate::wire::{StreamWire, Wire};

/// The window of a connection for all its streams, without tunnels: the least that HTTP/2 allows
/// (RFC 9113 section 6.9.2). Each tunnel with a reservation adds its own window.
const WINDOW: u32 = 65_535;
/// How many bytes one stream may buffer for its client.
const SENT: usize = 64 * 1024;
/// The most streams of one connection at the same time, and the most of a connection without an
/// identity, which can do little more than enrol.
const STREAMS: u32 = 256;
const STREAMS_OF_A_STRANGER: u32 = 16;
/// How long a client may read nothing of an answer.
const STALL: Duration = Duration::from_secs(30);
/// How long the preface may take to arrive.
const PREFACE: Duration = Duration::from_secs(10);

/// Serves one connection. hyper's HTTP/2 would end a dropped tunnel as if it were complete
/// (END_STREAM), so this uses h2 directly.
pub(super) async fn serve(stream: Secured, handler: RequestHandler) {
    let streams = match &handler.visit.connection {
        Some(_) => STREAMS,
        None => STREAMS_OF_A_STRANGER,
    };
    let mut builder = h2::server::Builder::new();
    builder
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_concurrent_streams(streams)
        .max_header_list_size(HEAD as u32)
        .max_send_buffer_size(SENT);
    let handshake = builder.handshake::<_, Bytes>(Paced::new(stream));
    let mut connection = match tokio::time::timeout(PREFACE, handshake).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return tracing::debug!(%error, "no HTTP/2"),
        Err(_) => return,
    };
    let mut draining = None;
    let windows = Arc::new(TunnelWindows::default());
    loop {
        let accepted = tokio::select! {
            accepted = connection.accept() => accepted,
            () = windows.changed.notified() => {
                connection.set_target_window_size(windows.window());
                continue;
            }
            interruption = handler.interruption(), if draining.is_none() => match interruption {
                // The drop on return resets the connection.
                Interruption::Cut => {
                    connection.graceful_shutdown();
                    let rest = async { while let Some(Ok(_)) = connection.accept().await {} };
                    drop(tokio::time::timeout(PARTING, rest).await);
                    return;
                }
                Interruption::Drain => {
                    connection.graceful_shutdown();
                    draining = Some(Instant::now());
                    continue;
                }
            },
            () = handler.drained(draining.unwrap_or_else(Instant::now)), if draining.is_some() => return,
        };
        match accepted {
            Some(Ok((request, respond))) => answer(&handler, &windows, request, respond),
            Some(Err(error)) => return tracing::debug!(%error, "an HTTP/2 connection broke off"),
            None => return,
        }
    }
}

fn answer(
    handler: &RequestHandler,
    windows: &Arc<TunnelWindows>,
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) {
    let id = handler.serving.leases.new_flow_id();
    if is_connect(&request) {
        let (parts, receive) = request.into_parts();
        let window = handler.visit.connection.as_ref();
        let window = window.and_then(|connection| connection.session().window());
        let tunnel_window = window.map(|window| TunnelWindow::new(windows, window));
        let tunnel = Connect { id, receive, respond, tunnel_window };
        return handler.connect(id, parts.uri.authority(), Box::new(tunnel));
    }
    let handler = handler.clone();
    let tasks = handler.serving.tasks.clone();
    tasks.spawn(async move {
        let (head, receive) = request.into_parts();
        let reservation = match handler.reserve(&head) {
            Ok(reservation) => reservation,
            Err(problem) => {
                let mut refused = problem.into_response().map(drop);
                mark(&mut refused, id);
                // This answer has no document, because the task would have to wait for its client
                // to read it.
                return drop(respond.send_response(refused, true));
            }
        };
        let _head = reservation.head();
        let answer = async {
            let (body, mut unread) = Body::http2(receive, reservation);
            let response = handler.answer(id, Request::from_parts(head, body)).await;
            unread.drain().await;
            response
        };
        let response = tokio::select! {
            response = answer => response,
            // The client has cancelled its request.
            _ = std::future::poll_fn(|cx| respond.poll_reset(cx)) => return,
        };
        if let Err(error) = send(&mut respond, response).await {
            tracing::debug!(%error, "an answer did not arrive");
        }
    });
}

/// How many tunnels of a connection have a window of their own.
#[derive(Default)]
struct TunnelWindows {
    count: AtomicU32,
    changed: Notify,
}

impl TunnelWindows {
    /// Returns the window for all streams of the connection.
    fn window(&self) -> u32 {
        let most = i32::MAX.unsigned_abs();
        let tunnels = self.count.load(Ordering::SeqCst).saturating_mul(STREAM_WINDOW);
        WINDOW.saturating_add(tunnels).min(most)
    }
}

/// The window of one tunnel, until the tunnel ends.
struct TunnelWindow {
    all: Arc<TunnelWindows>,
    _window: Places<SubjectId>,
}

impl TunnelWindow {
    fn new(all: &Arc<TunnelWindows>, window: Places<SubjectId>) -> Self {
        all.count.fetch_add(1, Ordering::SeqCst);
        all.changed.notify_one();
        Self { all: Arc::clone(all), _window: window }
    }
}

impl Drop for TunnelWindow {
    fn drop(&mut self) {
        self.all.count.fetch_sub(1, Ordering::SeqCst);
        self.all.changed.notify_one();
    }
}

async fn send(
    respond: &mut SendResponse<Bytes>,
    response: Response<Payload>,
) -> Result<(), h2::Error> {
    let (parts, mut payload) = response.into_parts();
    let ends = payload.is_end_stream();
    let mut stream = respond.send_response(Response::from_parts(parts, ()), ends)?;
    if ends {
        return Ok(());
    }
    while let Some(frame) = payload.frame().await {
        let Ok(frame) = frame else {
            stream.send_reset(Reason::INTERNAL_ERROR);
            return Ok(());
        };
        if let Ok(chunk) = frame.into_data() {
            send_chunk(&mut stream, chunk).await?;
        }
    }
    stream.send_data(Bytes::new(), true)
}

async fn send_chunk(stream: &mut SendStream<Bytes>, mut chunk: Bytes) -> Result<(), h2::Error> {
    while !chunk.is_empty() {
        stream.reserve_capacity(chunk.len());
        while stream.capacity() == 0 {
            let more = std::future::poll_fn(|cx| stream.poll_capacity(cx));
            match tokio::time::timeout(STALL, more).await {
                Ok(Some(capacity)) => drop(capacity?),
                Ok(None) => return Err(Reason::STREAM_CLOSED.into()),
                Err(_) => {
                    stream.send_reset(Reason::CANCEL);
                    return Err(Reason::CANCEL.into());
                }
            }
        }
        let amount = stream.capacity().min(chunk.len());
        stream.send_data(chunk.split_to(amount), false)?;
    }
    Ok(())
}

/// A CONNECT whose head has been read.
struct Connect {
    id: doorward_model::FlowId,
    receive: RecvStream,
    respond: SendResponse<Bytes>,
    /// `None` if there was no reservation for a window: the tunnel then shares the connection's
    /// window.
    tunnel_window: Option<TunnelWindow>,
}

impl Tunnel for Connect {
    fn refuse(mut self: Box<Self>, problem: Problem) {
        let (parts, payload) = problem.into_response().into_parts();
        let mut head = Response::from_parts(parts, ());
        mark(&mut head, self.id);
        // A problem document is one frame. If the client has no window for it, the client gets only
        // the status, and nothing waits.
        let sent = self.respond.send_response(head, false).and_then(|mut stream| {
            let whole = payload.collect();
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            let document = match std::pin::pin!(whole).poll(&mut context) {
                std::task::Poll::Ready(Ok(whole)) => whole.to_bytes(),
                std::task::Poll::Ready(Err(_)) | std::task::Poll::Pending => Bytes::new(),
            };
            stream.reserve_capacity(document.len());
            let has_room = stream.capacity() >= document.len();
            stream.send_data(if has_room { document } else { Bytes::new() }, true)
        });
        if let Err(error) = sent {
            tracing::debug!(%error, "a refusal did not arrive");
        }
    }

    fn open(mut self: Box<Self>) -> TunnelOpening {
        Box::pin(async move {
            let mut head = Response::new(());
            mark(&mut head, self.id);
            let send = self.respond.send_response(head, false).map_err(io::Error::other)?;
            let wire = StreamWire::new(self.receive, send).keeping(self.tunnel_window);
            Ok(Box::new(wire) as Box<dyn Wire>)
        })
    }
}
