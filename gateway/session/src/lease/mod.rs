//! Leases: permits that live as long as their flows, and end at once when they no longer hold.

mod admission;
mod cause;
mod connection_entry;
mod cut;
#[cfg(test)]
mod fixture;
mod flow_entry;
mod held;
mod index;
mod leases;
mod ledger;
mod referee;
mod refused;
mod review;
mod session_entry;
#[cfg(test)]
mod tests;
mod traffic;
mod view;

/// The primitives that [`index`] uses.
mod sync {
    pub(super) use std::sync::{Arc, Mutex, PoisonError};
}

pub use cause::Cause;
pub(crate) use connection_entry::ConnectionEntry;
pub use held::{Authorized, Lease, Tracked};
pub use leases::Leases;
pub use referee::{Referee, Suspend};
pub use refused::Refused;
pub(crate) use session_entry::SessionEntry;
