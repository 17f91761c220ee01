//! The errors of the store.

use std::path::PathBuf;

use doorward_ca::IssueError;
use doorward_ca::enrolment::CodeRefused;
use doorward_model::{DoorName, Subject};
use thiserror::Error;

/// Why a change was not made, or something could not be read.
#[derive(Debug, Error)]
pub enum StoreError {
    /// There is no such subject. The asker's fault.
    #[error("there is no {0}")]
    NoSubject(Subject),
    /// There is no such interface. The asker's fault.
    #[error("there is no interface {0}")]
    NoInterface(DoorName),
    /// The name is taken. The asker's fault.
    #[error("{0} is there already; remove it first, or choose another name")]
    SubjectExists(Subject),
    /// The interface is declared already. The asker's fault.
    #[error("the interface {0} is there already; remove it first")]
    InterfaceExists(DoorName),
    /// The code is not valid. The fault of whoever presents it.
    #[error(transparent)]
    Code(#[from] CodeRefused),
    /// The subject has changed since the asker's rights were checked. The asker can try again.
    #[error("{0} has just been changed by somebody else; look at it, and try again")]
    SubjectChanged(Subject),
    /// The interface has changed since the asker's rights were checked. The asker can try again.
    #[error("the interface {0} has just been changed by somebody else; look at it, and try again")]
    InterfaceChanged(DoorName),
    /// Another bundle has come into force since the author looked. The author can try again.
    #[error("another bundle has just come into force; look at that one, and apply again")]
    BundleChanged,
    /// The certificate with which a renewal was requested is no longer live. The asker's fault.
    #[error("the identity has just ended")]
    Ended,
    /// The subject was recently issued as many certificates as it may. The asker's fault.
    #[error("this identity was renewed too often; try again later")]
    TooOften,
    /// The device has reported about itself just before. The device's fault.
    #[error("this device reports too often; at most one report in half a second is stored")]
    ReportsTooOften,
    /// The certificate could not be signed. Ours, or the fault of the key's store.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// The disk is full.
    #[error("the disk is full; make room in the data directory")]
    Full,
    /// There is a row with the same key already. The asker can look, and try again.
    #[error("something has just taken that name or number; look at it, and try again")]
    Taken(String),
    /// The database refuses. Ours, or the operator's fault.
    #[error("the database refuses: {0}")]
    Refused(String),
    /// The database discarded the change and asks for it to be made again. The store does so by
    /// itself a few times.
    #[error("the database asked for the change to be made again, each time it was made: {0}")]
    Again(String),
    /// The database cannot be reached. The operator's fault.
    #[error("the database cannot be reached: {0}")]
    Gone(String),
    /// The database failed while it committed the change, so the change may stand or not.
    #[error("the database failed during the commit ({0}); look whether the change was made")]
    InDoubt(String),
    /// A row has a value that this program never writes.
    #[error("the database holds a value that no version of this program writes: {0}")]
    Row(String),
    /// The gateway is stopping.
    #[error("the gateway is stopping")]
    Closed,
}

impl StoreError {
    /// Returns whether the fault lies with the database, and not with the change.
    pub(crate) fn is_of_the_database(&self) -> bool {
        match self {
            Self::Full | Self::Refused(_) | Self::Again(_) | Self::Gone(_) | Self::InDoubt(_) => {
                true
            }
            Self::NoSubject(_)
            | Self::NoInterface(_)
            | Self::SubjectExists(_)
            | Self::InterfaceExists(_)
            | Self::Code(_)
            | Self::SubjectChanged(_)
            | Self::InterfaceChanged(_)
            | Self::BundleChanged
            | Self::Ended
            | Self::TooOften
            | Self::ReportsTooOften
            | Self::Issue(_)
            | Self::Taken(_)
            | Self::Row(_)
            | Self::Closed => false,
        }
    }

    /// Returns `exists` if a row with the same key is there already, else this error.
    pub(crate) fn or_taken(self, exists: impl FnOnce() -> Self) -> Self {
        if matches!(self, Self::Taken(_)) { exists() } else { self }
    }
}

/// Why the state could not be opened. Each text says what to do next.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The file cannot be opened or created.
    #[error("{path} cannot be opened: {why}")]
    Unopenable {
        /// The database file.
        path: PathBuf,
        /// What the database says.
        why: String,
    },
    /// The disk is full.
    #[error("the disk is full, so {path} cannot be opened; free some space, then start again")]
    Full {
        /// The database file.
        path: PathBuf,
    },
    /// The file is not a database, or it is broken.
    #[error("{path} is damaged ({why}); put it back from a backup. Nothing was changed")]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The file is another program's database.
    #[error("{path} is another program's database; choose another --data directory")]
    Foreign {
        /// The database file.
        path: PathBuf,
    },
    /// A later version of this program wrote the file.
    #[error(
        "{path} was written by a newer version of Doorward (schema {version}); \
         use that version, or another --data directory"
    )]
    Newer {
        /// The database file.
        path: PathBuf,
        /// The number of the file's schema.
        version: i64,
    },
    /// The state is for another domain.
    #[error(
        "this gateway's domain is {found}, fixed at first start; start it without --domain \
         {asked}, or with another --data directory"
    )]
    Domain {
        /// The domain of the state.
        found: String,
        /// The domain that the operator asked for.
        asked: String,
    },
    /// The state is for a gateway with another name.
    #[error(
        "this gateway's name is {found}, fixed at first start; set name = \"{found}\", or use \
         another --data directory"
    )]
    Name {
        /// The name in the state.
        found: String,
        /// The name that the operator asked for.
        asked: String,
    },
    /// The state could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OpenError {
    /// Returns whether the disk is full.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::Store(StoreError::Full))
    }
}
