//! Requests about the bundle in force: show, check.

use std::net::IpAddr;

use doorward_model::{Action, Resource, Revision, Subject};
use doorward_policies::{Attributes, BundleText, Opinion, Question, Snapshot};
use doorward_session::json;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::admin::{Answer, Call, refused, sentence, wrong};
use crate::gate::{Denied, Gate};

#[derive(Serialize)]
struct BundleView {
    revision: Revision,
    at: Timestamp,
    author: String,
    rules: usize,
    model: String,
    policy: String,
    roles: String,
    groups: String,
    tests: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Check {
    pub(crate) subject: Subject,
    pub(crate) action: Action,
    pub(crate) resource: String,
    #[serde(default)]
    pub(crate) at: Option<Timestamp>,
    #[serde(default)]
    pub(crate) from: Option<IpAddr>,
    #[serde(default)]
    pub(crate) attrs: Attributes,
}

impl Check {
    /// The question, as the present state reads it, and the instant that it is about.
    pub(crate) fn question(
        self,
        snapshot: &Snapshot,
        now: Timestamp,
    ) -> Result<(Question, Timestamp), Denied> {
        let now = self.at.unwrap_or(now);
        let split = Resource::split(&self.resource);
        let (device, path) = split.map_err(|error| wrong(sentence(&error.to_string())))?;
        let question = snapshot.question(self.subject, self.action, device, path, self.from);
        let question = question.map_err(|error| wrong(sentence(&error.to_string())))?;
        Ok((Question { proven: self.attrs.proven(now), ..question }, now))
    }
}

#[derive(Serialize)]
struct CheckView {
    permit: bool,
    #[serde(flatten)]
    opinion: Opinion,
    /// The reason in words.
    why: String,
    /// The rules that decided, as they stand in `policy.csv`.
    text: Vec<String>,
}

impl Call<'_> {
    pub(crate) async fn show_policy(self, gate: &mut Gate) -> Answer {
        gate.record(None).await?;
        let found = self.parts.store.bundle().await.map_err(refused)?;
        let BundleText { model, policy, roles, groups, tests } = found.text;
        let rules = self.parts.leases.snapshot().bundle().len();
        let (revision, at, author) = (found.revision, found.at, found.author);
        Ok(json(&BundleView { revision, at, author, rules, model, policy, roles, groups, tests }))
    }

    pub(crate) async fn check_policy(mut self, gate: &mut Gate) -> Answer {
        let check: Check = self.read().await?;
        let snapshot = self.parts.leases.snapshot();
        let (question, at) = check.question(&snapshot, self.now())?;
        gate.record(None).await?;
        let opinion = snapshot.opinion(&question, at);
        let lines = opinion.rules.to_vec();
        let text = snapshot.bundle().on_lines(&lines);
        let text = text.map(|rule| format!("policy.csv:{} {rule}", rule.line())).collect();
        let why = match opinion.refusal {
            None => "a rule allows it".to_owned(),
            Some(refusal) => refusal.to_string(),
        };
        Ok(json(&CheckView { permit: opinion.permits(), opinion, why, text }))
    }
}
