//! The reports of devices about themselves.

use doorward_api::ProblemKind;
use doorward_model::{Fact, Kind, PeerText, Posture};
use doorward_session::{Problem, Session};
use doorward_store::StoreError;
use doorward_wire::{Report, Value};

use crate::parts::AdministrationParts;
use crate::response::sentence;

fn fact(value: Value) -> Fact {
    match value {
        Value::Text(text) => Fact::Text(PeerText::new(&text)),
        Value::Number(number) => Fact::Number(number),
        Value::Flag(flag) => Fact::Flag(flag),
        Value::List(texts) => Fact::List(texts.iter().map(|text| PeerText::new(text)).collect()),
    }
}

impl AdministrationParts {
    /// Stores what the device of a session reports about itself. The gateway does not verify it.
    pub(crate) async fn note_report(
        &self,
        session: &Session,
        report: Report,
    ) -> Result<(), Problem> {
        if session.subject().kind() != Kind::Device {
            let detail = "Only devices report about themselves.";
            return Err(Problem::new(ProblemKind::WrongRequest, detail));
        }
        let facts = report.into_iter().map(|(name, value)| (name, fact(value)));
        let posture = Posture::new(self.clock.now(), facts).map_err(|error| {
            Problem::new(ProblemKind::WrongRequest, sentence(&error.to_string()))
        })?;
        let (device, number) = (session.subject().clone(), session.subject_id());
        let Err(error) = self.store.report(device, number, posture).await else { return Ok(()) };
        if matches!(error, StoreError::ReportsTooOften) {
            return Err(Problem::new(ProblemKind::TooMany, sentence(&error.to_string())));
        }
        tracing::warn!(device = %session.subject(), %error, "a device's report could not be stored");
        let detail = "The report cannot be stored now. Try again later.";
        Err(Problem::new(ProblemKind::NotRecorded, detail))
    }
}
