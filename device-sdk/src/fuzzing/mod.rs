//! Fuzz targets for the state machines and parsers of this crate, as in [`doorward_wire::fuzzing`].

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

mod clock;
mod control_state;
mod offers;
mod planner;
mod system;
mod waits;

use doorward_wire::fuzzing::Target;

pub use clock::clock;
pub use control_state::talk;
pub use offers::offers;
pub use planner::course;
pub use system::system;
pub use waits::{backoff, schedule};

/// The targets of this crate.
pub const TARGETS: &[Target] = &[
    Target { name: "talk", run: talk, corpus: control_state::corpus },
    Target { name: "course", run: course, corpus: planner::corpus },
    Target { name: "backoff", run: backoff, corpus: waits::corpus },
    Target { name: "schedule", run: schedule, corpus: waits::corpus },
    Target { name: "clock", run: clock, corpus: clock::corpus },
    Target { name: "offers", run: offers, corpus: offers::corpus },
    Target { name: "system", run: system, corpus: system::corpus },
];

#[cfg(test)]
mod tests;
