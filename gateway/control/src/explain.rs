//! Requests that explain an answer of the policy.

use doorward_api::{
    CheckRequest, ConditionView, ExplainRequest, ExplanationView, RemedyView, StepView,
    WeighedRule, endpoint,
};
use doorward_policies::{Explanation, Remedy, Seen, Step, Weighed};

use crate::gate::Gate;
use crate::grants::{first_of, grant_view};
use crate::policy::{opinion_view, question};
use crate::request::AdminRequest;
use crate::response::{EndpointResult, wrong};

/// Turns a rule that was compared with a question into its API form.
fn weighed(rule: Weighed) -> WeighedRule {
    let Weighed { line, text, failed, conditions } = rule;
    let failed = failed.into_iter().map(str::to_owned).collect();
    let condition =
        |seen: Seen| ConditionView { condition: seen.condition, saw: seen.saw, holds: seen.holds };
    let conditions = conditions.into_iter().map(condition).collect();
    WeighedRule { line, text, failed, conditions }
}

fn step(step: Step) -> StepView {
    match step {
        Step::Wait { until, .. } => StepView::Wait { until },
        Step::Handshake { .. } => StepView::Handshake,
        Step::AskFrom { networks, address, .. } => StepView::AskFrom { networks, address },
        Step::Run { command } => StepView::Run { command },
        Step::AddRule { rule } => StepView::AddRule { rule },
    }
}

fn remedy(remedy: Remedy) -> RemedyView {
    let text = remedy.text();
    let Remedy { steps, opens, opens_more, complete, enough, .. } = remedy;
    let steps = steps.into_iter().map(step).collect();
    RemedyView { text, steps, opens: first_of(opens, grant_view), opens_more, complete, enough }
}

fn explanation(explained: Explanation) -> ExplanationView {
    let Explanation { permit, opinion, why, roles, groups, decided, nearest, remedies, change } =
        explained;
    ExplanationView {
        permit,
        opinion: opinion_view(&opinion),
        why,
        roles,
        groups,
        decided: decided.into_iter().map(weighed).collect(),
        nearest: nearest.into_iter().map(weighed).collect(),
        remedies: remedies.into_iter().map(remedy).collect(),
        change,
    }
}

impl AdminRequest<'_> {
    /// Explains why the policy permits or denies a question.
    pub(crate) async fn explain_policy(
        mut self,
        gate: &mut Gate,
    ) -> EndpointResult<endpoint::ExplainPolicy> {
        let asked: ExplainRequest = self.read().await?;
        let ExplainRequest { subject, action, resource, at, from, attrs, until } = asked;
        let check = CheckRequest { subject, action, resource, at, from, attrs };
        let snapshot = self.parts.leases.snapshot();
        let (question, at) = question(check, &snapshot, self.now())?;
        if until.is_some_and(|until| until <= at) {
            return Err(wrong(
                "until: what would end before the question is asked permits nothing.",
            ));
        }
        gate.record(None).await?;
        self.with_question_permit(move || Ok(explanation(snapshot.explain(&question, until, at))))
            .await
    }
}
