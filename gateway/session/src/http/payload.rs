//! Bodies of responses.

use std::io;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};

/// The body of a response.
pub type Payload = UnsyncBoxBody<Bytes, io::Error>;

pub(super) fn full(bytes: Bytes) -> Payload {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

/// Returns a response without a body.
#[must_use]
pub fn empty(status: StatusCode) -> Response<Payload> {
    let mut response = Response::new(full(Bytes::new()));
    *response.status_mut() = status;
    response
}

/// Returns a response of that content type.
#[must_use]
pub fn text(content_type: &'static str, text: impl Into<Bytes>) -> Response<Payload> {
    let mut response = Response::new(full(text.into()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
