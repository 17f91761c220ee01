//! What a machine reaches without a network: its programs and its serial lines. The gateway's
//! dials and the agent's offers both stand on it, so that an interface is the same whether it is
//! the gateway's own or a device's.
//!
//! Invariants
//! - A program is started by no shell, with nothing of this program's environment, and nothing
//!   that it has started in its process group outlives its [`Program`].
//! - A serial line is opened without becoming this program's terminal, and how it was set then is
//!   known, so that it can be put back.
//!
//! This crate must never know: who may start or open what, where bytes go, policies, sockets.

mod line;
mod program;

pub use line::{modes, open};
pub use program::Program;
