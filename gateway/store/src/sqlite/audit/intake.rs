//! The one entrance of the log. It checks each record against its party's bound and against the
//! room of its class, in one step.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use doorward_policies::{Class, JournalError, Record};
use tokio::sync::watch;
use tokio::time::Instant;

use super::budget::{Budget, BudgetVerdict};
use super::log_line::LogLine;

/// What became of a record.
pub(super) enum IntakeResult {
    Written(LogLine),
    Counted,
    Refused(JournalError),
}

/// Decides about records before they are queued.
pub(super) struct Intake {
    budget: Mutex<Budget>,
    began: Instant,
    max_bytes: u64,
    /// How many bytes are queued or being written.
    coming: AtomicU64,
    trouble: watch::Receiver<Option<JournalError>>,
    bytes: watch::Receiver<u64>,
}

impl Intake {
    pub(super) fn new(
        max_bytes: u64,
        trouble: watch::Receiver<Option<JournalError>>,
        bytes: watch::Receiver<u64>,
    ) -> Self {
        let (budget, coming) = (Mutex::default(), AtomicU64::new(0));
        Self { budget, began: Instant::now(), max_bytes, coming, trouble, bytes }
    }

    pub(super) fn trouble(&self) -> watch::Receiver<Option<JournalError>> {
        self.trouble.clone()
    }

    pub(super) fn bytes(&self) -> u64 {
        *self.bytes.borrow()
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Accepts a record for writing, counts it, or refuses it.
    pub(super) fn take(&self, mut record: Record) -> IntakeResult {
        let now = self.now();
        let mut budget = self.budget();
        match budget.take(&mut record, |class| self.has_room(class), now) {
            BudgetVerdict::Counted => IntakeResult::Counted,
            BudgetVerdict::NoRoom => {
                let trouble = self.trouble.borrow().clone();
                IntakeResult::Refused(trouble.unwrap_or(JournalError::Full))
            }
            // The lock is still held, so the next record finds less room.
            BudgetVerdict::Written => match self.line(&record) {
                Ok(line) => IntakeResult::Written(line),
                Err(error) => IntakeResult::Refused(error),
            },
        }
    }

    /// Makes the line of an ending, which has a reserved slot in the queue. `None` if it cannot be
    /// serialized. Ours.
    pub(super) fn ending(&self, record: &Record) -> Option<LogLine> {
        match self.line(record) {
            Ok(line) => Some(line),
            Err(error) => {
                tracing::error!(%error, "the end of a flow, session or request was not recorded");
                None
            }
        }
    }

    fn line(&self, record: &Record) -> Result<LogLine, JournalError> {
        let line = LogLine::of(record).map_err(|error| JournalError::Broken(error.to_string()))?;
        self.coming.fetch_add(line.length(), Ordering::SeqCst);
        Ok(line)
    }

    /// Counts the ending of an event whose opening was only counted.
    pub(super) fn count(&self, record: &Record) {
        self.budget().count(record, self.now());
    }

    /// Notes that queued bytes are on the disk, or will not be written.
    pub(super) fn arrived(&self, length: u64) {
        self.coming.fetch_sub(length, Ordering::SeqCst);
    }

    /// Returns the lines of the sums that must be written now.
    pub(super) fn due(&self, end: bool) -> Vec<LogLine> {
        let due = self.budget().due(|class| self.has_room(class), end, self.now());
        due.iter().filter_map(|record| self.ending(record)).collect()
    }

    /// Returns whether the log has room for flows.
    pub(super) fn takes_flows(&self) -> bool {
        self.bytes() < Class::Permitted.room(self.max_bytes)
    }

    fn has_room(&self, class: Class) -> bool {
        let broken = self.trouble.borrow().as_ref().is_some_and(JournalError::stops_everything);
        let filled = self.bytes().saturating_add(self.coming.load(Ordering::SeqCst));
        class == Class::Rescue || !broken && filled < class.room(self.max_bytes)
    }
}
