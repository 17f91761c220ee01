//! The path of a flow, from its request to a backend and back.
//!
//! ```text
//! Requested ─authorize→ Authorized ─open→ Opened ─dial→ Dialed ─relay→ Ended ─record→ audit
//! ```
//!
//! Each stage consumes the value of the stage before, and no other code can make or copy the
//! values. So an undecided flow cannot be recorded as open, an unrecorded flow cannot be dialed,
//! and a flow that was not dialed under a live lease cannot be relayed. An ending that nobody
//! records records itself.
//!
//! Invariants
//! - The dialed address comes from the permit, and is the address that was checked.
//! - A refusal at an interface's name always looks the same on the wire, whatever its reason.
//! - A cut or a broken backend never looks like a complete transfer.
//! - Only `dial` opens connections to backends, and only `relay` moves bytes. Lints enforce both.
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
    Bounds, DeclareError, DialError, Dialer, Glob, GlobError, Networks, NetworksError,
    OnlineAgents, Paths, Twice, Wants,
};
pub use pipeline::{
    Approach, Approached, ClientEnd, Dialed, Ended, Granted, Means, NamedInterface, NotDialed,
    NotOpened, Opened, Rates, RefusedFlow, Requested, Via, WantedFlow, approach, authorize, dial,
    inspect, open, record, refuse, relay,
};
pub use vouch::{IdentifiedAsker, NotVouched, Vouch, Vouched};
