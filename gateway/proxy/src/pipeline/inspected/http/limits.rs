//! The limits of heads and connections.

use std::time::Duration;

/// How long the head of a request may take to arrive.
pub(super) const HEAD_TIME: Duration = Duration::from_secs(30);
/// The longest head, in bytes: the request line and all fields.
pub(super) const HEAD: usize = 64 * 1024;
/// The most fields of a head that the HTTP library accepts.
/// [`FIELDS`](doorward_inspect::http::FIELDS) is smaller, and its refusal has a proper response.
pub(super) const HEAD_FIELDS: usize = 128;
/// How long the end of a connection may take to be sent.
pub(super) const PARTING: Duration = Duration::from_secs(1);
