//! SQLite's errors in the words of the store.

use std::path::Path;

use sqlx::error::ErrorKind;

use crate::error::{OpenError, StoreError};

/// The disk is full.
const FULL: i32 = 13;
/// An I/O error for a short write, which is how SQLite reports ENOSPC.
const IOERR_WRITE: i32 = 10 | 3 << 8;
/// Another connection has written since the transaction began to read.
const BUSY_SNAPSHOT: i32 = 5 | 2 << 8;
const CORRUPT: i32 = 11;
const NOT_A_DATABASE: i32 = 26;

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        let why = error.to_string();
        match (&error, code(&error)) {
            (_, Some(code)) if code & 0xff == FULL || code == IOERR_WRITE => Self::Full,
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

/// Returns whether an error says that a file is no sound database.
pub(super) fn is_damage(error: &sqlx::Error) -> bool {
    matches!(code(error).map(|code| code & 0xff), Some(CORRUPT | NOT_A_DATABASE))
}

/// Returns the error of a file that cannot be opened.
pub(super) fn unopenable(path: &Path, error: impl std::fmt::Display) -> OpenError {
    OpenError::Unopenable { path: path.to_owned(), why: error.to_string() }
}
