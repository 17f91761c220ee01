//! Modbus on serial lines. Each open line has one bus, which sends the requests of all its flows
//! one after another.
//!
//! Invariants
//! - The bus sends one whole request at a time, and the next one after its response or its timeout.
//!   So a flow that is cut never leaves half a frame on the line.
//! - A response goes only to the flow that sent the request.

mod bus;
mod seat;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use doorward_model::LineSettings;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use self::bus::{Bus, BusRequest, BusTiming};
pub(crate) use self::seat::RtuSeat;
use super::DialError;
use super::serial::Seat;

/// How many requests may wait for a line.
const QUEUE: usize = 64;

/// The lines that Modbus is spoken on, by their address.
#[derive(Clone, Debug, Default)]
pub(super) struct RtuLines(Arc<Mutex<HashMap<String, Slot>>>);

/// The mutex is held while a line is opened, so that no other flow opens it again.
type Slot = Arc<tokio::sync::Mutex<Option<Open>>>;

#[derive(Debug)]
struct Open {
    /// Weak, because the bus lives as long as its flows.
    bus: mpsc::WeakSender<BusRequest>,
    /// Ends when the bus has closed the line.
    task: JoinHandle<()>,
}

impl RtuLines {
    /// Takes a seat at the bus of the line `address`. Without a bus, `sit` takes the line's only
    /// seat for writing.
    pub(super) async fn join(
        &self,
        address: String,
        settings: LineSettings,
        sit: impl Future<Output = Result<Seat, DialError>>,
    ) -> Result<RtuSeat, DialError> {
        let slot = self.slot(address.clone());
        let mut slot = slot.lock().await;
        if let Some(open) = slot.as_mut() {
            if let Some(bus) = open.bus.upgrade().filter(|bus| !bus.is_closed()) {
                return Ok(RtuSeat::new(bus));
            }
            if let Err(error) = (&mut open.task).await {
                tracing::warn!(%error, line = %address, "a Modbus line was not closed properly");
            }
            *slot = None;
        }
        let line = sit.await?;
        let (bus, asked) = mpsc::channel(QUEUE);
        let task = tokio::spawn(Bus::new(line, BusTiming::of(&settings), address).run(asked));
        *slot = Some(Open { bus: bus.downgrade(), task });
        Ok(RtuSeat::new(bus))
    }

    fn slot(&self, address: String) -> Slot {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let open = |slot: &Option<Open>| slot.as_ref().is_some_and(|open| !open.task.is_finished());
        slots.retain(|_, slot| {
            Arc::strong_count(slot) > 1 || slot.try_lock().map_or(true, |slot| open(&slot))
        });
        Arc::clone(slots.entry(address).or_default())
    }
}

#[cfg(test)]
mod tests;
