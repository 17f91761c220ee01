//! Why the store refuses.

use std::path::PathBuf;

use doorward_ca::IssueError;
use doorward_ca::enrolment::CodeRefused;
use doorward_model::{DoorName, Subject};
use doorward_policies::BundleErrors;
use thiserror::Error;

/// Why a change was not made, or something could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No such subject. The asker's.
    #[error("there is no {0}")]
    NoSubject(Subject),
    /// No such interface. The asker's.
    #[error("there is no interface {0}")]
    NoInterface(DoorName),
    /// The name is taken. The asker's.
    #[error("{0} is there already; remove it first, or choose another name")]
    SubjectExists(Subject),
    /// The interface is declared already. The asker's.
    #[error("the interface {0} is there already; remove it first")]
    InterfaceExists(DoorName),
    /// A code is worth nothing. The presenter's.
    #[error(transparent)]
    Code(#[from] CodeRefused),
    /// The subject is another than it was when the asker's rights were looked at. The asker's.
    #[error("{0} has just been changed by somebody else; look at it, and try again")]
    SubjectChanged(Subject),
    /// The interface is another than it was when the asker's rights were looked at. The asker's.
    #[error("the interface {0} has just been changed by somebody else; look at it, and try again")]
    InterfaceChanged(DoorName),
    /// Another bundle has come into force since this one was looked at. The asker's.
    #[error("another bundle has just come into force; look at that one, and apply again")]
    BundleChanged,
    /// The certificate that asks is not live any more. The asker's.
    #[error("the identity has just ended")]
    Ended,
    /// The subject has been issued as many certificates of late as it may. The asker's.
    #[error("this identity was renewed too often; try again later")]
    TooOften,
    /// The certificate could not be signed. Ours, or the key's place.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// The disk has no room.
    #[error("the disk is full; make room in the data directory")]
    Full,
    /// The database refuses. Ours or the operator's.
    #[error("the database refuses: {0}")]
    Database(sqlx::Error),
    /// A row that this program did not write.
    #[error("the database holds what no version of this program writes: {0}")]
    Row(String),
    /// The gateway is stopping.
    #[error("the gateway is stopping")]
    Closed,
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if is_full(&error) { Self::Full } else { Self::Database(error) }
    }
}

/// SQLITE_FULL, or an I/O error behind which is ENOSPC (SQLite reports a short write as one).
pub(crate) fn is_full(error: &sqlx::Error) -> bool {
    const FULL: i32 = 13;
    const IOERR_WRITE: i32 = 10 | 3 << 8;
    let code = error.as_database_error().and_then(|error| error.code());
    let code = code.and_then(|code| code.parse::<i32>().ok());
    code.is_some_and(|code| code & 0xff == FULL || code == IOERR_WRITE)
}

/// Why the state could not be opened. Each says what to do next.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file cannot be opened or made.
    #[error("{path} cannot be opened: {error}")]
    Unopenable {
        /// The database file.
        path: PathBuf,
        /// What the database says.
        error: sqlx::Error,
    },
    /// Not SQLite, or broken.
    #[error("{path} is damaged ({why}); put it back from a backup. Nothing was changed")]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// SQLite, but not ours.
    #[error("{path} is another program's database; choose another --data directory")]
    Foreign {
        /// The database file.
        path: PathBuf,
    },
    /// Written by a later version.
    #[error(
        "{path} was written by a newer version of Doorward (schema {version}); \
         use that version, or another --data directory"
    )]
    Newer {
        /// The database file.
        path: PathBuf,
        /// Its schema's number.
        version: i64,
    },
    /// Made for another domain.
    #[error(
        "this gateway's domain is {found}, fixed at first start; start it without --domain \
         {asked}, or with another --data directory"
    )]
    Domain {
        /// The domain that the state is for.
        found: String,
        /// The one that was asked for.
        asked: String,
    },
    /// Made under another name.
    #[error(
        "this gateway's name is {found}, fixed at first start; set name = \"{found}\", or use \
         another --data directory"
    )]
    Name {
        /// The name that the state is for.
        found: String,
        /// The one that was asked for.
        asked: String,
    },
    /// The bundle in force does not read.
    #[error("the bundle in force (revision {revision}) does not read:\n{errors}")]
    Bundle {
        /// Its number.
        revision: i64,
        /// What is wrong with it.
        errors: BundleErrors,
    },
    /// The state could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}
