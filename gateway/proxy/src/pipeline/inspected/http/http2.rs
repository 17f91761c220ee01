//! Serves clients over HTTP/2.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use doorward_inspect::http::Extended;
use doorward_policies::Outcome;
use doorward_session::{Payload, RefusalForm, StreamWire, mark, present};
use doorward_wire::{Paced, STREAM_WINDOW};
use h2::ext::Protocol;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response};
use http_body::{Body as _, Frame};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::exchange::{Announced, BackendAnswer, exchange};
use super::flow::{AdmittedRequest, HttpFlow};
use super::limits::{HEAD, HEAD_TIME, PARTING};
use super::preface::ClientStream;
use super::upload::RequestContent;
use crate::pipeline::held::HeldLeases;
use crate::pipeline::relay_end::RelayEnd;

/// The window of a connection for all its requests: the least that HTTP/2 allows (RFC 9113 section
/// 6.9.2), ...
const WINDOW: u32 = 65_535;
/// ... plus up to this many windows of streams, as far as they can be reserved.
const WINDOWS: usize = 4;
/// How many bytes one response may buffer for its client.
const SENT: usize = 64 * 1024;
/// The most requests that may run at the same time.
const STREAMS: u32 = 100;
/// How long a connection may be without a request before it is closed.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Serves a client that speaks HTTP/2. A drop before the end resets its connection.
///
/// This uses h2 directly, because each stream must be reset at the moment when its lease is cut,
/// even if its client reads nothing.
pub(super) async fn serve(flow: &Arc<HttpFlow>, wire: ClientStream) -> RelayEnd {
    let mut streams = JoinSet::new();
    let end = tokio::select! {
        biased;
        cause = flow.over() => RelayEnd::Cut(cause),
        () = flow.count() => std::future::pending().await,
        end = accept(flow, wire, &mut streams) => end,
    };
    streams.shutdown().await;
    end
}

async fn accept(flow: &Arc<HttpFlow>, wire: ClientStream, streams: &mut JoinSet<()>) -> RelayEnd {
    let session = flow.approached.requested.connection.session();
    let windows: Vec<_> = (0..WINDOWS).map_while(|_| session.window()).collect();
    let more = u32::try_from(windows.len()).unwrap_or_default() * STREAM_WINDOW;
    let mut builder = Builder::new();
    builder
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(WINDOW + more)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEAD as u32)
        .max_send_buffer_size(SENT)
        .enable_connect_protocol();
    let handshake = builder.handshake::<_, Bytes>(Paced::new(wire));
    let Ok(Ok(mut connection)) = timeout(HEAD_TIME, handshake).await else {
        return RelayEnd::Client;
    };
    let mut since = Instant::now();
    loop {
        let accepted = tokio::select! {
            accepted = connection.accept() => accepted,
            Some(_) = streams.join_next() => {
                since = Instant::now();
                continue;
            }
            () = sleep_until(since + KEEP_ALIVE), if streams.is_empty() => {
                connection.graceful_shutdown();
                // Does not wait long for a client that does not react.
                let rest = async { while let Some(Ok(_)) = connection.accept().await {} };
                drop(timeout(PARTING, rest).await);
                return RelayEnd::Complete;
            }
        };
        match accepted {
            Some(Ok((request, respond))) => {
                let stream = RequestStream::new(flow, request, respond);
                if flow.admitted().is_some() {
                    streams.spawn(stream.serve());
                } else {
                    // Until a request is permitted, they are decided one after the other.
                    streams.spawn(stream.admit().await);
                }
            }
            Some(Err(error)) => {
                tracing::debug!(%error, "an HTTP/2 connection broke off");
                return RelayEnd::Client;
            }
            None => return RelayEnd::Complete,
        }
    }
}

/// One request, and the sender of its response.
struct RequestStream {
    flow: Arc<HttpFlow>,
    head: Parts,
    receive: RecvStream,
    respond: SendResponse<Bytes>,
}

impl RequestStream {
    fn new(
        flow: &Arc<HttpFlow>,
        request: Request<RecvStream>,
        respond: SendResponse<Bytes>,
    ) -> Self {
        let (head, receive) = request.into_parts();
        Self { flow: Arc::clone(flow), head, receive, respond }
    }

    async fn serve(self) {
        self.admit().await.await;
    }

    /// Decides the request, and returns the future that does the rest.
    async fn admit(self) -> impl Future<Output = ()> + Send + use<> {
        let Self { flow, mut head, receive, respond } = self;
        let protocol = head.extensions.remove::<Protocol>();
        let key = protocol.as_ref().and_then(|_| flow.means.leases.nonce());
        let extended = protocol
            .as_ref()
            .map(|protocol| Extended { protocol: protocol.as_str(), key: key.unwrap_or_default() });
        head.extensions.clear();
        head.extensions.insert(Announced::by(&head.headers));
        let (is_head, form) = (head.method == Method::HEAD, RefusalForm::asked_by(&head.headers));
        let content = !receive.is_end_stream();
        let is_extended = extended.is_some();
        let permitted = flow.admit(head, extended, content).await;
        let (source, tunnel) = match is_extended && permitted.is_ok() {
            true => (RequestContent::Nothing, Some(receive)),
            false => (RequestContent::Http2(receive), None),
        };
        async move {
            match permitted {
                Ok(permitted) => run(&flow, permitted, (source, tunnel), respond).await,
                Err(refused) => {
                    source.drain();
                    let refused = present(refused, flow.id(), form);
                    send(refused, is_head, None, respond).await;
                }
            }
        }
    }
}

