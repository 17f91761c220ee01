//! Forwards one request, and returns its response.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use doorward_inspect::http::HttpInterface;
use doorward_session::{Payload, empty};
use http::header::TRAILER;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::answer::bad_gateway;
use super::download::Download;
use super::flow::{AdmittedRequest, HttpFlow};
use super::pool::HttpConnection;
use super::request_name::RequestName;
use super::running::Running;
use super::upgrade::Upgraded;
use super::upload::{RequestContent, UnsentContent, Upload};
use crate::pipeline::held::HeldLeases;

/// The outcome of a forwarded request.
pub(super) enum BackendAnswer {
    Content(Response<Payload>),
    /// The protocol changes after the client has received this head.
    Upgraded(Response<Payload>, Upgraded),
}

/// The error of a request without a response, because the client has broken it off.
pub(super) type RequestAborted = io::Error;

/// Forwards a request, and returns the response for the client.
pub(super) async fn exchange(
    flow: &Arc<HttpFlow>,
    permitted: AdmittedRequest,
    source: RequestContent,
    running: Option<Running>,
) -> Result<BackendAnswer, RequestAborted> {
    let AdmittedRequest { mut head, forwarded, lease, asked, connection } = permitted;
    announce(&mut head.headers, trailer_names(&head.extensions));
    let has_content = !source.is_end_stream();
    let counted = flow.admitted().and_then(|admitted| lease.apart_from(&admitted.lease));
    let (upload, rest) = Upload::new(source, flow.options.body, lease.clone(), counted.clone());
    let sent = send(flow, Request::from_parts(head, upload), &lease, connection, &asked).await;
    let (connection, mut response) = match sent {
        Ok(sent) => sent,
        Err(NotSent::Problem(response)) => {
            rest.drain();
            return Ok(BackendAnswer::Content(response));
        }
        Err(NotSent::Broken(error)) => return not_answered(flow, &asked, rest, error).await,
    };
    let upgrade = hyper::upgrade::on(&mut response);
    let (mut head, body) = response.into_parts();
    let trailers = head.headers.get_all(TRAILER).into_iter().cloned().collect();
    let switched = head.status == StatusCode::SWITCHING_PROTOCOLS;
    head.extensions.clear();
    let mut head = match flow.door.answer(&forwarded, head) {
        Ok(head) => head,
        Err(fault) => {
            tracing::info!(by = %flow.subject(), %fault, "an answer was not passed on");
            drop((body, connection));
            flow.record_bad_answer(&asked, &fault.to_string()).await;
            rest.drain();
            return Ok(BackendAnswer::Content(bad_gateway()));
        }
    };
    if switched {
        let response = Response::from_parts(head, empty(StatusCode::OK).into_body());
        return Ok(BackendAnswer::Upgraded(
            response,
            Upgraded { lease, counted, backend: upgrade, connection, running },
        ));
    }
    announce(&mut head.headers, trailers);
    let (flow, connection) = (Arc::clone(flow), Some(connection));
    let is_lasting = !has_content;
    let download = Download { flow, body, lease, counted, connection, is_lasting, running };
    Ok(BackendAnswer::Content(Response::from_parts(head, download.boxed_unsync())))
}

/// Why the backend gave no response to a request.
enum NotSent {
    Problem(Response<Payload>),
    Broken(hyper::Error),
}

/// Sends a request on a connection. A request that an idle connection did not accept is sent on
/// another, because the backend has seen nothing of it. If that is unknown, only a safe request is
/// sent again (RFC 9110 section 9.2.2): a backend may close a connection while a request is being
/// sent.
async fn send(
    flow: &HttpFlow,
    mut request: Request<Upload>,
    lease: &HeldLeases,
    mut first: Option<HttpConnection>,
    asked: &RequestName,
) -> Result<(HttpConnection, Response<Incoming>), NotSent> {
    loop {
        let mut connection = match first.take() {
            Some(connection) => connection,
            None => {
                let connection = flow.connection(asked).await;
                connection.map_err(|problem| NotSent::Problem(problem.into_response()))?
            }
        };
        // For each connection anew, because the request may have waited for this one.
        let told = flow.introduce(request.headers_mut());
        told.map_err(|problem| NotSent::Problem(problem.into_response()))?;
        let again = if connection.is_used { again(&request, lease) } else { None };
        match connection.send.try_send_request(request).await {
            Ok(response) => return Ok((connection, response)),
            Err(mut not_sent) => {
                let unsent = not_sent.take_message().filter(|_| connection.is_used);
                let error = not_sent.into_error();
                let again = again.filter(|_| has_ended(&error) && lease.cause().is_none());
                match unsent.or(again) {
                    Some(one) => request = one,
                    None => return Err(NotSent::Broken(error)),
                }
            }
        }
    }
}

/// Returns a copy of the request, if it may be sent twice.
fn again(request: &Request<Upload>, lease: &HeldLeases) -> Option<Request<Upload>> {
    if !request.method().is_safe() || !request.body().is_end_stream() {
        return None;
    }
    let mut same = Request::new(Upload::nothing(lease.clone()));
    *same.method_mut() = request.method().clone();
    *same.uri_mut() = request.uri().clone();
    *same.headers_mut() = request.headers().clone();
    Some(same)
}

/// Returns whether the connection ended before there was a response.
fn has_ended(error: &hyper::Error) -> bool {
    let broke_off =
        || std::error::Error::source(error).is_some_and(|source| source.is::<io::Error>());
    error.is_incomplete_message() || !error.is_user() && broke_off()
}

async fn not_answered(
    flow: &HttpFlow,
    asked: &RequestName,
    rest: UnsentContent,
    error: hyper::Error,
) -> Result<BackendAnswer, RequestAborted> {
    if let Some(refusal) = rest.fault() {
        let answer = flow.refuse(asked, refusal).await;
        rest.drain();
        return Ok(BackendAnswer::Content(answer));
    }
    if error.is_user() {
        // The client's content has broken off, so the request is over.
        return Err(io::Error::other(error));
    }
    tracing::info!(by = %flow.subject(), %error, "a backend gave no answer");
    let why = format!("the device gave no answer: {}", in_words(&error));
    flow.record_bad_answer(asked, &why).await;
    rest.drain();
    Ok(BackendAnswer::Content(bad_gateway()))
}

/// Returns what broke a connection, with its cause.
fn in_words(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// The names that a sender has announced for its trailer section. An HTTP/1.1 library sends no
/// other trailers.
#[derive(Clone, Debug, Default)]
pub(super) struct Announced(Vec<HeaderValue>);

impl Announced {
    pub(super) fn by(fields: &HeaderMap) -> Self {
        fields.get_all(TRAILER).into_iter().cloned().collect()
    }
}

impl FromIterator<HeaderValue> for Announced {
    fn from_iter<I: IntoIterator<Item = HeaderValue>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

fn trailer_names(extensions: &http::Extensions) -> Announced {
    extensions.get::<Announced>().cloned().unwrap_or_default()
}

/// Announces the trailers that may pass.
fn announce(fields: &mut HeaderMap, announced: Announced) {
    let mut named = HeaderMap::new();
    for value in &announced.0 {
        for name in value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if let Ok(name) = HeaderName::from_bytes(name) {
                named.insert(name, HeaderValue::from_static(""));
            }
        }
    }
    HttpInterface::trailers(&mut named);
    let names: Vec<&[u8]> = named.keys().map(|name| name.as_str().as_bytes()).collect();
    if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(names.join(&b", "[..])))
        && !names.is_empty()
    {
        fields.insert(TRAILER, value);
    }
}
