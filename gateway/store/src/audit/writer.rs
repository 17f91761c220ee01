use std::sync::Arc;
use std::time::Duration;

use doorward_model::Clock;
use doorward_policies::{Class, JournalError, Record};
use jiff::Timestamp;
use sqlx::Connection as _;
use tokio::sync::{mpsc, oneshot, watch};

use crate::audit::{alarm, insert};
use crate::ballast::Ballast;
use crate::database::{WriteConnection, micros};
use crate::error::StoreError;

/// The most records of one transaction.
pub(super) const BATCH: usize = 512;

/// How long to wait before records that could not be written are tried again.
const AGAIN: Duration = Duration::from_secs(1);

pub(super) type Pruned = oneshot::Sender<Result<u64, JournalError>>;

pub(super) enum Entry {
    Record {
        class: Class,
        record: Box<Record>,
        /// Whoever waits for it to be on disk. An ending has nobody, and neither has an operation:
        /// these are tried until they are.
        reply: Option<oneshot::Sender<Result<(), JournalError>>>,
    },
    Prune {
        before: Timestamp,
        reply: Pruned,
    },
}

/// The one task that writes the log. It takes what has come while the last group was synced
/// and syncs it as the next, so nobody waits for more than two syncs.
pub(super) struct Writer {
    pub(super) connection: WriteConnection,
    pub(super) queue: mpsc::Receiver<Entry>,
    pub(super) max_bytes: u64,
    pub(super) ballast: Ballast,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) last: watch::Sender<i64>,
    pub(super) trouble: watch::Sender<Option<JournalError>>,
    pub(super) bytes: watch::Sender<u64>,
}

impl Writer {
    pub(super) async fn run(mut self) {
        let known = sqlx::query_scalar("SELECT coalesce(max(seq), 0) FROM records");
        if let Ok(connection) = self.connection.get().await
            && let Ok(seq) = known.fetch_one(connection).await
        {
            self.last.send_replace(seq);
        }
        self.measure().await;
        // Endings, and operations, that could not be written yet. Bounded: while there are any,
        // nothing new is opened or done, every open flow has one ending, and the operations are
        // those that were in the queue.
        let mut owed: Vec<Record> = Vec::new();
        let mut group = Vec::with_capacity(BATCH);
        loop {
            let open = if owed.is_empty() {
                self.queue.recv_many(&mut group, BATCH).await > 0
            } else {
                let more = tokio::time::timeout(AGAIN, self.queue.recv_many(&mut group, BATCH));
                more.await.is_ok_and(|count| count > 0) || !self.queue.is_closed()
            };
            self.write(&mut owed, std::mem::take(&mut group)).await;
            if !open && (owed.is_empty() || self.queue.is_closed()) {
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

    async fn write(&mut self, owed: &mut Vec<Record>, group: Vec<Entry>) {
        let full = self.is_full();
        let broken = self.trouble.borrow().is_some();
        let mut records = std::mem::take(owed);
        let endings = records.len();
        let mut waiting = Vec::new();
        let mut unwaited = Vec::new();
        for entry in group {
            match entry {
                Entry::Prune { before, reply } => {
                    let outcome = self.prune(before).await;
                    if outcome.is_ok() {
                        self.settle().await;
                    }
                    drop(reply.send(outcome));
                }
                Entry::Record { class: Class::Ordinary, reply: Some(reply), .. } if full => {
                    drop(reply.send(Err(JournalError::Full)));
                }
                Entry::Record { record, reply, .. } => match reply {
                    Some(reply) => waiting.push((*record, reply)),
                    None => unwaited.push(*record),
                },
            }
        }
        records.extend(unwaited);
        if records.is_empty() && waiting.is_empty() {
            return;
        }
        let all = records.iter().chain(waiting.iter().map(|(record, _)| record));
        let mut outcome = self.insert_all(all.clone()).await;
        if matches!(outcome, Err(StoreError::Full)) && self.ballast.release() {
            tracing::error!("the disk is full; the room that was kept for this has been given up");
            outcome = self.insert_all(all).await;
        }
        match outcome {
            Ok(last) => {
                waiting.into_iter().for_each(|(_, reply)| drop(reply.send(Ok(()))));
                self.last.send_replace(last);
                if broken || endings > 0 {
                    tracing::info!("the audit log is written again");
                }
                self.settle().await;
            }
            Err(error) => {
                let error = journal_error(error);
                if !broken {
                    tracing::error!(%error, "the audit log cannot be written; flows are refused");
                }
                for (_, reply) in waiting {
                    drop(reply.send(Err(error.clone())));
                }
                *owed = records;
                self.trouble.send_replace(Some(error));
            }
        }
    }

    /// After something was written: tells whether flows can be taken, and leaves a record when
    /// that changes for the worse.
    async fn settle(&mut self) {
        self.measure().await;
        let trouble = self.is_full().then_some(JournalError::Full);
        let before = self.trouble.borrow().clone();
        if before == trouble {
            return;
        }
        if let Some(trouble) = &trouble {
            tracing::error!(%trouble, "flows are refused");
            let record = alarm(self.clock.now(), &trouble.to_string());
            if let Ok(seq) = self.insert_all([&record].into_iter()).await {
                self.last.send_replace(seq);
            }
        }
        self.trouble.send_replace(trouble);
    }

    async fn prune(&mut self, before: Timestamp) -> Result<u64, JournalError> {
        let mut outcome = delete(&mut self.connection, before).await;
        if matches!(outcome, Err(StoreError::Full)) && self.ballast.release() {
            self.connection.give_up().await;
            outcome = delete(&mut self.connection, before).await;
        }
        match outcome {
            Ok(deleted) => {
                self.ballast.take();
                Ok(deleted)
            }
            Err(error) => {
                self.connection.give_up().await;
                Err(journal_error(error))
            }
        }
    }

    /// Writes records, all of them or none.
    async fn insert_all(
        &mut self,
        records: impl Iterator<Item = &Record>,
    ) -> Result<i64, StoreError> {
        let outcome = insert_all(&mut self.connection, records).await;
        if outcome.is_err() {
            self.connection.give_up().await;
        }
        outcome
    }

    fn is_full(&self) -> bool {
        *self.bytes.borrow() >= self.max_bytes / 16 * 15
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

async fn insert_all(
    connection: &mut WriteConnection,
    records: impl Iterator<Item = &Record>,
) -> Result<i64, StoreError> {
    let mut transaction = connection.get().await?.begin_with("BEGIN IMMEDIATE").await?;
    let mut last = 0;
    for record in records {
        last = insert(&mut transaction, record).await?;
    }
    transaction.commit().await?;
    Ok(last)
}

/// Deletes the records before an instant, and gives their room back to the disk.
async fn delete(connection: &mut WriteConnection, before: Timestamp) -> Result<u64, StoreError> {
    let connection = connection.get().await?;
    let deleted = sqlx::query("DELETE FROM records WHERE at < ?")
        .bind(micros(before))
        .execute(&mut *connection)
        .await?
        .rows_affected();
    for give_back in ["PRAGMA incremental_vacuum", "PRAGMA wal_checkpoint(TRUNCATE)"] {
        sqlx::query(give_back).execute(&mut *connection).await?;
    }
    Ok(deleted)
}

fn journal_error(error: StoreError) -> JournalError {
    match error {
        StoreError::Full => JournalError::DiskFull,
        other => JournalError::Broken(other.to_string()),
    }
}
