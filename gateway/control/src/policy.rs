//! Requests about the bundle in force: show and check.

use doorward_api::{BundleView, CheckAnswer, CheckRequest, CheckedOpinion, endpoint};
use doorward_model::Resource;
use doorward_policies::{Attributes, BundleText, Opinion, Question, Snapshot};
use jiff::Timestamp;

use crate::gate::{Denied, Gate};
use crate::request::AdminRequest;
use crate::response::{EndpointResult, refused, sentence, wrong};

/// Turns a request into a question about the present state. Returns the question and its instant.
pub(crate) fn question(
    check: CheckRequest,
    snapshot: &Snapshot,
    now: Timestamp,
) -> Result<(Question, Timestamp), Denied> {
    let CheckRequest { subject, action, resource, at, from, attrs } = check;
    let attributes = Attributes::try_from(attrs);
    let attributes = attributes.map_err(|error| wrong(sentence(&error.to_string())))?;
    let now = at.unwrap_or(now);
    let split = Resource::split(&resource);
    let (device, path) = split.map_err(|error| wrong(sentence(&error.to_string())))?;
    let question = snapshot.question(subject, action, device, path, from);
    let mut question = question.map_err(|error| wrong(sentence(&error.to_string())))?;
    question.circumstances.proven = attributes.proven(now);
    Ok((question, now))
}

/// Turns an opinion into its API form.
pub(crate) fn opinion_view(opinion: &Opinion) -> CheckedOpinion {
    CheckedOpinion {
        refusal: opinion.refusal.map(|refusal| refusal.as_str().to_owned()),
        rules: opinion.rules.to_vec(),
        revision: opinion.revision,
        epoch: opinion.epoch,
        ask_again_at: opinion.ask_again_at,
    }
}

impl AdminRequest<'_> {
    pub(crate) async fn show_policy(self, gate: &mut Gate) -> EndpointResult<endpoint::ShowPolicy> {
        gate.record(None).await?;
        let found = self.parts.store.bundle().await.map_err(refused)?;
        let BundleText { model, policy, roles, groups, tests } = found.text;
        let rules = self.parts.leases.snapshot().bundle().len();
        let (revision, at, author) = (found.revision, found.at, found.author);
        Ok(BundleView { revision, at, author, rules, model, policy, roles, groups, tests })
    }

    pub(crate) async fn check_policy(
        mut self,
        gate: &mut Gate,
    ) -> EndpointResult<endpoint::CheckPolicy> {
        let check: CheckRequest = self.read().await?;
        let snapshot = self.parts.leases.snapshot();
        let (question, at) = question(check, &snapshot, self.now())?;
        gate.record(None).await?;
        let opinion = snapshot.opinion(&question, at);
        let lines = opinion.rules.to_vec();
        let text = snapshot.bundle().on_lines(&lines);
        let text = text.map(|rule| format!("policy.csv:{} {rule}", rule.line())).collect();
        let why = match opinion.refusal {
            None => "a rule allows it".to_owned(),
            Some(refusal) => refusal.to_string(),
        };
        let (permit, opinion) = (opinion.permits(), opinion_view(&opinion));
        Ok(CheckAnswer { permit, opinion, why, text })
    }
}
