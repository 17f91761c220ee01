//! The audit log as the rest of the program sees it.

use std::pin::Pin;

use thiserror::Error;

use super::Record;

/// The audit log, as the rest of the program sees it.
///
/// `open` and `write` answer when the record is on disk, `append` when it is on its way there, or
/// that it cannot be; then nothing that had to be recorded may happen.
///
/// A record beyond its [`Bound`](super::Bound) is counted instead, and the count stands in the
/// log within a minute or, once its party has used up its day, within an hour.
pub trait Journal: Send + Sync {
    /// Records that something begins, and keeps a place for its ending, so that an ending
    /// never waits and is never lost for want of room.
    fn open(&self, record: Record) -> Opening;

    /// Records something that has no ending of its own.
    fn write(&self, record: Record) -> Written;

    /// Hands over a record of an operation. It answers when the record has its turn; on disk it is
    /// within a second.
    fn append(&self, record: Record) -> Written;
}

/// The place that is kept for an ending.
pub trait Closing: Send + Sync {
    /// Records the ending. On disk within a second; never blocks.
    fn close(self: Box<Self>, record: Record);
}

/// Answers when an opening record is on disk.
pub type Opening =
    Pin<Box<dyn Future<Output = Result<Box<dyn Closing>, JournalError>> + Send + 'static>>;

/// Answers when a record is on disk.
pub type Written = Pin<Box<dyn Future<Output = Result<(), JournalError>> + Send + 'static>>;

/// Why a record cannot be written. Ours or the operator's fault, never a peer's.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The log has reached its bound.
    #[error(
        "the audit log is full; make room with `doorward audit prune`, or raise audit.max-bytes"
    )]
    Full,
    /// The disk has no room.
    #[error("the disk is full, so nothing can be recorded; make room in the data directory")]
    DiskFull,
    /// The disk or database refused.
    #[error("the audit log cannot be written: {0}")]
    Broken(String),
    /// More is waiting to be written than may wait.
    #[error("the audit log cannot keep up")]
    Busy,
    /// The gateway is stopping.
    #[error("the gateway is stopping")]
    Closed,
}
