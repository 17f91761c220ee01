//! Serial lines: one hub for each that is open, and in it a seat for each flow.
//!
//! Invariants
//! - At most one flow writes to a line or changes how it is set; a second is refused, and never
//!   let in with less than it wanted.
//! - Whoever reads gets every byte from the moment it sat down, or an error.
//! - What the one who controlled a line has changed is put back when it goes, and what the line
//!   was set to before it was opened is put back when the last one goes.

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod hub;
mod hub_state;
mod runner;
mod seat;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use doorward_local::Line;
use doorward_model::{Action, LineSettings};
use tokio::task::JoinHandle;

use self::hub::Hub;
use self::runner::Runner;
pub(crate) use self::seat::Seat;
use super::{Bounds, DialError};

/// What a flow may do with a serial line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wants {
    /// Get what the line says.
    pub read: bool,
    /// Say something to it.
    pub write: bool,
    /// Change how it is set.
    pub control: bool,
}

impl Wants {
    /// To speak with what is on the line.
    pub(super) const TALK: Self = Self { read: true, write: true, control: false };
    /// Everything.
    pub const ALL: Self = Self { read: true, write: true, control: true };

    /// What a flow wants that was granted these actions.
    pub(crate) fn of(actions: &[Action]) -> Self {
        Self {
            read: actions.contains(&Action::Read),
            write: actions.contains(&Action::Write),
            control: actions.contains(&Action::Control),
        }
    }

    /// Whether this takes the one place of those who act on the line.
    fn acts(self) -> bool {
        self.write || self.control
    }
}

/// Where the line at `path` really is, and its address.
pub(super) async fn real(bounds: &Bounds, path: &Path) -> Result<(PathBuf, String), DialError> {
    bounds.check_serial(path)?;
    // A link could lead out of the bounds: what is opened is where it leads.
    let real = tokio::fs::canonicalize(path).await?;
    bounds.check_serial(&real)?;
    let address = format!("serial:{}", real.display());
    Ok((real, address))
}

/// The lines that are open, each by its real address.
#[derive(Clone, Debug, Default)]
pub(crate) struct SerialLines(Arc<Mutex<HashMap<String, Slot>>>);

/// Held while a line is opened or is being closed, so that nobody sees it half set.
type Slot = Arc<tokio::sync::Mutex<Option<Open>>>;

#[derive(Debug)]
struct Open {
    hub: Arc<Hub>,
    /// Ends when the line is as it was found.
    runner: JoinHandle<()>,
}

impl SerialLines {
    /// Takes a seat at the line `address`, which `open` opens and sets if nobody sits there yet.
    ///
    /// # Errors
    /// When it cannot be opened, is open with other settings, or its one place for acting is
    /// wanted and taken.
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
            // It is closing: what it was set to first has to be put back before it is read
            // anew.
            if let Err(error) = (&mut found.runner).await {
                tracing::warn!(%error, line = %address, "a serial line was not closed properly");
            }
            *slot = None;
        }
        let line = open.await?;
        let hub = Hub::new(settings, line.in_force());
        // Before the runner starts: it ends when there is nobody.
        let seat = hub.sit(&settings, wants)?.ok_or(DialError::Nothing)?;
        let runner = Runner::new(Arc::clone(&hub), line, address);
        *slot = Some(Open { hub, runner: tokio::spawn(runner.run()) });
        Ok(seat)
    }

    fn slot(&self, address: String) -> Slot {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What is neither open nor about to be is forgotten.
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
