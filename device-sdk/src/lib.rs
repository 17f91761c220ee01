//! The client library: enrols with a Doorward gateway, renews the identity, and opens interfaces.
//!
//! ```no_run
//! # async fn example(clock: std::sync::Arc<dyn doorward_model::Clock>)
//! # -> Result<(), doorward_sdk::Error> {
//! use doorward_sdk::{Client, IdentityDir, Settings, enrol};
//!
//! let dir = IdentityDir::new("/var/lib/thermostat/identity");
//! enrol(&dir, &"dw1.…".parse()?, false).await?;
//! let client = Client::start(dir, Settings::new(clock))?;
//! let stream = client.stream(&"http--boiler".parse().unwrap()).await?;
//! # drop(stream);
//! client.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! A [`Client`] runs one task that connects, renews and connects again (`driver.rs`). Each
//! connection is made by `dial.rs` and served by `session.rs`. Their decisions are made without
//! I/O: what is sent on a connection (`control_state.rs`), which connection or renewal comes next
//! (`planner.rs`), how long to wait (`backoff.rs`), when to renew (`schedule.rs`), and what time it
//! is (`time.rs`).
//!
//! Invariants
//! - The private key is made here and stays in the identity directory, with mode 0600. It is on
//!   disk before the request for its certificate is sent.
//! - An identity is replaced completely or not at all, and only by one that was tried.
//! - A server is trusted only if its chain leads to the anchor that the code named.
//! - A wrong local clock never makes the client trust a certificate that ended before a time that
//!   has certainly passed.
//! - A [`Client`] opens flows on one connection. A replaced connection ends with its last flow.
//! - There is always a wait before the next attempt to connect.
//!
//! The feature `aws-lc-rs` (the default) or `ring` selects the cryptographic library. With
//! `default-features = false, features = ["ring"]`, nothing of the other library is built.
//!
//! This crate must never know: policies, the gateway's store, other subjects.

mod api;
mod backoff;
mod client;
mod connect;
mod connection_end;
mod control_state;
mod crypto;
mod dial;
mod driver;
mod enrol;
mod error;
mod files;
mod flow;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod identity;
mod link;
mod live;
mod offer;
mod offered;
mod pinned;
mod planner;
mod posture;
mod recover;
mod renew;
mod schedule;
mod session;
mod settings;
mod shared;
mod status;
#[cfg(test)]
mod tests;
mod time;
mod tls_words;
mod verify;

pub use api::{Api, Reply};
pub use backoff::Pace;
pub use client::Client;
pub use connect::{ByName, connect};
pub use doorward_wire::{Asked, FlowKind, Pipe, Report, Value, Why};
pub use enrol::{Enrolled, Greeting, enrol, enrolled_with, greet};
pub use error::{Error, Next};
pub use flow::{Datagrams, Flow, FlowPreview, Stream, Wanted};
pub use http::Method;
pub use identity::{GatewayFacts, Identity, IdentityDir, Validity};
pub use offer::{Handler, Incoming};
pub use offered::Offered;
pub use posture::{Collector, SystemCollector};
pub use renew::{Renewal, renew, renew_if_due};
pub use settings::{Settings, Transport};
pub use status::{State, Status};
