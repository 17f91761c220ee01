//! CoAP over UDP: reads what each message asks for (RFC 7252, RFC 7641 for Observe, RFC 7959 for
//! blocks).
//!
//! A datagram is a message, so [`Coap`] is a [`DatagramMachine`](crate::DatagramMachine).
//!
//! Names
//! - The path is that of the URI (RFC 7252, section 6.5): `/a/b` at the interface `lamp` is
//!   `lamp/a/b`, and `/`, without a Uri-Path, is `lamp/`. An empty last segment counts.
//! - A path that servers read in different ways is refused with 4.00: one with an empty segment
//!   before others, or with a segment that is not UTF-8, is `.` or `..`, or has a slash, a
//!   backslash, `?`, `#`, a control character or a percent-encoded octet.
//! - Each block is a request, and decided like one. Queries are not decided.
//! - The gateway removes Uri-Host and Uri-Port. It is no forward proxy: 5.05.
//! - An unknown option does not pass in a request if it is critical or unsafe to forward (4.02;
//!   OSCORE and Q-Block are such options), nor in a response if it is unsafe to forward (5.02).
//! - Methods other than GET, POST, PUT and DELETE are answered with 4.05.
//! - A message with more than 256 options is rejected.
//!
//! Observing
//! - A registration needs `get` and `observe`. Each notification needs `observe` when it comes. A
//!   deregistration needs `get`.
//! - A registration for which there is no room becomes a plain GET.
//! - For a notification that is not permitted, the client gets 4.03, and the gateway rejects it
//!   towards the device.
//!
//! Messages
//! - A forwarded message keeps its type and id, so the two endpoints themselves acknowledge, repeat
//!   and detect duplicates. The gateway changes the token: towards the device, a token always means
//!   the same path.
//! - A request gets one answer each time it is forwarded. The answer may be repeated.
//! - The gateway answers pings itself, and does not disturb the device.
//! - A request of the device and a response of the client are dropped.

mod code;
mod exchange;
mod flow;
mod form;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod message;
mod option;
mod request;
#[cfg(test)]
mod tests;

pub use flow::Coap;
