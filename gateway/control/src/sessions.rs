//! Requests about sessions: list, cut.

use doorward_model::{FlowId, SessionId};
use doorward_session::{Problem, json};

use crate::admin::{Answer, Call, denied, sentence, wrong};
use crate::gate::Gate;

impl Call<'_> {
    pub(crate) async fn list_sessions(self, gate: &mut Gate) -> Answer {
        gate.record(None).await?;
        Ok(json(&self.parts.leases.list()))
    }

    /// Cuts the session, or the one flow, of that id.
    pub(crate) async fn cut_session(self, gate: &mut Gate) -> Answer {
        let text = self.names.first().map_or("", String::as_str);
        let id: SessionId = text
            .parse()
            .map_err(|error: doorward_model::NotAnId| wrong(sentence(&error.to_string())))?;
        let flow: FlowId = text
            .parse()
            .map_err(|error: doorward_model::NotAnId| wrong(sentence(&error.to_string())))?;
        let leases = &self.parts.leases;
        if leases.has_session(id) || leases.has_flow(flow) {
            gate.record_urgently("cut").await?;
            gate.stands()?;
            if leases.cut_session(id) || leases.cut_flow(flow) {
                return Ok(json(&serde_json::json!({ "cut": id })));
            }
        }
        let detail = "There is no session or flow of that id; it may have ended.";
        Err(denied(Problem::new(404, "Not found", detail)))
    }
}
