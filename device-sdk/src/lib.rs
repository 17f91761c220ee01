//! Enrol with a Doorward gateway, keep the identity fresh, and reach interfaces through it.
//!
//! ```no_run
//! # async fn example() -> Result<(), doorward_sdk::Error> {
//! use doorward_sdk::{IdentityDir, connect, enrol};
//!
//! let dir = IdentityDir::new("/var/lib/thermostat/identity");
//! enrol(&dir, &"dw1.…".parse()?, false).await?;
//! let stream = connect(&dir.load()?, &"http--boiler".parse().unwrap()).await?;
//! # drop(stream);
//! # Ok(())
//! # }
//! ```
//!
//! Invariants
//! - The private key is made here and stays in the identity directory, 0600; it is on disk
//!   before the request for its certificate leaves.
//! - An identity is replaced whole or not at all, and only by one that has been tried.
//! - No server is trusted but one whose chain leads to the anchor that the code named.
//!
//! This crate must never know: policies, the gateway's store, other subjects.

mod api;
mod connect;
mod enrol;
mod error;
mod files;
mod identity;
mod link;
mod pinned;
mod renew;

pub use api::{Api, Reply};
pub use connect::{Stream, connect};
pub use enrol::{Enrolled, Greeting, enrol, enrolled_with, greet};
pub use error::{Error, Next};
pub use identity::{GatewayFacts, Identity, IdentityDir, Validity};
pub use renew::{Renewal, renew, renew_if_due};
