//! Programs and serial lines of this machine, as ends of a flow. Both the gateway's dials and the
//! agent's offers use this crate, so that an interface behaves the same on either machine.
//!
//! Invariants
//! - A program is started without a shell and without this program's environment. No process that
//!   it started outlives its [`Program`]. A keeper, a process of this same binary between the two,
//!   outlives this process long enough to end them: see [`keep_programs`].
//! - A serial line is opened without becoming this program's terminal. When its [`Tty`] is dropped,
//!   the line gets its original settings back.
//! - A [`Line`] behaves the same whether it is a [`Tty`] or a [`Remote`], which speaks RFC 2217 to
//!   [`serve()`] at the other end of a stream. Both ends bound how long they wait for each other and
//!   how much they buffer.
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
pub use request::{InForce, LineAnswer, LineRequest, Modem, Purge};
pub use serve::{ServeError, serve};
pub use tty::Tty;
pub use watch::Watch;

#[cfg(test)]
mod tests;
