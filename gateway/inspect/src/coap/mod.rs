//! CoAP over UDP: what each message asks for (RFC 7252, RFC 7641 for Observe, RFC 7959 for blocks).
//!
//! A datagram is a message, so this is no [`Machine`](crate::Machine): [`Coap::read`] takes one, and
//! at most one comes out for each side.
//!
//! Names
//! - The path is that of the URI (RFC 7252, section 6.5): `/a/b` at the interface `lamp` is
//!   `lamp/a/b`, and `/`, without a Uri-Path, is `lamp/`. An empty last segment counts.
//! - A path that servers read differently is refused with 4.00: one with an empty segment before
//!   others, or with a segment that is no UTF-8, is `.` or `..`, or holds a slash, a backslash, `?`,
//!   `#`, a control character or a percent-encoded octet.
//! - Each block is a request, and decided like one. Queries are not decided.
//! - The device hears neither Uri-Host nor Uri-Port. A forward proxy this is not: 5.05.
//! - An option that is not known does not pass in a request if it is critical or unsafe to forward
//!   (4.02; OSCORE and Q-Block are such), nor in a response if it is unsafe to forward (5.02).
//! - Methods other than GET, POST, PUT and DELETE are answered with 4.05.
//! - A message with more than 256 options is rejected.
//!
//! Observing
//! - To register asks `get` and `observe`; so does each notification, at its moment, `observe`. To
//!   deregister asks `get`.
//! - One more than there is room for is not registered, and its request is a plain GET.
//! - A notification that may not be seen is 4.03 for the client, and rejected towards the device.
//!
//! Messages
//! - What is forwarded keeps its type and id, so acknowledging, sending again and noticing what has
//!   come twice are the two endpoints' own affair. Its token is changed: towards the device, a token
//!   means one path for good.
//! - A request is answered once, by a response that may come again, each time that it is forwarded.
//! - A ping is answered here: it is no reason to disturb the device.
//! - A request of the device's, or a response of the client's, goes nowhere.

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
