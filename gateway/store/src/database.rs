//! Opens the databases, and brings their schema up to date.

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
use sqlx::{ConnectOptions as _, Connection as _, Row as _, SqlSafeStr as _};

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
    let unopenable = |error| OpenError::Unopenable { path: path.to_owned(), error };
    if create && !path.exists() {
        // SQLite gives its other files the mode of the first one.
        let private = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        drop(private.map_err(|error| unopenable(sqlx::Error::Io(error)))?);
    }
    let mut connection =
        writing(path).create_if_missing(create).connect().await.map_err(unopenable)?;
    let migrations = schema.iter().zip(1..).map(|((name, sql), version)| {
        let kind = MigrationType::Simple;
        Migration::new(version, Cow::Borrowed(name), kind, sql.into_sql_str(), false)
    });
    let migrator = Migrator::with_migrations(migrations.collect());
    migrator.run(&mut connection).await.map_err(|error| match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            unopenable(error)
        }
        other => OpenError::Damaged { path: path.to_owned(), why: other.to_string() },
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

/// The connection of a writer. After the database has refused, the rest of the transaction is
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
        if let Some(open) = self.open.take()
            && let Err(error) = open.close_hard().await
        {
            tracing::debug!(%error, "a broken connection was not closed");
        }
    }

    pub(crate) async fn close(self) -> Result<(), sqlx::Error> {
        match self.open {
            Some(open) => open.close().await,
            None => Ok(()),
        }
    }
}

/// Checks that a file is a sound database of this program, with a known schema. Writes nothing.
pub(crate) async fn inspect(path: &Path, known: usize) -> Result<(), OpenError> {
    let wrong = |error: sqlx::Error| {
        let path = path.to_owned();
        match sqlite_code(&error) {
            Some(CORRUPT | NOT_A_DATABASE) => OpenError::Damaged { path, why: error.to_string() },
            _ => OpenError::Unopenable { path, error },
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

const CORRUPT: i32 = 11;
const NOT_A_DATABASE: i32 = 26;

fn sqlite_code(error: &sqlx::Error) -> Option<i32> {
    let code: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

/// Converts an instant to the form in which it is stored.
pub(crate) fn micros(time: Timestamp) -> i64 {
    time.as_microsecond()
}

/// Reads a stored instant.
pub(crate) fn timestamp(micros: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(micros).map_err(|error| StoreError::Row(error.to_string()))
}

/// Reads a stored word as a value of its type.
pub(crate) fn word<T>(row: &sqlx::sqlite::SqliteRow, column: &'static str) -> Result<T, StoreError>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    let text: String = row.try_get(column)?;
    text.parse().map_err(|error| StoreError::Row(format!("{column}: {error}")))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_application_id_is_the_one_in_the_pragma() {
        assert_eq!(super::APPLICATION_ID, 1_146_573_380);
    }
}
