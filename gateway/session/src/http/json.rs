//! Responses in JSON.

use doorward_api::ProblemKind;
use http::Response;
use serde::Serialize;

use super::payload::{Payload, text};
use super::problem::Problem;

/// Returns a response with `value` as JSON.
#[must_use]
pub fn json(value: &impl Serialize) -> Response<Payload> {
    match serde_json::to_vec(value) {
        Ok(mut json) => {
            json.push(b'\n');
            text("application/json", json)
        }
        Err(error) => {
            tracing::error!(%error, "a response could not be written as JSON");
            Problem::new(ProblemKind::Failed, "The gateway failed; see its log.").into_response()
        }
    }
}
