//! The audit log: records in the order of their arrival, synced in groups.

mod budget;
mod intake;
mod log_line;
mod read;
#[cfg(test)]
mod tests;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use doorward_model::Clock;
use doorward_policies::{Closing, Journal, JournalError, Opening, Record, Written};
use jiff::Timestamp;
use sqlx::sqlite::SqlitePoolOptions;
use sqlx::{Connection as _, SqlitePool};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::ballast::Ballast;
use crate::error::{OpenError, StoreError};
use crate::sqlite::WriteConnection;
use crate::sqlite::files::{self, reading};
use intake::{Intake, IntakeResult};
use log_line::LogLine;
use writer::{Pruned, QueueEntry};

pub use read::Numbered;

pub(crate) const FILE: &str = "audit.db";
pub(crate) const SCHEMA: &[(&str, &str)] = &[("audit", include_str!("audit.sql"))];

/// How long a record may wait for a slot in the queue.
const PATIENCE: Duration = Duration::from_secs(5);

/// The bounds of the audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditSettings {
    /// The bound of the log's size. At three quarters of it, records that anybody can cause are
    /// only counted. At fifteen sixteenths, flows are refused. The rest is for administrators. See
    /// [`Class`](doorward_policies::Class).
    pub max_bytes: u64,
    /// How many sessions and flows may be open at once. Each reserves a slot in the queue for its
    /// ending.
    pub open: usize,
}

impl AuditSettings {
    /// The smallest `max_bytes`.
    pub const SMALLEST: u64 = 1024 * 1024;
}

/// The audit log. Clones are cheap and share one log.
#[derive(Clone)]
pub struct AuditLog {
    entries: mpsc::Sender<QueueEntry>,
    readers: SqlitePool,
    last: watch::Receiver<i64>,
    intake: Arc<Intake>,
}

impl AuditLog {
    /// Returns whether `dir` holds a log.
    #[must_use]
    pub fn exists(dir: &Path) -> bool {
        std::fs::metadata(dir.join(FILE)).is_ok_and(|found| found.len() > 0)
    }

    /// Opens the log in `dir`, creates it if it is not there, and starts the task that writes.
    /// Whoever has opened the state has inspected the log, too, and reserves disk space for both.
    pub(crate) async fn open(
        dir: &Path,
        settings: AuditSettings,
        clock: Arc<dyn Clock>,
        ballast: Ballast,
    ) -> Result<(Self, JoinHandle<()>), OpenError> {
        let path = dir.join(FILE);
        let open = async || files::open(&path, SCHEMA, true).await;
        let connection = ballast.open_with_room(open).await?;
        let connection = WriteConnection::new(&path, connection);
        let (entries, queue) = mpsc::channel(settings.open + writer::BATCH * 4);
        let (tell_last, last) = watch::channel(0);
        let (tell_trouble, trouble) = watch::channel(None);
        let (tell_bytes, bytes) = watch::channel(0);
        let intake = Arc::new(Intake::new(settings.max_bytes, trouble, bytes));
        let writer = writer::AuditWriter {
            connection,
            queue,
            intake: Arc::clone(&intake),
            ballast,
            clock,
            last: tell_last,
            trouble: tell_trouble,
            bytes: tell_bytes,
        };
        let task = tokio::spawn(writer.run());
        let readers = SqlitePoolOptions::new().max_connections(2).connect_lazy_with(reading(&path));
        Ok((Self { entries, readers, last, intake }, task))
    }

    /// Returns a receiver of why the log cannot take flows; `None` while it can.
    #[must_use]
    pub fn trouble(&self) -> watch::Receiver<Option<JournalError>> {
        self.intake.trouble()
    }

