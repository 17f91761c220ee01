//! Refusals and failures as problem documents (RFC 9457).

use bytes::Bytes;
use doorward_api::{PolicyProblem, ProblemDocument, ProblemKind};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};

use super::payload::{Payload, full};

/// A refusal or failure that a peer is told as a problem document (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    kind: ProblemKind,
    detail: String,
    errors: Vec<PolicyProblem>,
}

impl Problem {
    /// A problem of that kind. The detail says what happened and what to do next; the peer reads it.
    #[must_use]
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), errors: vec![] }
    }

    /// Adds what is wrong with the files of a bundle.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<PolicyProblem>) -> Self {
        self.errors = errors;
        self
    }

    /// What happened, and what to do next.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The title of its kind.
    #[must_use]
    pub fn title(&self) -> &'static str {
        self.kind.title()
    }

    /// The HTTP status of its kind.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.kind.status()
    }

    fn document(&self) -> Bytes {
        let document = ProblemDocument {
            reference: self.kind.reference(),
            title: self.kind.title().to_owned(),
            status: self.kind.status(),
            detail: self.detail.clone(),
            errors: self.errors.clone(),
        };
        // A document of texts and numbers can always be written.
        let text = serde_json::to_string(&document).unwrap_or_default();
        Bytes::from(text + "\n")
    }

    /// The response that carries it as a document. The problem is among its extensions, so that
    /// [`present`](super::present) can give it another form.
    #[must_use]
    pub fn into_response(self) -> Response<Payload> {
        let status = StatusCode::from_u16(self.status());
        let mut response = Response::new(full(self.document()));
        *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response.extensions_mut().insert(self);
        response
    }
}
