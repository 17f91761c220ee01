//! The name of a request in records.

use doorward_model::{Action, Path, PeerText};
use doorward_policies::{Opinion, Record};
use jiff::Timestamp;

use crate::pipeline::approach::Approached;

/// The first right that a request asks for, and the part of its query to record.
#[derive(Clone, Debug)]
pub(super) struct RequestName {
    pub(super) action: Action,
    pub(super) path: Path,
    pub(super) query: Option<PeerText>,
}

impl RequestName {
    /// Returns a record of the request: permitted, or refused for the reason `refused`.
    pub(super) fn record(
        &self,
        approached: &Approached,
        at: Timestamp,
        opinion: Option<&Opinion>,
        refused: Option<&str>,
    ) -> Record {
        let record = approached.operation(at, (self.action, &self.path), opinion, refused);
        Record { query: self.query.clone(), ..record }
    }
}
