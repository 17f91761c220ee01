//! What a request is called in records.

use doorward_model::{Action, Path, PeerText};
use doorward_policies::{Opinion, Record};
use jiff::Timestamp;

use crate::pipeline::approach::Approached;

/// What a request asks for first, and its query as far as that is recorded.
#[derive(Clone, Debug)]
pub(super) struct RequestName {
    pub(super) action: Action,
    pub(super) path: Path,
    pub(super) query: Option<PeerText>,
}

impl RequestName {
    /// A record of it that was permitted, or refused for that reason.
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
