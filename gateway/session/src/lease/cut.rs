//! Cuts sessions and flows.

use doorward_model::{FlowId, SessionId};
use doorward_policies::Refusal;

use super::cause::Cause;
use super::leases::Leases;

impl Leases {
    /// Cuts a session with all its flows. Returns whether the session existed.
    #[must_use]
    pub fn cut_session(&self, id: SessionId) -> bool {
        let sessions = self.0.sessions.all();
        let found = sessions.iter().filter(|entry| entry.id == id);
        found.map(|entry| entry.cut.cut(Cause::Administrator)).count() > 0
    }

    /// Cuts one flow. Returns whether the flow existed.
    #[must_use]
    pub fn cut_flow(&self, id: FlowId) -> bool {
        let flows = self.0.flows.all();
        let found = flows.iter().filter(|entry| entry.id == id);
        found.map(|entry| entry.cut.cut(Cause::Administrator)).count() > 0
    }

    /// Cuts one flow about which the two judges disagree. Returns whether the flow existed.
    pub(super) fn cut_differing(&self, id: FlowId) -> bool {
        let flows = self.0.flows.all();
        let found = flows.iter().filter(|entry| entry.id == id);
        found.map(|entry| entry.cut.cut(Cause::Refused(Refusal::Disagreement))).count() > 0
    }

    /// Cuts every flow and session, because the gateway stops.
    pub fn cut_all(&self) {
        self.0.flows.all().iter().for_each(|entry| entry.cut.cut(Cause::Stopping));
        self.0.sessions.all().iter().for_each(|entry| entry.cut.cut(Cause::Stopping));
    }
}
