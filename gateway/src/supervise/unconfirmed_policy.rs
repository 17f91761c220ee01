//! Undoes bundles that nobody has confirmed in time.

use std::sync::Arc;
use std::time::Duration;

use doorward_control::undo_unconfirmed;
use doorward_model::Clock;
use doorward_policies::Journal;
use doorward_store::Store;

use crate::assemble::Gateway;
use crate::failure::CommandFailure;

/// How long to wait after the store has refused.
const AGAIN: Duration = Duration::from_secs(5);

/// Watches for a bundle whose time for confirmation has passed.
pub(super) struct UnconfirmedPolicy {
    store: Store,
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
}

impl UnconfirmedPolicy {
    pub(super) fn of(gateway: &Gateway) -> Self {
        Self {
            store: gateway.store.clone(),
            journal: Arc::clone(&gateway.journal),
            clock: Arc::clone(&gateway.clock),
        }
    }

    /// Undoes a bundle that was not confirmed in time. Returns how long to wait before the next
    /// call, if a bundle waits.
    pub(super) async fn undo_if_due(&self) -> Option<Duration> {
        match undo_unconfirmed(&self.store, &self.journal, &*self.clock).await {
            Ok(wait) => wait,
            Err(error) => {
                tracing::error!(%error, "an unconfirmed policy could not be undone");
                Some(AGAIN)
            }
        }
    }

    /// Calls [`Self::undo_if_due`] after each change of the state, and when a bundle is due.
    pub(super) async fn keep(self) -> Result<(), CommandFailure> {
        let mut snapshots = self.store.snapshots();
        loop {
            drop(snapshots.borrow_and_update());
            let wait = self.undo_if_due().await;
            let due = async {
                match wait {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                changed = snapshots.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                }
            }
        }
    }
}
