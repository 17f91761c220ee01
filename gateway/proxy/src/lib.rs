//! The path of a flow, from a door to a backend and back.
//!
//! ```text
//! Requested ─authorize→ Authorized ─open→ Opened ─dial→ Dialed ─relay→ Ended ─record→ audit
//! ```
//!
//! Each stage consumes the value of the one before, and none of the values can be made or
//! copied elsewhere: what was not decided cannot be recorded as open, what was not recorded
//! cannot be dialed, what was not dialed under a live lease cannot be relayed, and an ending
//! that nobody records records itself.
//!
//! Invariants
//! - The address that is dialed comes from the permit and is the one that was checked.
//! - A refusal at an interface's door is one thing on the wire, whatever its ground.
//! - A cut or a broken backend never looks like a complete transfer.
//! - Connections to backends are opened in `dial`, bytes are moved in `relay`, and nowhere
//!   else (the lints say so).
//!
//! This crate must never know: the authority and its keys, the administration, the database.

mod connect;
mod dial;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod pipeline;
mod problem;
mod vouch;

pub use connect::Proxy;
pub use dial::{
    Agents, Bounds, DeclareError, DialError, Dialer, Glob, GlobError, Networks, NetworksError,
    Paths, Twice, Wants,
};
pub use pipeline::{
    Approach, Approached, Authority, Client, Dialed, Ended, Granted, Means, NotDialed, NotOpened,
    Opened, Rates, RefusedFlow, Requested, Via, Wanted, approach, authorize, dial, inspect, open,
    record, refuse, relay,
};
pub use vouch::{Asker, NotVouched, Vouch, Vouched};
