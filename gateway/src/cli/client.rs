//! The client of the administration's API, and texts that several commands print.

use doorward_api::{Endpoint, List, ProblemKind, endpoint};
use doorward_model::{Clock, escape};
use doorward_sdk::{Api, Error, Identity, IdentityDir, Reply, renew_if_due};
use http::Method;
use jiff::Timestamp;
use serde_json::Value;

use crate::cli::output::warn;
use crate::failure::CommandFailure;

/// A client of the gateway's administration that uses the identity in a directory.
pub(crate) struct AdminClient<'a> {
    dir: IdentityDir,
    server: Option<String>,
    clock: &'a dyn Clock,
}

impl<'a> AdminClient<'a> {
    pub(crate) fn new(dir: IdentityDir, server: Option<String>, clock: &'a dyn Clock) -> Self {
        Self { dir, server, clock }
    }

    /// Sends a request and returns its answer. `names` fill the braces of the path.
    pub(crate) async fn call<E: Endpoint>(
        &self,
        names: &[&str],
        request: &E::Request,
    ) -> Result<E::Answer, CommandFailure> {
        self.call_with::<E>(names, "", request).await
    }

    /// Like [`Self::call`], with a query that begins with `?` or is empty.
    pub(crate) async fn call_with<E: Endpoint>(
        &self,
        names: &[&str],
        query: &str,
        request: &E::Request,
    ) -> Result<E::Answer, CommandFailure> {
        let path = E::ROUTE.path_of(names) + query;
        let body = serde_json::to_value(request).map_err(|e| CommandFailure::new(e.to_string()))?;
        // A request without a body has the type (), which is null in JSON.
        let body = Some(&body).filter(|body| !body.is_null());
        Ok(self.send(method::<E>()?, &path, body).await?.json().await?)
    }

    /// Reads a whole list, page by page.
    pub(crate) async fn list<E, T>(&self) -> Result<Vec<T>, CommandFailure>
    where
        E: Endpoint<Request = (), Answer = List<T>>,
    {
        let mut items = Vec::new();
        let mut query = String::new();
        loop {
            let page = self.call_with::<E>(&[], &query, &()).await?;
            items.extend(page.items);
            match page.next {
                None => return Ok(items),
                // A cursor has only letters, digits, - and _.
                Some(next) => query = format!("?after={next}"),
            }
        }
    }

    /// Starts to read the audit log. The reply contains the records as lines of JSON.
    pub(crate) async fn read_audit(&self, query: &str) -> Result<Reply, CommandFailure> {
        let route = endpoint::ReadAudit::ROUTE;
        self.send(method::<endpoint::ReadAudit>()?, &(route.path_of(&[]) + query), None).await
    }

    /// Sends a request, and returns once the head of the answer has arrived.
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Reply, CommandFailure> {
        self.dir.load().map_err(without_identity)?;
        // The identity is renewed at two thirds of its life. It stays valid if that fails.
        if let Err(error) = renew_if_due(&self.dir, self.clock.now()).await {
            warn(&format!("the identity is due for renewal, which failed: {error}"));
        }
        let identity = self.dir.load()?;
        let url = self.url(&identity);
        let answer = Api::new(&url, &identity).request(method, path, body).await;
        answer.map_err(|error| self.explain(&url, error))
    }

    /// Returns the URL of the administration: `--server`, else the URL in the identity.
    fn url(&self, identity: &Identity) -> String {
        let facts = identity.gateway();
        let url = self.server.clone().or_else(|| facts.management.clone());
        url.unwrap_or_else(|| facts.url.clone())
    }

    /// Adds the next step to an error that a wrong URL can cause.
    fn explain(&self, url: &str, error: Error) -> CommandFailure {
        if let Error::Unreachable { .. } = error {
            let origin = if self.server.is_some() { "--server" } else { "the identity" };
            return CommandFailure::from(error).with_next(format!(
                "is the gateway running there? --server URL names another (this one came from \
                 {origin})"
            ));
        }
        if let Error::Refused { status: 404, detail, .. } = &error
            && detail == "There is nothing here."
        {
            return CommandFailure::of(
                ProblemKind::NothingHere.name(),
                format!(
                    "{} is not where the gateway is administered; name that with --server URL",
                    escape(url)
                ),
            );
        }
        error.into()
    }
}

/// Adds the first step of a new gateway's owner to the error that there is no identity.
fn without_identity(error: Error) -> CommandFailure {
    let none = matches!(error, Error::NoIdentity(_));
    let failure = CommandFailure::from(error);
    if none {
        let next = "enrol first, with the code that the administrator gave you; the owner of a new \
                    gateway runs `doorward claim CODE`, with the code that it printed";
        failure.with_next(next.to_owned())
    } else {
        failure
    }
}

/// Returns the HTTP method of an endpoint.
fn method<E: Endpoint>() -> Result<Method, CommandFailure> {
    let method = Method::from_bytes(E::ROUTE.method.as_bytes());
    method.map_err(|error| CommandFailure::new(error.to_string()))
}

/// Formats an instant to the second.
pub(crate) fn when(instant: Timestamp) -> String {
    Timestamp::from_second(instant.as_second()).unwrap_or(instant).to_string()
}

/// Formats an instant to the second. Returns an empty text if there is none.
pub(crate) fn when_any(instant: Option<Timestamp>) -> String {
    instant.map(when).unwrap_or_default()
}

/// Joins values with spaces, for one cell of a table.
pub(crate) fn joined<T: ToString>(values: impl IntoIterator<Item = T>) -> String {
    values.into_iter().map(|value| value.to_string()).collect::<Vec<_>>().join(" ")
}

/// Describes how many live flows a change has cut. Returns an empty text for none.
pub(crate) fn ended(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => " (1 live flow was cut)".to_owned(),
        count => format!(" ({count} live flows were cut)"),
    }
}

/// Formats the lines of `policy.csv` that have decided a question.
pub(crate) fn rule_lines(lines: &[usize]) -> String {
    joined(lines.iter().map(|line| format!("policy.csv:{line}")))
}

/// Prints the gateway's warnings on standard error.
pub(crate) fn show_warnings(warnings: &[String]) {
    for warning in warnings {
        warn(&escape(warning).to_string());
    }
}
