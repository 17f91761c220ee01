//! SQLite's errors in the words of the store.

use std::io;
use std::path::Path;

use sqlx::error::ErrorKind;

use crate::error::{OpenError, StoreError};

/// The disk is full.
const FULL: i32 = 13;
/// An I/O error for a short write, which is how SQLite reports ENOSPC.
const IOERR_WRITE: i32 = 10 | 3 << 8;
/// An I/O error for a file of shared memory that cannot grow, which is how SQLite reports ENOSPC
/// when it opens a database.
const IOERR_SHMSIZE: i32 = 10 | 19 << 8;
/// Another connection has written since the transaction began to read.
const BUSY_SNAPSHOT: i32 = 5 | 2 << 8;
/// A statement names a table or a column that is not there.
const ERROR: i32 = 1;
const CORRUPT: i32 = 11;
const NOT_A_DATABASE: i32 = 26;

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        let why = error.to_string();
        match (&error, code(&error)) {
            (_, Some(code)) if is_full(code) => Self::Full,
            (_, Some(BUSY_SNAPSHOT)) => Self::Again(why),
            (E::Database(error), _) if error.kind() == ErrorKind::UniqueViolation => {
                Self::Taken(why)
            }
            (E::WorkerCrashed | E::PoolClosed | E::PoolTimedOut, _) => Self::Gone(why),
            (E::RowNotFound | E::ColumnNotFound(_) | E::ColumnDecode { .. } | E::Decode(_), _) => {
                Self::Row(why)
            }
            _ => Self::Refused(why),
        }
    }
}

/// Returns SQLite's extended code of an error.
fn code(error: &sqlx::Error) -> Option<i32> {
    error.as_database_error()?.code()?.parse().ok()
}

/// Returns whether an extended code says that the disk is full.
fn is_full(code: i32) -> bool {
    code & 0xff == FULL || code == IOERR_WRITE || code == IOERR_SHMSIZE
}

/// Returns whether an error says that a file is no sound database.
pub(super) fn is_damage(error: &sqlx::Error) -> bool {
    matches!(code(error).map(|code| code & 0xff), Some(ERROR | CORRUPT | NOT_A_DATABASE))
}

/// Returns the error of a database file that cannot be opened.
pub(super) fn unopenable(path: &Path, error: sqlx::Error) -> OpenError {
    let path = path.to_owned();
    if code(&error).is_some_and(is_full) {
        return OpenError::Full { path };
    }
    OpenError::Unopenable { path, why: error.to_string() }
}

/// Returns the error of a file that cannot be created, synced, renamed or removed.
pub(super) fn unwritable(path: &Path, error: io::Error) -> OpenError {
    let path = path.to_owned();
    if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        return OpenError::Full { path };
    }
    OpenError::Unopenable { path, why: error.to_string() }
}
