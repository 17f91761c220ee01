//! Faults of a database, which tests order.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::{CommitOutcome, Tx};
use crate::error::StoreError;

/// What a database does instead of an ordinary commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DatabaseFault {
    /// It discards the change, and asks for it to be made again.
    Again,
    /// It makes the change, but its answer is lost.
    Made,
    /// It discards the change, and its answer is lost.
    NotMade,
    /// It discards the change, because the disk is full.
    Full,
}

/// The faults of the next commits of ordered changes, the first one first.
#[derive(Clone, Default)]
pub(crate) struct Faults(Arc<Mutex<VecDeque<DatabaseFault>>>);

impl Faults {
    /// Orders faults for the next commits.
    pub(crate) fn order(&self, faults: impl IntoIterator<Item = DatabaseFault>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(faults);
    }

    /// Returns how many ordered faults have not happened yet.
    pub(crate) fn left(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub(super) fn next(&self) -> Option<DatabaseFault> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

impl DatabaseFault {
    pub(super) async fn at_commit(self, tx: Tx) -> CommitOutcome {
        let lost = || StoreError::Gone("the answer is lost".to_owned());
        match self {
            Self::Made => match tx.commit_now().await {
                CommitOutcome::Done => CommitOutcome::InDoubt(lost()),
                other @ (CommitOutcome::NotDone(_) | CommitOutcome::InDoubt(_)) => other,
            },
            Self::NotMade => {
                tx.roll_back().await;
                CommitOutcome::InDoubt(lost())
            }
            Self::Again => {
                tx.roll_back().await;
                CommitOutcome::NotDone(StoreError::Again("a test asks for it".to_owned()))
            }
            Self::Full => {
                tx.roll_back().await;
                CommitOutcome::NotDone(StoreError::Full)
            }
        }
    }
}
