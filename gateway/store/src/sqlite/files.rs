//! Opens the files of databases, and brings their schema up to date.

use std::borrow::Cow;
use std::collections::BTreeSet;
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

use super::error::{is_damage, unopenable, unwritable};
use crate::error::{OpenError, StoreError};

/// The application id that marks the files of this program: `DWRD`.
const APPLICATION_ID: i64 = 0x4457_5244;

/// The steps of a schema, with their names.
type Schema = &'static [(&'static str, &'static str)];

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
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
}

/// Opens a file for writing, creates it if `create`, and brings its schema up to date. The caller
/// has [inspected](inspect) a file that exists.
pub(crate) async fn open(
    path: &Path,
    schema: Schema,
    create: bool,
) -> Result<SqliteConnection, OpenError> {
    let unopenable = |error: sqlx::Error| unopenable(path, error);
    if create && !path.exists() {
        // SQLite gives its other files the mode of the first one.
        let private = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        drop(private.map_err(|error| unwritable(path, error))?);
    }
    let mut options = writing(path).create_if_missing(create);
    if std::fs::metadata(path).is_ok_and(|found| found.len() == 0) {
        // The file keeps this. To say it again would write to the file at each connection.
        options = options.auto_vacuum(SqliteAutoVacuum::Incremental);
    }
    let mut connection = options.connect().await.map_err(unopenable)?;
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

/// Checks that a file is a sound database of this program, with all tables of a known schema; or
/// without any, if it `may_be_empty`. Writes nothing.
pub(crate) async fn inspect(
    path: &Path,
    schema: Schema,
    may_be_empty: bool,
) -> Result<(), OpenError> {
    let damaged = |why| OpenError::Damaged { path: path.to_owned(), why };
    let wrong = |error: sqlx::Error| {
        if is_damage(&error) { damaged(error.to_string()) } else { unopenable(path, error) }
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
        return Err(damaged(found.soundness));
    }
    let steps = usize::try_from(found.version).unwrap_or_default();
    let Some(schema) = schema.get(..steps) else {
        return Err(OpenError::Newer { path, version: found.version });
    };
    if schema.is_empty() && !may_be_empty {
        return Err(damaged("it holds nothing".to_owned()));
    }
    match columns_of(schema).await.map_err(wrong)?.difference(&found.columns).next() {
        Some(missing) => Err(damaged(format!("{missing} is missing"))),
        None => Ok(()),
    }
}

/// Returns the columns of a schema.
async fn columns_of(schema: Schema) -> Result<BTreeSet<String>, sqlx::Error> {
    let mut memory = SqliteConnectOptions::new().filename(":memory:").connect().await?;
    for (_, step) in schema {
        sqlx::raw_sql(step.into_sql_str()).execute(&mut memory).await?;
    }
    let found = columns(&mut memory).await;
    memory.close().await?;
    found
}

/// Returns the columns of all tables, each as TABLE.COLUMN.
async fn columns(connection: &mut SqliteConnection) -> Result<BTreeSet<String>, sqlx::Error> {
    let all = "SELECT t.name || '.' || c.name FROM sqlite_master t \
               JOIN pragma_table_info(t.name) c WHERE t.type = 'table'";
    let found: Vec<String> = sqlx::query_scalar(all).fetch_all(connection).await?;
    Ok(found.into_iter().collect())
}

struct Found {
    application: i64,
    tables: i64,
    version: i64,
    soundness: String,
    columns: BTreeSet<String>,
}

async fn look(connection: &mut SqliteConnection) -> Result<Found, sqlx::Error> {
    let application =
        sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *connection).await?;
    let tables = sqlx::query_scalar("SELECT count(*) FROM sqlite_master")
        .fetch_one(&mut *connection)
        .await?;
    let columns = columns(connection).await?;
    let soundness = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&mut *connection).await?;
    let version = match application {
        APPLICATION_ID => {
            sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM _sqlx_migrations")
                .fetch_one(&mut *connection)
                .await?
        }
        _ => 0,
    };
    Ok(Found { application, tables, version, soundness, columns })
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
