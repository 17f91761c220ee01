//! A request to the administration: its names, query and body.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use doorward_api::{Access, List, PageRequest, ProblemKind, Route};
use doorward_model::{Action, FlowId};
use doorward_policies::Party;
use doorward_session::{Body, BodyError, LARGEST_BODY, Places, Problem, Rank, Visit, Whole};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::blocking::blocking;
use crate::gate::{Denied, failed};
use crate::json_body;
use crate::parts::AdministrationParts;
use crate::response::{denied, sentence, wrong};

/// The longest body of a request, in bytes. Bundles have a limit of their own.
const MAX_BODY: usize = LARGEST_BODY as usize;
/// How long a request waits for a permit to examine a bundle or to ask a question.
const PERMIT_WAIT: Duration = Duration::from_secs(10);

/// A request that has a route.
pub(crate) struct AdminRequest<'a> {
    pub(crate) parts: &'a Arc<AdministrationParts>,
    pub(crate) visit: &'a Arc<Visit>,
    pub(crate) id: FlowId,
    /// The texts in the braces of the route.
    pub(crate) names: Vec<String>,
    pub(crate) query: HashMap<String, String>,
    body: Option<Body>,
    /// The rank whose share of the pots the request uses. A share is reserved for changes by
    /// administrators.
    pub(crate) rank: Rank,
    /// The buffer and the permit of a bundle, kept until the request ends.
    held_bundle: Option<(Whole, Places<Party>)>,
}

/// Returns the rank whose share of the buffers a request uses.
fn rank(visit: &Visit, route: Route) -> Rank {
    if let Access::Asked(Action::Create | Action::Update | Action::Delete) = route.access {
        return Rank::Administrator;
    }
    if visit.connection.is_some() { Rank::Known } else { Rank::Anyone }
}

impl<'a> AdminRequest<'a> {
    pub(crate) fn new(
        parts: &'a Arc<AdministrationParts>,
        visit: &'a Arc<Visit>,
        id: FlowId,
        route: Route,
        names: Vec<String>,
        query: &str,
        body: Body,
    ) -> Self {
        Self {
            parts,
            visit,
            id,
            names,
            query: parse_query(query),
            body: Some(body),
            rank: rank(visit, route),
            held_bundle: None,
        }
    }

    /// Parses the text in the first or second pair of braces of the route.
    pub(crate) fn name<T>(&self, index: usize) -> Result<T, Denied>
    where
        T: std::str::FromStr,
        T::Err: std::fmt::Display,
    {
        let text = self.names.get(index).map_or("", String::as_str);
        text.parse().map_err(|error: T::Err| wrong(sentence(&error.to_string())))
    }

    /// Reads which page of a list the query selects.
    pub(crate) fn page_request(&self) -> Result<PageRequest, Denied> {
        let parameter = |name: &str| self.query.get(name).map(String::as_str);
        let request = PageRequest::read(parameter("limit"), parameter("after"));
        request.map_err(|error| wrong(sentence(&error.to_string())))
    }

    /// Returns the page of `all` that the query selects, in the order of `key`.
    pub(crate) fn page<T, K: Ord + ToString>(
        &self,
        all: impl IntoIterator<Item = T>,
        key: impl Fn(&T) -> K,
    ) -> Result<List<T>, Denied> {
        Ok(List::page(all, &self.page_request()?, key))
    }

    /// Reads the body as JSON. An empty body counts as an empty object.
    pub(crate) async fn read<T>(&mut self) -> Result<T, Denied>
    where
        T: DeserializeOwned + Serialize + Send + 'static,
    {
        self.read_up_to(MAX_BODY).await
    }

    /// Reads a body of at most `limit` bytes as JSON. Above [`MAX_BODY`] the body is a bundle: the
    /// request then waits for a bundle permit, and keeps it and the body until it ends.
    pub(crate) async fn read_up_to<T>(&mut self, limit: usize) -> Result<T, Denied>
    where
        T: DeserializeOwned + Serialize + Send + 'static,
    {
        let body = self.body.take().ok_or_else(|| denied(failed()))?;
        let whole = body.read(limit, self.rank).await.map_err(|error| {
            let kind = match error {
                BodyError::TooLong(_) => ProblemKind::TooLong,
                BodyError::Late => ProblemKind::TooSlow,
                BodyError::Broken => ProblemKind::WrongRequest,
                BodyError::NoRoom => ProblemKind::Busy,
            };
            denied(Problem::new(kind, sentence(&error.to_string())))
        })?;
        let read = |bytes: &Bytes| json_body::read(bytes).map_err(|error| wrong(sentence(&error)));
        if limit <= MAX_BODY {
            return read(whole.bytes());
        }
        // The permit is taken after the whole bundle has arrived, so that a client that sends a
        // bundle slowly holds no permit.
        let bundles = self.parts.leases.pots().bundles();
        let permit = bundles.take_within(&self.visit.party(), 1, self.rank, PERMIT_WAIT).await;
        let permit = permit.ok_or_else(|| {
            let detail = "Other bundles are being examined. Try again in a moment.";
            denied(Problem::new(ProblemKind::Busy, detail))
        })?;
        let bytes = whole.bytes().clone();
        self.held_bundle = Some((whole, permit));
        // A large bundle takes long to parse, so a blocking thread does it.
        blocking(move || read(&bytes)).await
    }

    /// Waits for a permit to ask the policy a question that may look at every rule.
    pub(crate) async fn question_permit(&self) -> Result<Places<Party>, Denied> {
        let questions = self.parts.leases.pots().questions();
        let permit = questions.take_within(&self.visit.party(), 1, self.rank, PERMIT_WAIT).await;
        permit.ok_or_else(|| {
            let detail =
                "Other questions about the policy are being answered. Try again in a moment.";
            denied(Problem::new(ProblemKind::Busy, detail))
        })
    }

    /// Answers one question about the policy on a blocking thread, under a permit.
    pub(crate) async fn with_question_permit<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Denied> + Send + 'static,
    ) -> Result<T, Denied> {
        let _permit = self.question_permit().await?;
        blocking(work).await
    }
}

/// Splits a query into its parameters.
fn parse_query(text: &str) -> HashMap<String, String> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), unescape(value))).collect()
}

/// Decodes percent-encoding (RFC 3986 section 2.1). A malformed escape stays as it is.
fn unescape(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let mut ahead = bytes.clone();
        let mut digit = || ahead.next().and_then(|byte| char::from(byte).to_digit(16));
        match (byte, digit(), digit()) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high << 4 | low).unwrap_or(b'?'));
                bytes = ahead;
            }
            _ => out.push(byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
