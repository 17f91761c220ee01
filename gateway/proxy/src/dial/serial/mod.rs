//! Serial lines. Each open line has one hub, with a seat for each flow.
//!
//! Invariants
//! - At most one flow writes to a line or changes its settings. A second is refused, and never gets
//!   less than it asked for.
//! - A reader gets every byte from the moment it sat down, or an error.
//! - When the controlling flow leaves, the hub restores the settings that the flow changed. When
//!   the last flow leaves, the hub restores the settings from before the line was opened.

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod hub;
mod hub_state;
mod runner;
mod seat;
mod wants;

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use doorward_local::Line;
use doorward_model::LineSettings;
use tokio::task::JoinHandle;

use self::hub::Hub;
use self::runner::Runner;
pub(crate) use self::seat::Seat;
pub use self::wants::Wants;
use super::error::DialError;

/// The open lines, by their real address.
#[derive(Clone, Debug, Default)]
pub(crate) struct SerialLines(Arc<Mutex<HashMap<String, Slot>>>);

/// The mutex is held while a line is opened or closed, so that no other flow sees it half set.
type Slot = Arc<tokio::sync::Mutex<Option<Open>>>;

#[derive(Debug)]
struct Open {
    hub: Arc<Hub>,
    /// Ends when the original settings of the line are restored.
    runner: JoinHandle<()>,
}

impl SerialLines {
    /// Takes a seat at the line `address`. `open` opens and sets the line if it is closed.
    ///
    /// # Errors
    /// The line cannot be opened, is open with other settings, or its only seat for writing and
    /// control is wanted and taken.
    pub(crate) async fn sit<L: Line>(
        &self,
        address: String,
        settings: LineSettings,
        wants: Wants,
        open: impl Future<Output = io::Result<L>>,
    ) -> Result<Seat, DialError> {
        let slot = self.slot(address.clone());
        let mut slot = slot.lock().await;
        if let Some(found) = slot.as_mut() {
            if let Some(seat) = found.hub.sit(&settings, wants)? {
                return Ok(seat);
            }
            // The line is closing. Its original settings must be restored before they are read
            // again.
            if let Err(error) = (&mut found.runner).await {
                tracing::warn!(%error, line = %address, "a serial line was not closed properly");
            }
            *slot = None;
        }
        let line = open.await?;
        let hub = Hub::new(settings, line.in_force());
        // The seat must exist before the runner starts, because the runner ends when there is no
        // seat.
        let seat = hub.sit(&settings, wants)?.ok_or(DialError::Nothing)?;
        let runner = Runner::new(Arc::clone(&hub), line, address);
        *slot = Some(Open { hub, runner: tokio::spawn(runner.run()) });
        Ok(seat)
    }

    fn slot(&self, address: String) -> Slot {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Forgets the lines that are neither open nor about to be.
        slots.retain(|_, slot| {
            let open =
                |slot: &Option<Open>| slot.as_ref().is_some_and(|open| !open.runner.is_finished());
            Arc::strong_count(slot) > 1 || slot.try_lock().map_or(true, |slot| open(&slot))
        });
        Arc::clone(slots.entry(address).or_default())
    }
}

#[cfg(test)]
mod tests;
