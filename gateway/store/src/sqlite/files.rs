//! Opens the files of databases, and brings their schema up to date.

use std::borrow::Cow;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _, SqlSafeStr as _};

use super::error::{is_damage, unopenable};
use crate::error::{OpenError, StoreError};

/// The application id that marks the files of this program: `DWRD`.
const APPLICATION_ID: i64 = 0x4457_5244;

/// Returns the options for reading a file.
pub(crate) fn reading(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(10))
}

/// Returns the options for writing a file.
pub(crate) fn writing(path: &Path) -> SqliteConnectOptions {
    reading(path)
        .read_only(false)
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
}

/// Opens a file for writing, creates it if `create`, and brings its schema up to date. The caller
/// has [inspected](inspect) a file that exists.
pub(crate) async fn open(
    path: &Path,
    schema: &'static [(&'static str, &'static str)],
    create: bool,
) -> Result<SqliteConnection, OpenError> {
    let unopenable = |error: sqlx::Error| unopenable(path, error);
    if create && !path.exists() {
        // SQLite gives its other files the mode of the first one.
        let private = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        drop(private.map_err(|error| super::error::unopenable(path, error))?);
    }
    let mut connection =
        writing(path).create_if_missing(create).connect().await.map_err(unopenable)?;
    let migrations = schema.iter().zip(1..).map(|((name, sql), version)| {
        let kind = MigrationType::Simple;
        Migration::new(version, Cow::Borrowed(name), kind, sql.into_sql_str(), false)
    });
    let migrator = Migrator::with_migrations(migrations.collect());
    migrator.run(&mut connection).await.map_err(|error| {
        if let MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) = error {
            return unopenable(error);
        }
        OpenError::Damaged { path: path.to_owned(), why: error.to_string() }
    })?;
    let id = sqlx::query_scalar::<_, i64>("PRAGMA application_id");
    if id.fetch_one(&mut connection).await.map_err(unopenable)? != APPLICATION_ID {
        sqlx::query("PRAGMA application_id = 1146573380")
            .execute(&mut connection)
            .await
            .map_err(unopenable)?;
    }
    Ok(connection)
}

/// The connection of the audit log's writer. After the database has refused, the rest of the transaction is
/// uncertain, because SQLite rolls back by itself when the disk is full. So the next transaction
/// begins on a new connection.
pub(crate) struct WriteConnection {
    path: PathBuf,
    open: Option<SqliteConnection>,
}

impl WriteConnection {
    pub(crate) fn new(path: &Path, open: SqliteConnection) -> Self {
        Self { path: path.to_owned(), open: Some(open) }
    }

    pub(crate) async fn get(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        let open = match self.open.take() {
            Some(open) => open,
            None => writing(&self.path).connect().await?,
        };
        Ok(self.open.insert(open))
    }

    /// Closes the connection, and discards its transaction.
    pub(crate) async fn give_up(&mut self) {
        if let Some(open) = self.open.take() {
            discard(open).await;
        }
    }

    pub(crate) async fn close(self) -> Result<(), sqlx::Error> {
        match self.open {
            Some(open) => open.close().await,
            None => Ok(()),
        }
    }
}

/// Closes a connection at once. Its transaction is rolled back.
pub(super) async fn discard(connection: SqliteConnection) {
    if let Err(error) = connection.close_hard().await {
        tracing::debug!(%error, "a broken connection was not closed");
    }
}

/// Checks that a file is a sound database of this program, with a known schema. Writes nothing.
pub(crate) async fn inspect(path: &Path, known: usize) -> Result<(), OpenError> {
    let wrong = |error: sqlx::Error| {
        let path = path.to_owned();
        let why = error.to_string();
        if is_damage(&error) {
            OpenError::Damaged { path, why }
        } else {
            OpenError::Unopenable { path, why }
        }
    };
    let mut connection = reading(path).connect().await.map_err(wrong)?;
    let found = look(&mut connection).await;
    let closed = connection.close().await;
    let found = found.map_err(wrong)?;
    closed.map_err(wrong)?;
    let path = path.to_owned();
    if found.application != APPLICATION_ID && found.tables > 0 {
        return Err(OpenError::Foreign { path });
    }
    if found.soundness != "ok" {
        return Err(OpenError::Damaged { path, why: found.soundness });
    }
    if usize::try_from(found.version).is_ok_and(|version| version > known) {
        return Err(OpenError::Newer { path, version: found.version });
    }
    Ok(())
}

struct Found {
    application: i64,
    tables: i64,
    version: i64,
    soundness: String,
}

async fn look(connection: &mut SqliteConnection) -> Result<Found, sqlx::Error> {
    let application =
        sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *connection).await?;
    let tables = sqlx::query_scalar("SELECT count(*) FROM sqlite_master")
        .fetch_one(&mut *connection)
        .await?;
    let soundness = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&mut *connection).await?;
    let version = match application {
        APPLICATION_ID => {
            sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM _sqlx_migrations")
                .fetch_one(&mut *connection)
                .await?
        }
        _ => 0,
    };
    Ok(Found { application, tables, version, soundness })
}

/// Converts an instant to the form in which it is stored.
pub(crate) fn micros(time: Timestamp) -> i64 {
    time.as_microsecond()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_application_id_is_the_one_in_the_pragma() {
        assert_eq!(super::APPLICATION_ID, 1_146_573_380);
    }
}
