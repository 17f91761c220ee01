//! The request for the state of the gateway.

use doorward_api::{StatusView, endpoint};

use crate::gate::Gate;
use crate::request::AdminRequest;
use crate::response::EndpointResult;

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
