//! What became of a transaction.

use crate::error::StoreError;

/// What became of a transaction.
#[derive(Debug)]
pub(crate) enum CommitOutcome {
    /// What it wrote stands.
    Done,
    /// What it wrote does not stand.
    NotDone(StoreError),
    /// Nobody knows whether what it wrote stands.
    InDoubt(StoreError),
}

impl CommitOutcome {
    /// Returns an error unless the change stands for sure.
    pub(crate) fn into_result(self) -> Result<(), StoreError> {
        match self {
            Self::Done => Ok(()),
            Self::NotDone(error) | Self::InDoubt(error) => Err(error),
        }
    }
}
