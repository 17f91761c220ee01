//! Answers to requests that are not forwarded.

use std::time::Duration;

use doorward_api::ProblemKind;
use doorward_inspect::http::HttpRefusal;
use doorward_session::{Payload, Problem};
use http::header::{ALLOW, RETRY_AFTER};
use http::{HeaderValue, Response};

/// Returns the answer to a refused request. `after` is when a client that asked too often may ask
/// again.
pub(super) fn refused(refusal: HttpRefusal, after: Option<Duration>) -> Response<Payload> {
    let kind = ProblemKind::of_status(refusal.status().as_u16());
    let problem = Problem::new(kind, refusal.to_string());
    let mut answer = problem.into_response();
    if refusal == HttpRefusal::NotAllowed {
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static(HttpRefusal::ALLOW));
    }
    if let Some(after) = after {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

/// Returns the answer for a backend that gave none, or none that can be passed on.
pub(super) fn bad_gateway() -> Response<Payload> {
    Problem::new(ProblemKind::BadAnswer, "The interface gave no answer that can be passed on.")
        .into_response()
}
