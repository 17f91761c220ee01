//! Reads, and transactions that change something.

use std::ops::{Deref, DerefMut};

use doorward_model::Epoch;

use super::{CommitOutcome, StoredRow, StoredValue};
use crate::error::StoreError;
use crate::sqlite::SqliteReading;

/// A connection on which statements read.
pub(crate) enum Reading {
    Sqlite(SqliteReading),
}

impl Reading {
    /// Returns all rows of a statement.
    pub(crate) async fn all(
        &mut self,
        sql: &'static str,
        values: Vec<StoredValue>,
    ) -> Result<Vec<StoredRow>, StoreError> {
        match self {
            Self::Sqlite(reading) => reading.all(sql, values).await,
        }
    }

    /// Returns the first row of a statement, if it has one.
    pub(crate) async fn optional(
        &mut self,
        sql: &'static str,
        values: Vec<StoredValue>,
    ) -> Result<Option<StoredRow>, StoreError> {
        match self {
            Self::Sqlite(reading) => reading.optional(sql, values).await,
        }
    }

    /// Returns the first row of a statement that has at least one.
    pub(crate) async fn one(
        &mut self,
        sql: &'static str,
        values: Vec<StoredValue>,
    ) -> Result<StoredRow, StoreError> {
        let row = self.optional(sql, values).await?;
        row.ok_or_else(|| StoreError::Row("a row is missing".to_owned()))
    }

    /// Ends a read transaction, so that its connection is used again.
    pub(crate) async fn end(self) {
        match self {
            Self::Sqlite(reading) => reading.roll_back().await,
        }
    }
}

/// A transaction. It reads like a [`Reading`], and what it writes stands only after
/// [`Tx::commit`]. A transaction that is dropped writes nothing.
pub(crate) struct Tx {
    reading: Reading,
    head: Option<Epoch>,
    #[cfg(test)]
    faults: super::fault::Faults,
}

impl Deref for Tx {
    type Target = Reading;

    fn deref(&self) -> &Reading {
        &self.reading
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Reading {
        &mut self.reading
    }
}

impl Tx {
    pub(super) fn new(reading: Reading, head: Option<Epoch>) -> Self {
        Self {
            reading,
            head,
            #[cfg(test)]
            faults: super::fault::Faults::default(),
        }
    }

    #[cfg(test)]
    pub(super) fn with_faults(mut self, faults: super::fault::Faults) -> Self {
        self.faults = faults;
        self
    }

    /// Returns the locked head: the number of the last change, which no other change can alter
    /// before this one ends.
    pub(crate) fn head(&self) -> Result<Epoch, StoreError> {
        self.head
            .ok_or_else(|| StoreError::Refused("the change has not locked the head".to_owned()))
    }

    /// Makes a statement that changes rows. Returns how many rows it changed.
    pub(crate) async fn run(
        &mut self,
        sql: &'static str,
        values: Vec<StoredValue>,
    ) -> Result<u64, StoreError> {
        match &mut self.reading {
            Reading::Sqlite(reading) => reading.run(sql, values).await,
        }
    }

    /// Commits what the transaction wrote.
    pub(crate) async fn commit(self) -> CommitOutcome {
        #[cfg(test)]
        if let Some(fault) = self.faults.next() {
            return fault.at_commit(self).await;
        }
        self.commit_now().await
    }

    pub(super) async fn commit_now(self) -> CommitOutcome {
        match self.reading {
            Reading::Sqlite(reading) => reading.commit().await,
        }
    }

    /// Discards what the transaction wrote.
    pub(crate) async fn roll_back(self) {
        self.reading.end().await;
    }
}
