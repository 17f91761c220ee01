//! A connection to the state's file on which the port's statements run.

use std::sync::{Arc, Mutex, PoisonError};

use sqlx::pool::PoolConnection;
use sqlx::sqlite::{Sqlite, SqliteConnection};

use super::files;
use super::statement::bound;
use crate::error::StoreError;
use crate::port::{CommitOutcome, StoredRow, StoredValue};

/// The place of the connection for changes while nobody uses it.
pub(super) type Home = Arc<Mutex<Option<SqliteConnection>>>;

/// A connection to the state's file.
pub(crate) enum SqliteReading {
    /// One that reads, statement by statement.
    Pooled(PoolConnection<Sqlite>),
    /// One in a transaction, and where it goes when the transaction has ended. If the transaction
    /// is dropped instead, the connection is closed, and SQLite rolls back.
    InTransaction(SqliteConnection, Home),
}

impl SqliteReading {
    pub(super) async fn begin(
        mut connection: SqliteConnection,
        home: Home,
        begin: &'static str,
    ) -> Result<Self, StoreError> {
        match bound(begin, vec![]).execute(&mut connection).await {
            Ok(_) => Ok(Self::InTransaction(connection, home)),
            Err(error) => {
                files::discard(connection).await;
                Err(error.into())
            }
        }
    }

    fn connection(&mut self) -> &mut SqliteConnection {
        match self {
            Self::Pooled(connection) => connection,
            Self::InTransaction(connection, _) => connection,
        }
    }

    pub(crate) async fn all(
        &mut self,
        sql: &'static str,
        values: Vec<StoredValue>,
    ) -> Result<Vec<StoredRow>, StoreError> {
        let rows = bound(sql, values).fetch_all(self.connection()).await?;
        Ok(rows.into_iter().map(StoredRow::Sqlite).collect())
    }

    pub(crate) async fn optional(
        &mut self,
        sql: &'static str,
        values: Vec<StoredValue>,
    ) -> Result<Option<StoredRow>, StoreError> {
        let row = bound(sql, values).fetch_optional(self.connection()).await?;
        Ok(row.map(StoredRow::Sqlite))
    }

    pub(crate) async fn run(
        &mut self,
        sql: &'static str,
        values: Vec<StoredValue>,
    ) -> Result<u64, StoreError> {
        Ok(bound(sql, values).execute(self.connection()).await?.rows_affected())
    }

    /// Commits. After an error the connection is closed, because SQLite may have rolled back by
    /// itself or not. Whether the change stands is then in doubt: a disk may fail after it has
    /// taken the bytes.
    pub(crate) async fn commit(self) -> CommitOutcome {
        let Err(error) = self.finish("COMMIT").await else { return CommitOutcome::Done };
        let may_stand = !matches!(error, StoreError::Again(_));
        if may_stand { CommitOutcome::InDoubt(error) } else { CommitOutcome::NotDone(error) }
    }

    pub(crate) async fn roll_back(self) {
        if let Err(error) = self.finish("ROLLBACK").await {
            // SQLite rolls back by itself when the disk is full.
            tracing::debug!(%error, "there was nothing to roll back");
        }
    }

    async fn finish(self, end: &'static str) -> Result<(), StoreError> {
        let (mut connection, home) = match self {
            Self::InTransaction(connection, home) => (connection, home),
            Self::Pooled(_) => return Ok(()),
        };
        match bound(end, vec![]).execute(&mut connection).await {
            Ok(_) => {
                *home.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
                Ok(())
            }
            Err(error) => {
                files::discard(connection).await;
                Err(error.into())
            }
        }
    }
}
