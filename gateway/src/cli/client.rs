//! Requests of commands to the administration.

use doorward_model::{Clock, escape};
use doorward_sdk::{Api, Error, Identity, IdentityDir, Reply, renew_if_due};
use http::Method;
use serde_json::Value;

use crate::cli::output::warn;
use crate::failure::Failure;

/// Requests to the gateway's administration, with the person's identity.
pub(crate) struct Client<'a> {
    dir: IdentityDir,
    server: Option<String>,
    clock: &'a dyn Clock,
}

impl<'a> Client<'a> {
    pub(crate) fn new(dir: IdentityDir, server: Option<String>, clock: &'a dyn Clock) -> Self {
        Self { dir, server, clock }
    }

    /// Makes a request, and answers when the gateway's answer has begun.
    pub(crate) async fn begin(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Reply, Failure> {
        self.dir.load()?;
        // Past two thirds of its life the identity renews itself; it still serves if that
        // fails now.
        if let Err(error) = renew_if_due(&self.dir, self.clock.now()).await {
            warn(&format!("the identity is due for renewal, which failed: {error}"));
        }
        let identity = self.dir.load()?;
        let url = self.url(&identity);
        let answer = Api::new(&url, &identity).request(method, path, body).await;
        answer.map_err(|error| self.explain(&url, error))
    }

    /// Makes a request, and answers with the whole answer.
    pub(crate) async fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        Ok(self.begin(method, path, body).await?.json().await?)
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.request(Method::GET, path, None).await
    }

    fn url(&self, identity: &Identity) -> String {
        let facts = identity.gateway();
        let said = self.server.clone().or_else(|| facts.management.clone());
        said.unwrap_or_else(|| facts.url.clone())
    }

    fn explain(&self, url: &str, error: Error) -> Failure {
        match error {
            Error::Unreachable { .. } => Failure::new(format!(
                "{error}; is the gateway running there? --server URL names another (this one \
                 came from {})",
                if self.server.is_some() { "--server" } else { "the identity" }
            )),
            Error::Refused { status: 404, ref detail, .. }
                if detail == "There is nothing here." =>
            {
                Failure::new(format!(
                    "{} is not where the gateway is administered; name that with --server URL",
                    escape(url)
                ))
            }
            other => other.into(),
        }
    }
}

/// A member of a JSON object as text; empty if it is not there.
pub(crate) fn text(value: &Value, name: &str) -> String {
    match value.get(name) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => escape(text).to_string(),
        Some(other) => other.to_string(),
    }
}

/// The members of a JSON array; none if it is none.
pub(crate) fn items<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// An instant as people read it: to the second.
pub(crate) fn when(value: &Value, name: &str) -> String {
    let full = text(value, name);
    match full.parse::<jiff::Timestamp>() {
        Ok(time) => {
            let second = jiff::Timestamp::from_second(time.as_second()).unwrap_or(time);
            second.to_string()
        }
        Err(_) => full,
    }
}

/// How many live flows a change ended, if any.
pub(crate) fn ended(answer: &Value) -> String {
    match answer.get("ended").and_then(Value::as_u64) {
        None | Some(0) => String::new(),
        Some(1) => " (1 live flow was cut)".to_owned(),
        Some(count) => format!(" ({count} live flows were cut)"),
    }
}

/// Shows what the gateway wants the asker to know.
pub(crate) fn show_warnings(answer: &Value) {
    for warning in items(answer, "warnings") {
        warn(&escape(warning.as_str().unwrap_or_default()).to_string());
    }
}
