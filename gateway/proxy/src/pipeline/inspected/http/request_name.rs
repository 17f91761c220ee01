//! The name of a request in records.

use doorward_model::{Action, Path, PeerText};

/// The first right that a request asks for, and the part of its query to record.
#[derive(Clone, Debug)]
pub(super) struct RequestName {
    pub(super) action: Action,
    pub(super) path: Path,
    pub(super) query: Option<PeerText>,
}

impl RequestName {
    /// Returns the name as records take it.
    pub(super) fn parts(&self) -> (Action, &Path, Option<&PeerText>) {
        (self.action, &self.path, self.query.as_ref())
    }
}
