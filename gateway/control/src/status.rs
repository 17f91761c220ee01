//! The state of the gateway, and the conditions that need attention.

use std::sync::{Arc, Mutex, PoisonError};

use doorward_api::{ConditionReport, StatusView, endpoint};

use crate::gate::Gate;
use crate::request::AdminRequest;
use crate::response::EndpointResult;

/// The conditions that need attention. None means that the gateway is well.
#[derive(Clone, Default)]
pub struct Health(Arc<Mutex<Vec<ConditionReport>>>);

impl Health {
    /// Sets the condition of `about`, or clears it if `detail` is `None`.
    pub fn set(&self, about: &'static str, detail: Option<String>) {
        let mut conditions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        conditions.retain(|condition| condition.about != about);
        conditions.extend(detail.map(|detail| ConditionReport { about: about.to_owned(), detail }));
    }

    /// Returns the present conditions.
    #[must_use]
    pub(crate) fn conditions(&self) -> Vec<ConditionReport> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl AdminRequest<'_> {
    pub(crate) async fn status(self, gate: &mut Gate) -> EndpointResult<endpoint::Status> {
        gate.record(None).await?;
        let parts = self.parts;
        let snapshot = parts.leases.snapshot();
        let conditions = parts.health.conditions();
        Ok(StatusView {
            gateway: parts.gateway.clone(),
            domain: parts.domain.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            state: if conditions.is_empty() { "ok" } else { "degraded" }.to_owned(),
            conditions,
            time: self.now(),
            claimed: snapshot.is_claimed(),
            epoch: snapshot.epoch(),
            revision: snapshot.revision(),
            rules: snapshot.bundle().len(),
            sessions: parts.leases.session_count(),
            flows: parts.leases.flow_count(),
            untracked: parts.leases.untracked(),
            referee: parts.leases.refereed(),
            suspended: snapshot.suspended().iter().copied().collect(),
            audit_records: *parts.audit.last().borrow(),
            audit_bytes: parts.audit.bytes(),
            anchor: parts.authority.public().anchor(),
            authority_until: parts.authority.not_after(),
            limits: parts.leases.pots().table(),
        })
    }
}
