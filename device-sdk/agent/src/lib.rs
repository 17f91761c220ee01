//! The agent's commands: what `doorward-agent …` and `doorward agent …` do.
//!
//! Invariants
//! - A local listener is no way around: a Unix socket is its owner's alone; TCP is loopback
//!   only, and only after `--open` or, for the proxy, with a token.
//! - What the gateway cut never ends with status 0, and is a reset for local programs.
//! - Nothing is reached through an agent that its owner's file does not name.
//! - Whatever waits is bounded: flows, connections, datagrams, requests.
//!
//! This crate must never know: policies, the gateway's store.

mod arguments;
mod carry;
mod command;
mod connect;
mod datagrams;
mod doors;
mod enroll;
mod failure;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod identity;
mod listen;
mod listener;
mod local;
mod private;
mod proxy;
mod run;
mod serve;
mod signals;
mod stdio;
mod through;

pub use arguments::arguments;
pub use command::{AgentCommand, run};
pub use enroll::{enroll, read_code};
pub use failure::{Failure, NOT_BUILT};
pub use identity::{IdentityArgs, default_dir};
