//! The state in an SQLite file, and the audit log in another. Only this folder names SQLite's
//! driver, its files and its errors.

pub(crate) mod audit;
mod error;
mod files;
mod reading;
mod statement;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use doorward_model::Epoch;
use sqlx::sqlite::{SqliteConnection, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, SqlitePool};

use crate::error::{OpenError, StoreError};
use crate::port::{FromStored as _, StoredRow};
use error::{unopenable, unwritable};
use reading::Home;

pub(crate) use files::{WriteConnection, micros};
pub(crate) use reading::SqliteReading;
pub(crate) use sqlx::sqlite::SqliteRow as DriverRow;
pub(crate) use statement::value;

/// The steps of the state's schema, with their names.
pub(crate) const SCHEMA: &[(&str, &str)] = &[
    ("state", include_str!("migrations/state.sql")),
    ("state-2", include_str!("migrations/state-2.sql")),
    ("state-3", include_str!("migrations/state-3.sql")),
    ("state-4", include_str!("migrations/state-4.sql")),
    ("state-5", include_str!("migrations/state-5.sql")),
    ("state-6", include_str!("migrations/state-6.sql")),
    ("state-7", include_str!("migrations/state-7.sql")),
];
/// The file of the state.
const FILE: &str = "state.db";
/// The file of a state that is being created.
const NEW: &str = "state.db.new";

/// The state in a file. Clones are cheap and share one file.
#[derive(Clone)]
pub(crate) struct SqliteDatabase {
    path: PathBuf,
    home: Home,
    /// For enrolments and renewals.
    readers: SqlitePool,
    /// For lists and bundles.
    listers: SqlitePool,
}

/// Checks all databases in `dir`. Writes nothing.
pub(crate) async fn inspect(dir: &Path) -> Result<(), OpenError> {
    files::inspect(&dir.join(FILE), SCHEMA, false).await?;
    let audit = dir.join(audit::FILE);
    if audit.exists() { files::inspect(&audit, audit::SCHEMA, true).await } else { Ok(()) }
}

/// Returns the error of a state in `dir` whose rows cannot be read.
pub(crate) fn damaged(dir: &Path, why: String) -> OpenError {
    OpenError::Damaged { path: dir.join(FILE), why }
}

impl SqliteDatabase {
    pub(crate) fn exists(dir: &Path) -> bool {
        dir.join(FILE).exists()
    }

    fn new(path: PathBuf, connection: SqliteConnection) -> Self {
        let pool = |count| {
            let options = SqlitePoolOptions::new().max_connections(count);
            options.connect_lazy_with(files::reading(&path))
        };
        let (readers, listers) = (pool(2), pool(2));
        Self { path, home: Arc::new(Mutex::new(Some(connection))), readers, listers }
    }

    /// Creates a file without rows, under another name than that of a state.
    pub(crate) async fn create(dir: &Path) -> Result<Self, OpenError> {
        let path = dir.join(NEW);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(unwritable(&path, error));
            }
            Ok(()) | Err(_) => {}
        }
        drop(files::open(&path, SCHEMA, true).await?.close().await);
        // Without a WAL file beside it, the complete file can be renamed.
        let plain = files::writing(&path).journal_mode(SqliteJournalMode::Delete);
        let connection = plain.connect().await.map_err(|error| unopenable(&path, error))?;
        Ok(Self::new(path, connection))
    }

    /// Gives a created file the name of the state.
    pub(crate) async fn publish(self, dir: &Path) -> Result<(), OpenError> {
        self.close().await?;
        let finish = || -> std::io::Result<()> {
            fs::File::open(&self.path)?.sync_all()?;
            fs::rename(&self.path, dir.join(FILE))?;
            fs::File::open(dir)?.sync_all()
        };
        finish().map_err(|error| unwritable(&self.path, error))
    }

    /// Opens the state in `dir`. The caller has [inspected](inspect) it.
    pub(crate) async fn open(dir: &Path) -> Result<Self, OpenError> {
        let path = dir.join(FILE);
        let connection = files::open(&path, SCHEMA, false).await?;
        Ok(Self::new(path, connection))
    }

    fn take(&self) -> Option<SqliteConnection> {
        self.home.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Begins a transaction on the connection for changes, or on a new one.
    async fn begin_with(&self, begin: &'static str) -> Result<SqliteReading, StoreError> {
        let connection = match self.take() {
            Some(connection) => connection,
            None => files::writing(&self.path).connect().await?,
        };
        SqliteReading::begin(connection, Arc::clone(&self.home), begin).await
    }

    /// Begins a change, and reads the head. No other change can begin before it ends.
    pub(crate) async fn begin_ordered(&self) -> Result<(SqliteReading, Epoch), StoreError> {
        let mut reading = self.begin().await?;
        match head(&mut reading).await {
            Ok(head) => Ok((reading, head)),
            Err(error) => {
                reading.roll_back().await;
                Err(error)
            }
        }
    }

    pub(crate) async fn begin(&self) -> Result<SqliteReading, StoreError> {
        self.begin_with("BEGIN IMMEDIATE").await
    }

    pub(crate) async fn read_at_once(&self) -> Result<SqliteReading, StoreError> {
        self.begin_with("BEGIN").await
    }

    pub(crate) async fn read(&self) -> Result<SqliteReading, StoreError> {
        Ok(SqliteReading::Pooled(self.readers.acquire().await?))
    }

    pub(crate) async fn list(&self) -> Result<SqliteReading, StoreError> {
        Ok(SqliteReading::Pooled(self.listers.acquire().await?))
    }

    pub(crate) async fn give_up(&self) {
        if let Some(connection) = self.take() {
            files::discard(connection).await;
        }
    }

    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        self.readers.close().await;
        self.listers.close().await;
        match self.take() {
            Some(connection) => Ok(connection.close().await?),
            None => Ok(()),
        }
    }
}

async fn head(reading: &mut SqliteReading) -> Result<Epoch, StoreError> {
    let row = reading.optional("SELECT epoch FROM heads WHERE part = 0", vec![]).await?;
    let epoch = match &row {
        Some(StoredRow::Sqlite(row)) => i64::from_stored(value(row, "epoch")?),
        None => None,
    };
    epoch.map(Epoch).ok_or_else(|| StoreError::Row("the head has no number".to_owned()))
}
