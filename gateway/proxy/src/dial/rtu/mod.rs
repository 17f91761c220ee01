//! Modbus on serial lines: one bus for each line that is open, and at it all flows that ask its
//! units something, one question after the other.
//!
//! Invariants
//! - One request is on the line at a time, whole, and nothing else is sent until it has been
//!   answered or its time is over: a flow that is cut leaves no half of a frame behind.
//! - An answer goes to the flow that asked, and to nobody else.

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

/// The lines on which Modbus is spoken, each by its address.
#[derive(Clone, Debug, Default)]
pub(super) struct RtuLines(Arc<Mutex<HashMap<String, Slot>>>);

/// Held while a line is opened, so that nobody opens it twice.
type Slot = Arc<tokio::sync::Mutex<Option<Open>>>;

#[derive(Debug)]
struct Open {
    /// There is a bus as long as there are flows.
    bus: mpsc::WeakSender<BusRequest>,
    /// Ends when the line is left.
    task: JoinHandle<()>,
}

impl RtuLines {
    /// Takes a place at the bus of the line `address`, at which `sit` takes the one seat of
    /// whoever writes if there is no bus yet.
    pub(super) async fn join(
        &self,
        address: String,
        settings: LineSettings,
        sit: impl Future<Output = Result<Seat, DialError>>,
    ) -> Result<RtuSeat, DialError> {
        let slot = self.slot(address.clone());
        let mut slot = slot.lock().await;
        if let Some(open) = slot.as_mut() {
            match open.bus.upgrade() {
                Some(bus) if !bus.is_closed() => return Ok(RtuSeat::new(bus)),
                _ => {}
            }
            if let Err(error) = (&mut open.task).await {
                tracing::warn!(%error, line = %address, "a Modbus line was not left properly");
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
