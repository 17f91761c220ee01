//! How the gateway is, and what needs a person.

use std::sync::{Arc, Mutex, PoisonError};

use doorward_model::{Domain, Epoch, Fingerprint, Revision, Subject};
use doorward_session::{LimitView, RefereeView, json};
use jiff::Timestamp;
use serde::Serialize;

use crate::admin::{Answer, Call};
use crate::gate::Gate;

/// What needs a person, by what it is about. Empty is well.
#[derive(Clone, Default)]
pub struct Health(Arc<Mutex<Vec<Condition>>>);

/// One thing that needs a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// What it is about, in a word.
    pub about: &'static str,
    /// What is wrong, and what to do.
    pub detail: String,
}

impl Health {
    /// Says how something is: `None` is well.
    pub fn set(&self, about: &'static str, detail: Option<String>) {
        let mut conditions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        conditions.retain(|condition| condition.about != about);
        conditions.extend(detail.map(|detail| Condition { about, detail }));
    }

    /// What needs a person now.
    #[must_use]
    pub fn conditions(&self) -> Vec<Condition> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Serialize)]
struct Status {
    gateway: Subject,
    domain: Domain,
    version: &'static str,
    /// `ok` or `degraded`.
    state: &'static str,
    conditions: Vec<Condition>,
    /// As of when all this is.
    time: Timestamp,
    claimed: bool,
    epoch: Epoch,
    revision: Revision,
    rules: usize,
    sessions: usize,
    flows: usize,
    /// Connections to backends without a lease: always 0.
    untracked: usize,
    /// What the referee of decisions has done.
    referee: RefereeView,
    /// Lines of the policy that permit nothing, since the judges differed about them.
    suspended: Vec<usize>,
    audit_records: i64,
    audit_bytes: u64,
    anchor: Fingerprint,
    authority_until: Timestamp,
    /// Every bound, what it comes from, and what is in use.
    limits: Vec<LimitView>,
}

impl Call<'_> {
    pub(crate) async fn status(self, gate: &mut Gate) -> Answer {
        gate.record(None).await?;
        let parts = self.parts;
        let snapshot = parts.leases.snapshot();
        let conditions = parts.health.conditions();
        Ok(json(&Status {
            gateway: parts.gateway.clone(),
            domain: parts.domain.clone(),
            version: env!("CARGO_PKG_VERSION"),
            state: if conditions.is_empty() { "ok" } else { "degraded" },
            conditions,
            time: self.now(),
            claimed: snapshot.is_claimed(),
            epoch: snapshot.epoch(),
            revision: snapshot.revision(),
            rules: snapshot.bundle().len(),
            sessions: parts.leases.list().len(),
            flows: parts.leases.flow_count(),
            untracked: parts.leases.untracked(),
            referee: parts.leases.refereed(),
            suspended: snapshot.suspended().iter().copied().collect(),
            audit_records: *parts.audit.last().borrow(),
            audit_bytes: parts.audit.bytes(),
            anchor: parts.authority.public().anchor(),
            authority_until: parts.authority.not_after(),
            limits: parts.leases.pots().table(),
        }))
    }
}
