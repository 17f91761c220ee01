//! Fuzz targets for the state machines and parsers of this crate, as in [`doorward_wire::fuzzing`].

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

mod clock;
mod control_state;
mod offers;
mod planner;
mod system;
mod waits;

use doorward_wire::fuzzing::FuzzTarget;

pub use clock::clock;
pub use control_state::talk;
pub use offers::offers;
pub use planner::course;
pub use system::system;
pub use waits::{backoff, schedule};

/// The targets of this crate.
pub const TARGETS: &[FuzzTarget] = &[
    FuzzTarget { name: "talk", run: talk, corpus: control_state::corpus },
    FuzzTarget { name: "course", run: course, corpus: planner::corpus },
    FuzzTarget { name: "backoff", run: backoff, corpus: waits::corpus },
    FuzzTarget { name: "schedule", run: schedule, corpus: waits::corpus },
    FuzzTarget { name: "clock", run: clock, corpus: clock::corpus },
    FuzzTarget { name: "offers", run: offers, corpus: offers::corpus },
    FuzzTarget { name: "system", run: system, corpus: system::corpus },
];

#[cfg(test)]
mod tests;
