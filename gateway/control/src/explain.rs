use std::net::IpAddr;

use doorward_model::{Action, Kind, Name, Resource, Subject};
use doorward_policies::Context;
use doorward_session::json;
use jiff::Timestamp;
use serde::Deserialize;

use crate::admin::{Answer, Call, denied, wrong};
use crate::gate::{Gate, failed};
use crate::policy::Check;
use crate::revisions::blocking;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WhoCan {
    action: Action,
    resource: String,
    #[serde(default)]
    at: Option<Timestamp>,
    #[serde(default)]
    from: Option<IpAddr>,
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
        let at = check.at.unwrap_or_else(|| self.now());
        let question = check.question(&snapshot)?;
        gate.record(None).await?;
        Ok(json(&blocking(move || Ok(snapshot.explain(&question, at))).await?))
    }

    /// Who may do something.
    pub(crate) async fn who_can(mut self, gate: &mut Gate) -> Answer {
        let WhoCan { action, resource, at, from } = self.read().await?;
        let snapshot = self.parts.leases.snapshot();
        let at = at.unwrap_or_else(|| self.now());
        // Whoever asks, the resource reads the same.
        let anybody: Name = "anybody".parse().map_err(|_| denied(failed()))?;
        let subject = Subject::new(Kind::User, anybody);
        let check = Check { subject, action, resource, at: None, from };
        let resource: Resource = check.question(&snapshot)?.resource;
        gate.record(None).await?;
        let context = Context { now: at, source: from, proven: None };
        Ok(json(&blocking(move || Ok(snapshot.who_can(action, &resource, &context))).await?))
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
        Ok(json(&blocking(move || Ok(snapshot.what_can(&subject, at))).await?))
    }
}
