//! Enrol with a Doorward gateway, keep the identity fresh, and reach interfaces through it.
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
//! A [`Client`] is one task that connects, greets, renews and begins again (`driver.rs`); each
//! of its connections is a `session.rs`, made by `dial.rs`. What it decides by is free of I/O:
//! what is said on a connection (`talk.rs`), which connection or renewal comes next
//! (`course.rs`), how long to wait (`backoff.rs`), when to renew (`schedule.rs`), what time it is
//! (`time.rs`).
//!
//! Invariants
//! - The private key is made here and stays in the identity directory, 0600; it is on disk
//!   before the request for its certificate leaves.
//! - An identity is replaced whole or not at all, and only by one that has been tried.
//! - No server is trusted but one whose chain leads to the anchor that the code named.
//! - A clock that is wrong makes nobody trusted whose certificate ended before a time that has
//!   certainly been.
//! - A [`Client`] has one connection that flows are opened on. One that another has taken the
//!   place of ends with its last flow.
//! - Whatever happens, there is a wait before the next try.
//!
//! The cryptography is done by the feature `aws-lc-rs` (the default) or `ring`. With
//! `default-features = false, features = ["ring"]` nothing of the other is built.
//!
//! This crate must never know: policies, the gateway's store, other subjects.

mod api;
mod backoff;
mod client;
mod connect;
mod course;
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
mod over;
mod pinned;
mod posture;
mod recover;
mod renew;
mod schedule;
mod session;
mod settings;
mod shared;
mod status;
mod talk;
#[cfg(test)]
mod tests;
mod time;
mod verify;

pub use api::{Api, Reply};
pub use backoff::Pace;
pub use client::Client;
pub use connect::{ByName, connect};
pub use doorward_wire::{Asked, Kind, Pipe, Report, Value, Why};
pub use enrol::{Enrolled, Greeting, enrol, enrolled_with, greet};
pub use error::{Error, Next};
pub use flow::{Datagrams, Flow, Stream, Wanted};
pub use identity::{GatewayFacts, Identity, IdentityDir, Validity};
pub use offer::{Handler, Incoming, Offered};
pub use posture::{Collector, SystemCollector};
pub use renew::{Renewal, renew, renew_if_due};
pub use settings::{Settings, Transport};
pub use status::{State, Status};
