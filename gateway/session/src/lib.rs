//! Listeners, authentication, identification, limits and leases: everything between a connection
//! and a permit.
//!
//! A connection goes through three stages. Each stage consumes the value of the stage before:
//! [`Accepted`] (the connection holds a slot within the limits), [`Authenticated`] (the handshake
//! is done, and the chain has been verified now, whether the TLS session was resumed or not),
//! [`Session`] (the leaf certificate names exactly one subject, and its issuance row is live).
//! [`Leases::ask`] decides what a session asks for. It enters a pending lease *before* it loads the
//! snapshot, so that no commit can pass between the decision and the lease.
//!
//! A connection to an interface's host name, and a CONNECT to an interface, go to the [`Flows`]
//! port. Every other request goes to the [`Front`] port.
//!
//! Invariants
//! - Only this crate makes a [`Session`], and only from the proven leaf.
//! - A connection that is dropped without its proper end is reset, never closed: see
//!   [`TcpConnection`].
//! - The three resumption domains share no tickets, no ticket is valid for more than an hour, and
//!   `doorward/1` resumes nothing.
//! - Every queue, map and wait before authentication is bounded. After it, the bytes are bounded
//!   that peers have sent on streams and that nobody has read.
//!
//! This crate must never know: the authority and its keys, the database, what an interface
//! speaks.

mod accept;
mod authenticate;
mod connection;
mod direct;
mod dispatch;
mod endpoint;
mod http;
mod identify;
mod lease;
mod limits;
mod link;
mod listener;
mod note;
mod path;
mod ports;
mod pot;
mod pots;
mod quic;
mod refusals;
mod secured;
mod serving;
mod session;
mod tcp;
mod tickets;
mod tls;
mod trust;
mod visit;
mod wire;

pub use accept::Accepted;
pub use authenticate::Authenticated;
pub use connection::Connection;
pub use endpoint::ListenerKind;
pub use http::{
    Body, BodyError, Payload, Problem, RefusalForm, RequestId, Whole, empty, json, mark, present,
    text,
};
pub use identify::IdentityError;
pub use lease::{Authorized, Cause, Lease, Leases, Referee, Refused, Suspend, Tracked};
pub use limits::{LARGEST_BODY, Limits, MachineResources, SessionLimits, Setting};
pub use link::{CutNotice, DeviceFlow, Link, LinkError, OpenRequest, RenewedCertificate};
pub use listener::Listener;
pub use note::note;
pub use ports::{Flows, Front, Tunnel, TunnelOpening};
pub use pot::{Places, Pot, Rank, Size};
pub use pots::Pots;
pub use quic::QuicListener;
pub use refusals::Refusals;
pub use serving::Serving;
pub use session::Session;
pub use tcp::TcpConnection;
pub use tls::{OwnNames, TlsSettings, TlsVersion};
pub use trust::{Anchor, Trust, TrustError};
pub use visit::Visit;
pub use wire::{StreamWire, Wire};
