//! Requests that explain an answer of the policy.

use doorward_api::{CheckRequest, ConditionView, ExplanationView, WeighedRule, endpoint};
use doorward_policies::{Explanation, Seen, Weighed};

use crate::gate::Gate;
use crate::policy::{opinion_view, question};
use crate::request::AdminRequest;
use crate::response::EndpointResult;

/// Turns a rule that was compared with a question into its API form.
fn weighed(rule: Weighed) -> WeighedRule {
    let Weighed { line, text, failed, conditions } = rule;
    let failed = failed.into_iter().map(str::to_owned).collect();
    let condition =
        |seen: Seen| ConditionView { condition: seen.condition, saw: seen.saw, holds: seen.holds };
    let conditions = conditions.into_iter().map(condition).collect();
    WeighedRule { line, text, failed, conditions }
}

fn explanation(explained: Explanation) -> ExplanationView {
    let Explanation { permit, opinion, why, roles, groups, decided, nearest, change } = explained;
    ExplanationView {
        permit,
        opinion: opinion_view(&opinion),
        why,
        roles,
        groups,
        decided: decided.into_iter().map(weighed).collect(),
        nearest: nearest.into_iter().map(weighed).collect(),
        change,
    }
}

impl AdminRequest<'_> {
    /// Explains why the policy permits or denies a question.
    pub(crate) async fn explain_policy(
        mut self,
        gate: &mut Gate,
    ) -> EndpointResult<endpoint::ExplainPolicy> {
        let check: CheckRequest = self.read().await?;
        let snapshot = self.parts.leases.snapshot();
        let (question, at) = question(check, &snapshot, self.now())?;
        gate.record(None).await?;
        self.with_question_permit(move || Ok(explanation(snapshot.explain(&question, at)))).await
    }
}
