//! The interface of the audit log.

use std::pin::Pin;

use thiserror::Error;

use super::Record;

/// The audit log, as its callers see it.
///
/// `open` and `write` finish when the record is on disk. `append` finishes when the record is
/// accepted for writing. If they return an error, the event must not happen.
///
/// A record beyond its [`Bound`](super::Bound) is counted instead. The log gets the count within a
/// minute or, after the party has used up its day, within an hour.
pub trait Journal: Send + Sync {
    /// Records that something begins, and reserves room for its ending, so that the ending never
    /// waits and is never lost.
    fn open(&self, record: Record) -> Opening;

    /// Records an event that has no ending.
    fn write(&self, record: Record) -> Written;

    /// Accepts the record of an operation. The future finishes when it is the record's turn; the
    /// record is on disk within a second.
    fn append(&self, record: Record) -> Written;
}

/// The reserved room for an ending.
pub trait Closing: Send + Sync {
    /// Records the ending. It never blocks, and the record is on disk within a second.
    fn close(self: Box<Self>, record: Record);
}

/// A future that finishes when an opening record is on disk.
pub type Opening =
    Pin<Box<dyn Future<Output = Result<Box<dyn Closing>, JournalError>> + Send + 'static>>;

/// A future that finishes when a record is on disk.
pub type Written = Pin<Box<dyn Future<Output = Result<(), JournalError>> + Send + 'static>>;

/// Why a record cannot be written. The cause is Doorward or the operator, never a peer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum JournalError {
    /// The log has reached its size limit.
    #[error(
        "the audit log is full; make room with `doorward audit prune`, or raise audit.max-bytes"
    )]
    Full,
    /// The disk is full.
    #[error("the disk is full, so nothing can be recorded; make room in the data directory")]
    DiskFull,
    /// The disk or the database returned an error.
    #[error("the audit log cannot be written: {0}")]
    Broken(String),
    /// Too many records are waiting to be written.
    #[error("the audit log cannot keep up")]
    Busy,
    /// The gateway is stopping.
    #[error("the gateway is stopping")]
    Closed,
}

impl JournalError {
    /// Returns whether no record can be written. A log at its size limit still takes some classes.
    #[must_use]
    pub fn stops_everything(&self) -> bool {
        match self {
            Self::Full => false,
            Self::DiskFull | Self::Broken(_) | Self::Busy | Self::Closed => true,
        }
    }
}
