//! Records the opening of a session and its end, in this order.

use std::sync::{Arc, Mutex, PoisonError};

use doorward_policies::{Closing, Journal, JournalError, Record};
use tokio::sync::watch;

/// How far the audit log is with a session's opening record.
pub(super) struct Ledger {
    state: Mutex<LedgerState>,
    recorded: watch::Sender<Option<Result<(), JournalError>>>,
}

enum LedgerState {
    Opening,
    Open(Box<dyn Closing>),
    /// The session ended before its opening record was on disk.
    Ended(Box<Record>),
    Closed,
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self { state: Mutex::new(LedgerState::Opening), recorded: watch::Sender::new(None) }
    }

    /// Hands the opening record to the audit log, and does not wait for the disk.
    pub(super) fn open(self: &Arc<Self>, journal: &Arc<dyn Journal>, record: Record) {
        let (opening, ledger) = (journal.open(record), Arc::clone(self));
        tokio::spawn(async move {
            let outcome = opening.await;
            let recorded = outcome.as_ref().map(drop).map_err(Clone::clone);
            if let Ok(closing) = outcome {
                ledger.opened(closing);
            }
            ledger.recorded.send_replace(Some(recorded));
        });
    }

    /// Waits until the opening record is on disk.
    pub(super) async fn recorded(&self) -> Result<(), JournalError> {
        let mut recorded = self.recorded.subscribe();
        match recorded.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Err(JournalError::Closed)),
            Err(_) => Err(JournalError::Closed),
        }
    }

    fn opened(&self, closing: Box<dyn Closing>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *state, LedgerState::Closed) {
            LedgerState::Ended(record) => closing.close(*record),
            LedgerState::Opening | LedgerState::Open(_) | LedgerState::Closed => {
                *state = LedgerState::Open(closing);
            }
        }
    }

    /// Records the end, after the opening.
    pub(super) fn ended(&self, record: Record) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *state, LedgerState::Closed) {
            LedgerState::Open(closing) => closing.close(record),
            LedgerState::Opening => *state = LedgerState::Ended(Box::new(record)),
            other @ (LedgerState::Ended(_) | LedgerState::Closed) => *state = other,
        }
    }
}
