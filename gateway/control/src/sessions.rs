//! Requests about sessions: list and cut.

use doorward_api::{CutAnswer, ProblemKind, endpoint};
use doorward_model::{FlowId, SessionId};
use doorward_session::Problem;

use crate::gate::Gate;
use crate::request::AdminRequest;
use crate::response::{EndpointResult, denied, sentence, wrong};

impl AdminRequest<'_> {
    pub(crate) async fn list_sessions(
        self,
        gate: &mut Gate,
    ) -> EndpointResult<endpoint::ListSessions> {
        gate.record(None).await?;
        self.page(self.parts.leases.list(), |session| session.id)
    }

    /// Cuts the session or the flow with this id.
    pub(crate) async fn cut_session(self, gate: &mut Gate) -> EndpointResult<endpoint::CutSession> {
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
            gate.check_permits()?;
            if leases.cut_session(id) || leases.cut_flow(flow) {
                return Ok(CutAnswer { cut: id });
            }
        }
        let detail = "There is no session or flow of that id; it may have ended.";
        Err(denied(Problem::new(ProblemKind::NothingHere, detail)))
    }
}
