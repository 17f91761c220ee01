//! Requests that explain the policy: explain, who-can and what-can.

use doorward_api::{
    CheckRequest, ConditionView, ExplanationView, HolderView, HoldingView, List, WeighedRule,
    WhatCanRequest, WhoCanRequest, endpoint,
};
use doorward_model::{Kind, Name, Subject};
use doorward_policies::{Explanation, Holder, Holding, Question, Seen, Weighed};

use crate::gate::{Gate, failed};
use crate::policy::{opinion_view, question};
use crate::request::AdminRequest;
use crate::response::{EndpointResult, denied, wrong};

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

fn holder(found: Holder) -> HolderView {
    let Holder { subject, rules, ask_again_at } = found;
    HolderView { subject, rules, ask_again_at }
}

fn holding(found: Holding) -> HoldingView {
    let Holding { action, resource, rules, ask_again_at } = found;
    HoldingView { action, resource, rules, ask_again_at }
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

    /// Lists the subjects that may do an action.
    pub(crate) async fn who_can(mut self, gate: &mut Gate) -> EndpointResult<endpoint::WhoCan> {
        let WhoCanRequest { action, resource, at, from, attrs } = self.read().await?;
        let snapshot = self.parts.leases.snapshot();
        // A question needs a subject. The resource does not depend on it, so any name serves.
        let anybody: Name = "anybody".parse().map_err(|_| denied(failed()))?;
        let subject = Subject::new(Kind::User, anybody);
        let check = CheckRequest { subject, action, resource, at, from, attrs };
        let (question, now) = question(check, &snapshot, self.now())?;
        gate.record(None).await?;
        let who = move || {
            let Question { resource, circumstances, .. } = &question;
            Ok(snapshot.who_can(action, resource, circumstances, now))
        };
        let holders = self.with_question_permit(who).await?;
        Ok(List::whole(holders.into_iter().map(holder).collect()))
    }

    /// Lists what a subject may do.
    pub(crate) async fn what_can(mut self, gate: &mut Gate) -> EndpointResult<endpoint::WhatCan> {
        let WhatCanRequest { subject, at } = self.read().await?;
        let snapshot = self.parts.leases.snapshot();
        let at = at.unwrap_or_else(|| self.now());
        if snapshot.member(&subject).is_none() {
            return Err(wrong(format!("There is no {subject}.")));
        }
        gate.record(None).await?;
        let holdings =
            self.with_question_permit(move || Ok(snapshot.what_can(&subject, at))).await?;
        Ok(List::whole(holdings.into_iter().map(holding).collect()))
    }
}
