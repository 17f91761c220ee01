//! The audit log: records in the order in which they were written, synced in groups.

mod read;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use doorward_model::Clock;
use doorward_policies::{Class, Closing, Event, Journal, JournalError, Opening, Record, Written};
use jiff::Timestamp;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnection, SqlitePoolOptions};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::ballast::Ballast;
use crate::database::{self, WriteConnection, micros, reading};
use crate::error::{OpenError, StoreError};
use crate::open::ballast_path;
use writer::{Entry, Pruned};

pub use read::Numbered;

pub(crate) const FILE: &str = "audit.db";
pub(crate) const SCHEMA: &[(&str, &str)] = &[("audit", include_str!("audit.sql"))];

/// How long a record may wait for a place in the queue.
const PATIENCE: Duration = Duration::from_secs(5);

/// The bounds of the audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditSettings {
    /// The most bytes that the log has. At fifteen sixteenths of it flows are refused; the
    /// rest is for administrators, to log in and make room.
    pub max_bytes: u64,
    /// How many sessions and flows may be open at once: each keeps a place for its ending.
    pub open: usize,
}

impl AuditSettings {
    /// The least `max_bytes`.
    pub const SMALLEST: u64 = 1024 * 1024;
}

/// The audit log. Cheap to clone; every clone is the same log.
#[derive(Clone)]
pub struct AuditLog {
    entries: mpsc::Sender<Entry>,
    readers: SqlitePool,
    last: watch::Receiver<i64>,
    trouble: watch::Receiver<Option<JournalError>>,
    bytes: watch::Receiver<u64>,
}

impl AuditLog {
    /// Whether a log is in `dir`.
    #[must_use]
    pub fn exists(dir: &Path) -> bool {
        std::fs::metadata(dir.join(FILE)).is_ok_and(|found| found.len() > 0)
    }

    /// Opens the log in `dir`, making it if it is not there, and starts the task that writes.
    /// [`Store::open`](crate::Store::open) has looked at it before.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(
        dir: &Path,
        settings: AuditSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, JoinHandle<()>), OpenError> {
        let path = dir.join(FILE);
        let connection = database::open(&path, SCHEMA, true).await?;
        let connection = WriteConnection::new(&path, connection);
        let (entries, queue) = mpsc::channel(settings.open + writer::BATCH * 4);
        let (tell_last, last) = watch::channel(0);
        let (tell_trouble, trouble) = watch::channel(None);
        let (tell_bytes, bytes) = watch::channel(0);
        let writer = writer::Writer {
            connection,
            queue,
            max_bytes: settings.max_bytes,
            ballast: Ballast::new(ballast_path(dir)),
            clock,
            last: tell_last,
            trouble: tell_trouble,
            bytes: tell_bytes,
        };
        let task = tokio::spawn(writer.run());
        let readers = SqlitePoolOptions::new().max_connections(2).connect_lazy_with(reading(&path));
        Ok((Self { entries, readers, last, trouble, bytes }, task))
    }

    /// Why the log cannot take flows now, if it cannot; and every later change of that.
    #[must_use]
    pub fn trouble(&self) -> watch::Receiver<Option<JournalError>> {
        self.trouble.clone()
    }

    /// How many bytes the log has.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        *self.bytes.borrow()
    }

    /// The number of the last record, and of every later one.
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
        let entry = Entry::Prune { before, reply };
        self.entries.send(entry).await.map_err(|_| JournalError::Closed)?;
        answer.await.map_err(|_| JournalError::Closed)?
    }
}

impl Journal for AuditLog {
    fn open(&self, class: Class, record: Record) -> Opening {
        // The place for the ending comes first, so that an opening never lacks one.
        let place = match self.entries.clone().try_reserve_owned() {
            Ok(place) => place,
            Err(TrySendError::Full(entries)) => {
                return Box::pin(async move {
                    let place = patiently(entries.clone().reserve_owned()).await?;
                    send(&entries, class, record).await?;
                    Ok(Box::new(Place(place)) as Box<dyn Closing>)
                });
            }
            Err(TrySendError::Closed(_)) => {
                return Box::pin(async { Err(JournalError::Closed) });
            }
        };
        let written = self.write(class, record);
        Box::pin(async move {
            written.await?;
            Ok(Box::new(Place(place)) as Box<dyn Closing>)
        })
    }

    /// Takes its turn in the queue at once, if there is room: records stand in the log in the
    /// order in which they were handed over, whoever waits for them first.
    fn write(&self, class: Class, record: Record) -> Written {
        let (entry, answer) = entry(class, record);
        match self.entries.try_send(entry) {
            Ok(()) => Box::pin(async { answer.await.map_err(|_| JournalError::Closed)? }),
            Err(TrySendError::Full(entry)) => {
                let entries = self.entries.clone();
                Box::pin(async move {
                    patiently(entries.send(entry)).await?;
                    answer.await.map_err(|_| JournalError::Closed)?
                })
            }
            Err(TrySendError::Closed(_)) => Box::pin(async { Err(JournalError::Closed) }),
        }
    }

    fn append(&self, record: Record) -> Written {
        // Nobody waits for it to be written, so what cannot be is not taken to begin with.
        if let Some(trouble) = self.trouble.borrow().clone() {
            return Box::pin(async { Err(trouble) });
        }
        let record = Box::new(record);
        let entry = Entry::Record { class: Class::Ordinary, record, reply: None };
        match self.entries.try_send(entry) {
            Ok(()) => Box::pin(async { Ok(()) }),
            Err(TrySendError::Full(entry)) => {
                let entries = self.entries.clone();
                Box::pin(async move { patiently(entries.send(entry)).await })
            }
            Err(TrySendError::Closed(_)) => Box::pin(async { Err(JournalError::Closed) }),
        }
    }
}

type Answered = oneshot::Receiver<Result<(), JournalError>>;

fn entry(class: Class, record: Record) -> (Entry, Answered) {
    let (reply, answer) = oneshot::channel();
    (Entry::Record { class, record: Box::new(record), reply: Some(reply) }, answer)
}

async fn send(
    entries: &mpsc::Sender<Entry>,
    class: Class,
    record: Record,
) -> Result<(), JournalError> {
    let (entry, answer) = entry(class, record);
    patiently(entries.send(entry)).await?;
    answer.await.map_err(|_| JournalError::Closed)?
}

/// Waits for a place in the queue, within bounds.
async fn patiently<T, E>(place: impl Future<Output = Result<T, E>>) -> Result<T, JournalError> {
    let place = tokio::time::timeout(PATIENCE, place).await;
    place.map_err(|_| JournalError::Busy)?.map_err(|_| JournalError::Closed)
}

/// A place in the queue that is kept for an ending.
struct Place(mpsc::OwnedPermit<Entry>);

impl Closing for Place {
    fn close(self: Box<Self>, record: Record) {
        let record = Box::new(record);
        self.0.send(Entry::Record { class: Class::Administration, record, reply: None });
    }
}

pub(crate) async fn insert(
    connection: &mut SqliteConnection,
    record: &Record,
) -> Result<i64, StoreError> {
    let json = serde_json::to_string(record).map_err(|error| StoreError::Row(error.to_string()))?;
    let seq =
        sqlx::query_scalar("INSERT INTO records (at, flow, record) VALUES (?, ?, ?) RETURNING seq")
            .bind(micros(record.at))
            .bind(record.flow.map(|flow| flow.to_string()))
            .bind(json)
            .fetch_one(connection)
            .await?;
    Ok(seq)
}

/// An alarm about the log itself.
fn alarm(at: Timestamp, detail: &str) -> Record {
    Record::new(at, Event::Alarm).detail(detail)
}