/// Runs a permitted request to its end. If it is cut, its stream is reset, and the cut is recorded.
/// The other streams, and so the flow, go on.
async fn run(
    flow: &Arc<HttpFlow>,
    permitted: AdmittedRequest,
    content: (RequestContent, Option<RecvStream>),
    respond: SendResponse<Bytes>,
) {
    let (lease, asked) = (permitted.lease.clone(), permitted.asked.clone());
    let is_whole = answer(flow, permitted, content, respond).await;
    if let Some(cause) = lease.cause().filter(|_| !is_whole) {
        flow.record_cut(&asked, cause).await;
    }
}

/// Answers a request. Returns whether it came to an end of its own.
async fn answer(
    flow: &Arc<HttpFlow>,
    permitted: AdmittedRequest,
    (source, tunnel): (RequestContent, Option<RecvStream>),
    mut respond: SendResponse<Bytes>,
) -> bool {
    let (lease, is_head) = (permitted.lease.clone(), permitted.head.method == Method::HEAD);
    let form = RefusalForm::asked_by(&permitted.head.headers);
    let answer = tokio::select! {
        biased;
        _ = lease.over() => {
            respond.send_reset(Reason::CANCEL);
            return false;
        }
        // The client has cancelled its request.
        _ = poll_fn(|cx| respond.poll_reset(cx)) => return true,
        answer = exchange(flow, permitted, source, None) => answer,
    };
    match (answer, tunnel) {
        (Ok(BackendAnswer::Content(response)), _) => {
            let response = present(response, flow.id(), form);
            send(response, is_head, Some(&lease), respond).await
        }
        (Ok(BackendAnswer::Upgraded(mut response, upgraded)), Some(receive)) => {
            mark(&mut response, flow.id());
            match respond.send_response(response.map(drop), false) {
                Ok(send) => {
                    let end = upgraded.relay_http2(StreamWire::new(receive, send)).await;
                    let (outcome, reason) = end.outcome();
                    tracing::debug!(reason, "an upgraded stream is over");
                    return outcome != Outcome::Cut;
                }
                Err(error) => tracing::debug!(%error, "an answer did not arrive"),
            }
            true
        }
        (Ok(BackendAnswer::Upgraded(..)) | Err(_), _) => {
            respond.send_reset(Reason::INTERNAL_ERROR);
            true
        }
    }
}

/// Sends a response, as long as the request's lease lives. Returns whether the lease lived to the
/// end. A response that does not end properly is reset.
async fn send(
    response: Response<Payload>,
    is_head: bool,
    lease: Option<&HeldLeases>,
    mut respond: SendResponse<Bytes>,
) -> bool {
    let (head, payload) = response.into_parts();
    let ends = is_head || payload.is_end_stream();
    let mut stream = match respond.send_response(Response::from_parts(head, ()), ends) {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(%error, "an answer did not arrive");
            return true;
        }
    };
    if ends {
        return true;
    }
    let over = async {
        match lease {
            Some(lease) => drop(lease.over().await),
            None => std::future::pending().await,
        }
    };
    let sent = tokio::select! {
        biased;
        () = over => {
            stream.send_reset(Reason::CANCEL);
            return false;
        }
        sent = send_all(&mut stream, payload) => sent,
    };
    if let Err(reason) = sent {
        stream.send_reset(reason);
    }
    // The task that reads from the backend may have seen a lease that was cut just now.
    sent.is_ok() || lease.is_none_or(|lease| lease.cause().is_none())
}

async fn send_all(stream: &mut SendStream<Bytes>, mut payload: Payload) -> Result<(), Reason> {
    let gone = |_| Reason::CANCEL;
    loop {
        let frame = poll_fn(|cx| {
            // Does not wait for more content if the client has reset the stream.
            if stream.poll_reset(cx).is_ready() {
                return Poll::Ready(Err(Reason::CANCEL));
            }
            Pin::new(&mut payload).poll_frame(cx).map(Ok)
        });
        let frame: Frame<Bytes> = match frame.await? {
            None => return stream.send_data(Bytes::new(), true).map_err(gone),
            Some(frame) => frame.map_err(|_| Reason::INTERNAL_ERROR)?,
        };
        match frame.into_data() {
            Ok(chunk) => send_chunk(stream, chunk).await.map_err(gone)?,
            Err(frame) => {
                let trailers: HeaderMap = frame.into_trailers().unwrap_or_default();
                return stream.send_trailers(trailers).map_err(gone);
            }
        }
    }
}

async fn send_chunk(stream: &mut SendStream<Bytes>, mut chunk: Bytes) -> Result<(), h2::Error> {
    while !chunk.is_empty() {
        stream.reserve_capacity(chunk.len());
        while stream.capacity() == 0 {
            match poll_fn(|cx| stream.poll_capacity(cx)).await {
                Some(capacity) => drop(capacity?),
                None => return Err(Reason::STREAM_CLOSED.into()),
            }
        }
        let amount = stream.capacity().min(chunk.len());
        stream.send_data(chunk.split_to(amount), false)?;
    }
    Ok(())
}
