//! The one task that writes the log.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use doorward_model::Clock;
use doorward_policies::{Event, JournalError, Record};
use jiff::Timestamp;
use sqlx::Connection as _;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};

use super::intake::Intake;
use super::log_line::LogLine;
use crate::ballast::Ballast;
use crate::error::StoreError;
use crate::sqlite::{WriteConnection, micros};

/// The most records of one transaction.
pub(super) const BATCH: usize = 512;

/// How often the task writes the counts that are due, and tries again what it could not write.
const TURN: Duration = Duration::from_secs(1);

/// How many records are deleted at a time.
const PRUNED: i64 = 2048;

pub(super) type Pruned = oneshot::Sender<Result<u64, JournalError>>;

type Reply = oneshot::Sender<Result<(), JournalError>>;

pub(super) enum QueueEntry {
    Line {
        line: LogLine,
        /// Whoever waits until the line is on disk. Endings and operations have nobody who waits;
        /// they are tried again until they are written.
        reply: Option<Reply>,
    },
    Prune {
        before: Timestamp,
        reply: Pruned,
    },
}

/// A deletion in progress.
struct Pruning {
    before: Timestamp,
    reply: Pruned,
    deleted: u64,
}

impl QueueEntry {
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Line { line, .. } => line.length(),
            Self::Prune { .. } => 0,
        }
    }
}

/// Writes the log. It collects the records that arrive during one sync and writes them together
/// with the next, so nobody waits for more than two syncs.
pub(super) struct AuditWriter {
    pub(super) connection: WriteConnection,
    pub(super) queue: mpsc::Receiver<QueueEntry>,
    pub(super) intake: Arc<Intake>,
    pub(super) ballast: Ballast,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) last: watch::Sender<i64>,
    pub(super) trouble: watch::Sender<Option<JournalError>>,
    pub(super) bytes: watch::Sender<u64>,
}

