//! The agent's commands: `doorward-agent …` and `doorward agent …`.
//!
//! Invariants
//! - A local listener does not bypass the policy for other users. A Unix socket is open to its
//!   owner only. TCP is loopback only, and needs `--open` or, for the proxy, a token.
//! - A flow that the gateway cut never ends with status 0, and local programs see a reset.
//! - An agent offers only what its owner's file names.
//! - Flows, connections, datagrams and requests that wait are bounded.
//!
//! This crate must never know: policies, the gateway's store.

mod arguments;
mod carry;
mod client_opener;
mod command;
mod connect;
mod console;
mod datagrams;
mod enroll;
mod failure;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod identity;
mod keys;
mod listen;
mod local_listener;
mod local_stream;
mod notices;
mod opener;
mod private;
mod proxy;
mod raw_terminal;
mod report;
mod run;
mod serve;
mod settings;
mod signals;
mod status;
mod stdio;
mod terminal;

pub use arguments::arguments;
pub use command::{AgentCommand, TWO_PROGRAMS, run};
pub use connect::ConnectArgs;
pub use enroll::{EnrollArgs, enroll};
pub use failure::{Failure, NOT_BUILT};
pub use identity::{IdentityArgs, default_dir};
pub use proxy::ProxyArgs;
pub use report::ErrorReport;
pub use settings::{GivenSetting, SettingPlace, SettingsError, SettingsFile, SettingsTable};
