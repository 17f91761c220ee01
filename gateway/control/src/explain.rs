//! Requests that ask about the policy: explain, who-can, what-can.

use std::net::IpAddr;

use doorward_model::{Action, Kind, Name, Subject};
use doorward_policies::{Attributes, Context};
use doorward_session::json;
use jiff::Timestamp;
use serde::Deserialize;

use crate::admin::{Answer, Call, denied, wrong};
use crate::gate::{Gate, failed};
use crate::policy::Check;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WhoCan {
    action: Action,
    resource: String,
    #[serde(default)]
    at: Option<Timestamp>,
    #[serde(default)]
    from: Option<IpAddr>,
    #[serde(default)]
    attrs: Attributes,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WhatCan {
    subject: Subject,
    #[serde(default)]
    at: Option<Timestamp>,
}

impl Call<'_> {
    /// Why an answer is what it is.
    pub(crate) async fn explain_policy(mut self, gate: &mut Gate) -> Answer {
        let check: Check = self.read().await?;
        let snapshot = self.parts.leases.snapshot();
        let (question, at) = check.question(&snapshot, self.now())?;
        gate.record(None).await?;
        Ok(json(&self.work_out(move || Ok(snapshot.explain(&question, at))).await?))
    }

    /// Who may do something.
    pub(crate) async fn who_can(mut self, gate: &mut Gate) -> Answer {
        let WhoCan { action, resource, at, from, attrs } = self.read().await?;
        let snapshot = self.parts.leases.snapshot();
        // Whoever asks, the resource reads the same.
        let anybody: Name = "anybody".parse().map_err(|_| denied(failed()))?;
        let subject = Subject::new(Kind::User, anybody);
        let check = Check { subject, action, resource, at, from, attrs };
        let (question, now) = check.question(&snapshot, self.now())?;
        gate.record(None).await?;
        let context = Context { now, source: question.source, proven: question.proven };
        let who = move || Ok(snapshot.who_can(action, &question.resource, &context));
        Ok(json(&self.work_out(who).await?))
    }

    /// What somebody may do.
    pub(crate) async fn what_can(mut self, gate: &mut Gate) -> Answer {
        let WhatCan { subject, at } = self.read().await?;
        let snapshot = self.parts.leases.snapshot();
        let at = at.unwrap_or_else(|| self.now());
        if snapshot.member(&subject).is_none() {
            return Err(wrong(format!("There is no {subject}.")));
        }
        gate.record(None).await?;
        Ok(json(&self.work_out(move || Ok(snapshot.what_can(&subject, at))).await?))
    }
}
