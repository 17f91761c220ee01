//! Fuzz targets for the state machines and parsers of this crate, as in [`doorward_wire::fuzzing`].

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

mod clock;
mod course;
mod offers;
mod system;
mod talk;
mod waits;

use doorward_wire::fuzzing::Target;

pub use clock::clock;
pub use course::course;
pub use offers::offers;
pub use system::system;
pub use talk::talk;
pub use waits::{backoff, schedule};

/// The targets of this crate.
pub const TARGETS: &[Target] = &[
    Target { name: "talk", run: talk, corpus: talk::corpus },
    Target { name: "course", run: course, corpus: course::corpus },
    Target { name: "backoff", run: backoff, corpus: waits::corpus },
    Target { name: "schedule", run: schedule, corpus: waits::corpus },
    Target { name: "clock", run: clock, corpus: clock::corpus },
    Target { name: "offers", run: offers, corpus: offers::corpus },
    Target { name: "system", run: system, corpus: system::corpus },
];

#[cfg(test)]
mod tests;
