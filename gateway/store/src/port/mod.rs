//! The port to the database of the state: what the store asks of a database, whichever it is.
//!
//! Statements have parameters `$1`, `$2` and so on. They are written in the standard form that
//! every database of the [`Database`] enum understands; the tables are made by each database's own
//! migrations.

#[cfg(test)]
pub(crate) mod fault;
mod outcome;
mod row;
mod transaction;
mod value;

use std::path::PathBuf;

use crate::error::{OpenError, StoreError};
use crate::sqlite::{self, SqliteDatabase};

pub(crate) use outcome::CommitOutcome;
pub(crate) use row::{FromStored, StoredRow, readable};
pub(crate) use transaction::{Reading, Tx};
pub(crate) use value::{StoredValue, values};

/// Where the state is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatePlace {
    /// In a directory of this machine, in one file.
    Directory(PathBuf),
}

/// A database that holds the state. Clones are cheap and share one database.
#[derive(Clone)]
pub(crate) struct Database {
    kind: Kind,
    /// The faults that a test has ordered.
    #[cfg(test)]
    pub(crate) faults: fault::Faults,
}

/// The databases that there are.
#[derive(Clone)]
enum Kind {
    Sqlite(SqliteDatabase),
}

impl From<SqliteDatabase> for Database {
    fn from(database: SqliteDatabase) -> Self {
        Self {
            kind: Kind::Sqlite(database),
            #[cfg(test)]
            faults: fault::Faults::default(),
        }
    }
}

impl Database {
    /// Returns whether a place holds a state.
    pub(crate) fn exists(place: &StatePlace) -> bool {
        match place {
            StatePlace::Directory(dir) => SqliteDatabase::exists(dir),
        }
    }

    /// Creates a database without rows for a state. The place holds the state only after
    /// [`Database::publish`].
    pub(crate) async fn create(place: &StatePlace) -> Result<Self, OpenError> {
        match place {
            StatePlace::Directory(dir) => Ok(SqliteDatabase::create(dir).await?.into()),
        }
    }

    /// Makes a created database the state that its place holds.
    pub(crate) async fn publish(self, place: &StatePlace) -> Result<(), OpenError> {
        match (self.kind, place) {
            (Kind::Sqlite(database), StatePlace::Directory(dir)) => database.publish(dir).await,
        }
    }

    /// Checks everything that a place holds before anything is written there, and opens the state.
    pub(crate) async fn open(place: &StatePlace) -> Result<Self, OpenError> {
        match place {
            StatePlace::Directory(dir) => {
                sqlite::inspect(dir).await?;
                Ok(SqliteDatabase::open(dir).await?.into())
            }
        }
    }

    /// Returns the error of a place whose rows cannot be read.
    pub(crate) fn damaged(place: &StatePlace, why: String) -> OpenError {
        match place {
            StatePlace::Directory(dir) => sqlite::damaged(dir, why),
        }
    }

    /// Begins an ordered change: locks the head, so that no other change comes in between, and
    /// reads it.
    pub(crate) async fn begin_ordered(&self) -> Result<Tx, StoreError> {
        let tx = match &self.kind {
            Kind::Sqlite(database) => {
                let (reading, head) = database.begin_ordered().await?;
                Tx::new(Reading::Sqlite(reading), Some(head))
            }
        };
        #[cfg(test)]
        let tx = tx.with_faults(self.faults.clone());
        Ok(tx)
    }

    /// Begins a change that only adds rows, and that takes no number.
    pub(crate) async fn begin(&self) -> Result<Tx, StoreError> {
        match &self.kind {
            Kind::Sqlite(database) => Ok(Tx::new(Reading::Sqlite(database.begin().await?), None)),
        }
    }

    /// Returns a connection for short reads about one identity.
    pub(crate) async fn read(&self) -> Result<Reading, StoreError> {
        match &self.kind {
            Kind::Sqlite(database) => Ok(Reading::Sqlite(database.read().await?)),
        }
    }

    /// Returns a connection for reads that may be large, so that short reads do not wait for these.
    pub(crate) async fn list(&self) -> Result<Reading, StoreError> {
        match &self.kind {
            Kind::Sqlite(database) => Ok(Reading::Sqlite(database.list().await?)),
        }
    }

    /// Begins a read transaction: all its statements read the same state. The caller
    /// [ends](Reading::end) it.
    pub(crate) async fn read_at_once(&self) -> Result<Reading, StoreError> {
        match &self.kind {
            Kind::Sqlite(database) => Ok(Reading::Sqlite(database.read_at_once().await?)),
        }
    }

    /// Gives up the idle connection for changes, because the database has refused and nobody knows
    /// in which condition the connection is. The next change begins on a new one.
    pub(crate) async fn give_up(&self) {
        match &self.kind {
            Kind::Sqlite(database) => database.give_up().await,
        }
    }

    /// Closes all connections.
    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        match &self.kind {
            Kind::Sqlite(database) => database.close().await,
        }
    }
}