impl AuditWriter {
    pub(super) async fn run(mut self) {
        let known = sqlx::query_scalar("SELECT coalesce(max(seq), 0) FROM records");
        if let Ok(connection) = self.connection.get().await
            && let Ok(seq) = known.fetch_one(connection).await
        {
            self.last.send_replace(seq);
        }
        self.measure().await;
        // Lines that nobody waits for and that could not be written yet. Their number is bounded:
        // while there are any, nothing new is opened or done, every open flow has one ending, and
        // the operations are those that were in the queue.
        let mut owed: Vec<LogLine> = Vec::new();
        let mut group = Vec::with_capacity(BATCH);
        let mut prunings = VecDeque::new();
        let mut turn = Instant::now() + TURN;
        loop {
            let until = if prunings.is_empty() { turn } else { Instant::now() };
            let more = timeout_at(until, self.queue.recv_many(&mut group, BATCH)).await;
            let is_over = more.is_ok_and(|count| count == 0);
            if is_over || Instant::now() >= turn {
                turn = Instant::now() + TURN;
                owed.extend(self.intake.due(is_over));
                self.try_again(&mut owed);
            }
            self.write(&mut owed, &mut prunings, std::mem::take(&mut group)).await;
            self.prune(&mut prunings).await;
            if is_over {
                break;
            }
        }
        if !owed.is_empty() {
            tracing::error!(records = owed.len(), "the last records could not be written");
        }
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "the audit log was not closed cleanly");
        }
    }

    /// Writes an alarm when the log was broken and the reserved disk space is there again. While
    /// the log is broken nothing else is written that could show that it works again.
    fn try_again(&self, owed: &mut Vec<LogLine>) {
        if owed.is_empty() && self.is_broken() && self.ballast.is_kept() {
            let text = "the audit log could not be written for a while; it is written again";
            owed.extend(self.alarm(text));
        }
    }

    fn is_broken(&self) -> bool {
        self.trouble.borrow().as_ref().is_some_and(JournalError::stops_everything)
    }

    /// Makes an alarm about the log itself.
    fn alarm(&self, text: &str) -> Option<LogLine> {
        self.intake.ending(&Record::new(self.clock.now(), Event::Alarm).detail(text))
    }

    async fn write(
        &mut self,
        owed: &mut Vec<LogLine>,
        prunings: &mut VecDeque<Pruning>,
        group: Vec<QueueEntry>,
    ) {
        let mut lines = std::mem::take(owed);
        let (mut waiting, mut rescues) = (Vec::new(), Vec::new());
        for entry in group {
            match entry {
                QueueEntry::Line { line, reply: Some(reply) } if line.is_rescue() => {
                    rescues.push((line, reply));
                }
                QueueEntry::Line { line, reply: Some(reply) } => waiting.push((line, reply)),
                QueueEntry::Line { line, reply: None } => lines.push(line),
                QueueEntry::Prune { before, reply } => {
                    prunings.push_back(Pruning { before, reply, deleted: 0 });
                }
            }
        }
        if lines.is_empty() && waiting.is_empty() && rescues.is_empty() {
            return;
        }
        let mut outcome = Err(StoreError::Full);
        // While the reserved disk space is in use, it is for rescues only.
        let in_use = self.is_broken() || self.ballast.is_given_up();
        if !in_use || self.ballast.is_kept() {
            let waiting = waiting.iter().chain(&rescues).map(|(line, _)| line);
            outcome = self.insert_all(lines.iter().chain(waiting)).await;
        }
        match outcome {
            Ok(()) => {
                self.intake.arrived(lines.iter().map(LogLine::length).sum());
                waiting.append(&mut rescues);
                self.answer(waiting, Ok(()));
                if self.is_broken() {
                    tracing::info!("the audit log is written again");
                    self.trouble.send_replace(None);
                }
                self.settle().await;
            }
            Err(error) => {
                let is_full = matches!(error, StoreError::Full);
                let rescued = if is_full && !rescues.is_empty() {
                    self.rescue(&rescues).await
                } else {
                    Err(error)
                };
                let error = self.failed(rescued.as_ref().err());
                self.answer(rescues, rescued.map_err(|error| journal_error(&error)));
                self.answer(waiting, Err(error));
                *owed = lines;
            }
        }
    }

    /// Writes the records of requests that take rights away or make room on the disk, and releases the
    /// reserved disk space for them.
    async fn rescue(&mut self, rescues: &[(LogLine, Reply)]) -> Result<(), StoreError> {
        if self.ballast.release() {
            tracing::error!("the disk is full; the reserved disk space has been released");
        }
        self.insert_all(rescues.iter().map(|(line, _)| line)).await
    }

    /// Notes that records could not be written, and returns why.
    fn failed(&mut self, error: Option<&StoreError>) -> JournalError {
        let error = error.map_or(JournalError::DiskFull, journal_error);
        if !self.is_broken() {
            tracing::error!(%error, "the audit log cannot be written; flows are refused");
        }
        self.trouble.send_replace(Some(error.clone()));
        error
    }

    fn answer(&self, waiting: Vec<(LogLine, Reply)>, outcome: Result<(), JournalError>) {
        self.intake.arrived(waiting.iter().map(|(line, _)| line.length()).sum());
        for (_, reply) in waiting {
            // The caller may be gone.
            drop(reply.send(outcome.clone()));
        }
    }

    /// After a write: publishes whether flows can be taken, and records an alarm when they no
    /// longer can.
    async fn settle(&mut self) {
        self.measure().await;
        let trouble = (!self.intake.takes_flows()).then_some(JournalError::Full);
        let before = self.trouble.borrow().clone();
        if before == trouble {
            return;
        }
        if let Some(trouble) = &trouble {
            tracing::error!(%trouble, "flows are refused");
            if let Some(line) = self.alarm(&trouble.to_string()) {
                // If this fails, the program's log and the status say the same.
                drop(self.insert_all([&line].into_iter()).await);
                self.intake.arrived(line.length());
            }
        }
        self.trouble.send_replace(trouble);
    }

    /// Deletes a part of the records to be deleted. The next part has its turn after the records
    /// that have arrived meanwhile.
    async fn prune(&mut self, prunings: &mut VecDeque<Pruning>) {
        let Some(pruning) = prunings.front_mut() else { return };
        let mut outcome = delete_some(&mut self.connection, pruning.before).await;
        if matches!(outcome, Err(StoreError::Full)) && self.ballast.release() {
            self.connection.give_up().await;
            outcome = delete_some(&mut self.connection, pruning.before).await;
        }
        let outcome = match outcome {
            Ok(0) => Ok(pruning.deleted),
            Ok(deleted) => {
                pruning.deleted += deleted;
                return;
            }
            Err(error) => {
                self.connection.give_up().await;
                Err(journal_error(&error))
            }
        };
        if outcome.is_ok() {
            self.ballast.take();
            self.settle().await;
        }
        if let Some(pruning) = prunings.pop_front() {
            // The caller may be gone.
            drop(pruning.reply.send(outcome));
        }
    }

    /// Writes records, all or none.
    async fn insert_all(
        &mut self,
        lines: impl Iterator<Item = &LogLine>,
    ) -> Result<(), StoreError> {
        match insert_all(&mut self.connection, lines).await {
            Ok(last) => {
                self.last.send_if_modified(|known| {
                    last.is_some_and(|last| {
                        *known = last;
                        true
                    })
                });
                Ok(())
            }
            Err(error) => {
                self.connection.give_up().await;
                Err(error)
            }
        }
    }

    async fn measure(&mut self) {
        let used = sqlx::query_scalar::<_, i64>(
            "SELECT (page_count - freelist_count) * page_size \
             FROM pragma_page_count, pragma_freelist_count, pragma_page_size",
        );
        if let Ok(connection) = self.connection.get().await
            && let Ok(used) = used.fetch_one(connection).await
        {
            self.bytes.send_replace(u64::try_from(used).unwrap_or_default());
        }
    }
}

/// Writes lines, and returns the number of the last.
async fn insert_all(
    connection: &mut WriteConnection,
    lines: impl Iterator<Item = &LogLine>,
) -> Result<Option<i64>, StoreError> {
    let mut transaction = connection.get().await?.begin_with("BEGIN IMMEDIATE").await?;
    let mut last = None;
    for line in lines {
        last = Some(line.insert(&mut transaction).await?);
    }
    transaction.commit().await?;
    Ok(last)
}

/// Deletes some of the records before an instant, frees their disk space, and returns how many. A
/// part is small, so the deletion itself needs little disk space.
async fn delete_some(
    connection: &mut WriteConnection,
    before: Timestamp,
) -> Result<u64, StoreError> {
    let connection = connection.get().await?;
    let some = "DELETE FROM records WHERE seq IN (SELECT seq FROM records WHERE at < ? LIMIT ?)";
    let deleted = sqlx::query(some)
        .bind(micros(before))
        .bind(PRUNED)
        .execute(&mut *connection)
        .await?
        .rows_affected();
    for give_back in ["PRAGMA incremental_vacuum", "PRAGMA wal_checkpoint(TRUNCATE)"] {
        sqlx::query(give_back).execute(&mut *connection).await?;
    }
    Ok(deleted)
}

fn journal_error(error: &StoreError) -> JournalError {
    if let StoreError::Full = error {
        return JournalError::DiskFull;
    }
    JournalError::Broken(error.to_string())
}