    /// Returns the size of the log in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.intake.bytes()
    }

    /// Returns a receiver of the number of the last record.
    #[must_use]
    pub fn last(&self) -> watch::Receiver<i64> {
        self.last.clone()
    }

    /// Deletes the records before an instant. Returns how many.
    ///
    /// # Errors
    /// When the log refuses.
    pub async fn prune(&self, before: Timestamp) -> Result<u64, JournalError> {
        let (reply, answer): (Pruned, _) = oneshot::channel();
        let entry = QueueEntry::Prune { before, reply };
        self.entries.send(entry).await.map_err(|_| JournalError::Closed)?;
        answer.await.map_err(|_| JournalError::Closed)?
    }

    /// Queues a line at once if there is room, and waits until it is on disk. So records stand in
    /// the log in the order of the calls, whichever caller waits first.
    fn send(&self, line: LogLine) -> Written {
        let (reply, answer) = oneshot::channel();
        let queued = self.queue(QueueEntry::Line { line, reply: Some(reply) });
        Box::pin(async {
            queued.await?;
            answer.await.map_err(|_| JournalError::Closed)?
        })
    }

    /// Waits until the entry is in the queue.
    fn queue(&self, entry: QueueEntry) -> Written {
        match self.entries.try_send(entry) {
            Ok(()) => Box::pin(async { Ok(()) }),
            Err(TrySendError::Full(entry)) => {
                let (entries, intake) = (self.entries.clone(), Arc::clone(&self.intake));
                Box::pin(async move {
                    let length = entry.length();
                    let sent = patiently(entries.send(entry)).await;
                    if sent.is_err() {
                        intake.arrived(length);
                    }
                    sent
                })
            }
            Err(TrySendError::Closed(_)) => Box::pin(async { Err(JournalError::Closed) }),
        }
    }
}

impl Journal for AuditLog {
    fn open(&self, record: Record) -> Opening {
        let line = match self.intake.take(record) {
            IntakeResult::Written(line) => line,
            IntakeResult::Counted => {
                let intake = Arc::clone(&self.intake);
                return Box::pin(async { Ok(Box::new(Uncounted(intake)) as Box<dyn Closing>) });
            }
            IntakeResult::Refused(error) => return Box::pin(async { Err(error) }),
        };
        // The slot of the ending is reserved first, so that an opening is never without one.
        let slot = self.entries.clone().try_reserve_owned();
        let (log, intake) = (self.clone(), Arc::clone(&self.intake));
        match slot {
            Ok(slot) => {
                let written = self.send(line);
                Box::pin(async move {
                    written.await?;
                    Ok(Box::new(ReservedEnding { slot, intake }) as Box<dyn Closing>)
                })
            }
            Err(TrySendError::Full(entries)) => Box::pin(async move {
                let length = line.length();
                let slot = patiently(entries.reserve_owned()).await;
                let slot = slot.inspect_err(|_| log.intake.arrived(length))?;
                log.send(line).await?;
                Ok(Box::new(ReservedEnding { slot, intake }) as Box<dyn Closing>)
            }),
            Err(TrySendError::Closed(_)) => Box::pin(async { Err(JournalError::Closed) }),
        }
    }

    fn write(&self, record: Record) -> Written {
        match self.intake.take(record) {
            IntakeResult::Written(line) => self.send(line),
            IntakeResult::Counted => Box::pin(async { Ok(()) }),
            IntakeResult::Refused(error) => Box::pin(async { Err(error) }),
        }
    }

    fn append(&self, record: Record) -> Written {
        match self.intake.take(record) {
            IntakeResult::Written(line) => self.queue(QueueEntry::Line { line, reply: None }),
            IntakeResult::Counted => Box::pin(async { Ok(()) }),
            IntakeResult::Refused(error) => Box::pin(async { Err(error) }),
        }
    }
}

/// Waits for a slot in the queue, within bounds.
async fn patiently<T, E>(slot: impl Future<Output = Result<T, E>>) -> Result<T, JournalError> {
    let slot = tokio::time::timeout(PATIENCE, slot).await;
    slot.map_err(|_| JournalError::Busy)?.map_err(|_| JournalError::Closed)
}

/// A slot in the queue that is reserved for an ending.
struct ReservedEnding {
    slot: mpsc::OwnedPermit<QueueEntry>,
    intake: Arc<Intake>,
}

impl Closing for ReservedEnding {
    fn close(self: Box<Self>, record: Record) {
        if let Some(line) = self.intake.ending(&record) {
            self.slot.send(QueueEntry::Line { line, reply: None });
        }
    }
}

/// The ending of an event whose opening was only counted.
struct Uncounted(Arc<Intake>);

impl Closing for Uncounted {
    fn close(self: Box<Self>, record: Record) {
        self.0.count(&record);
    }
}

/// Writes records into the log in `dir`, for a caller that has no log open.
pub(crate) async fn insert_alone(dir: &Path, records: &[Record]) -> Result<(), OpenError> {
    let mut connection = files::open(&dir.join(FILE), SCHEMA, true).await?;
    for record in records {
        let line = LogLine::of(record).map_err(|error| StoreError::Row(error.to_string()))?;
        line.insert(&mut connection).await?;
    }
    Ok(connection.close().await.map_err(StoreError::from)?)
}
