//! What a machine reaches without a network: its programs and its serial lines. The gateway's
//! dials and the agent's offers both stand on it, so that an interface is the same whether it is
//! the gateway's own or a device's.
//!
//! Invariants
//! - A program is started by no shell, with nothing of this program's environment, and nothing
//!   that it has started outlives its [`Program`]. Between the two is a keeper, a process of this
//!   same binary, which outlives this one for long enough to see to that: see [`keep_programs`].
//! - A serial line is opened without becoming this program's terminal, and is set as it was found
//!   when its [`Tty`] goes.
//! - A [`Line`] is the same whether it is a [`Tty`] or somebody else's behind a stream: [`Remote`]
//!   speaks RFC 2217 with [`serve`] at the other end. Neither waits for the other without a bound,
//!   nor keeps more than a bound for it.
//!
//! This crate must never know: who may start or open what, where bytes go, policies, networks.

mod keeper;
mod line;
mod modes;
mod outbox;
mod program;
mod remote;
mod request;
mod serve;
pub mod telnet;
mod tty;
mod watch;

pub use keeper::keep_programs;
pub use line::Line;
pub use program::Program;
pub use remote::Remote;
pub use request::{Answer, InForce, LineRequest, Modem, Purge};
pub use serve::{Broken, serve};
pub use tty::Tty;
pub use watch::Watch;

#[cfg(test)]
mod tests;
