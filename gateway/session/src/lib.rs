//! The doors of the gateway: who stands there, and for how long they may stay.
//!
//! A connection goes through three stages, each a value that the next one consumes:
//! [`Accepted`] (it holds a place within the limits), [`Authenticated`] (the handshake is
//! done, and the chain verified at the present, resumed or not), [`Session`] (the leaf names
//! exactly one subject, and its issuance row is live). What a session asks for is decided in
//! [`Leases::ask`], which enters a pending lease *before* it loads the snapshot, so that no
//! commit can pass between the decision and the lease.
//!
//! What arrives at an interface's name, or asks for one by CONNECT, is handed to the
//! [`Flows`] port; any other request to the [`Front`] port.
//!
//! Invariants
//! - A [`Session`] is made in this crate only, from the proven leaf only.
//! - A connection that is dropped without its proper end is reset, never closed: see [`TcpConnection`].
//! - The four resumption domains share no tickets, and no ticket is good for more than an hour.
//! - Every queue, map and wait before authentication is bounded; after it, what streams have brought
//!   and nobody has taken.
//!
//! This crate must never know: the authority and its keys, the database, what an interface
//! speaks.

mod accept;
mod authenticate;
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
mod wire;

pub use accept::Accepted;
pub use authenticate::Authenticated;
pub use endpoint::ListenerKind;
pub use http::{Body, BodyError, Payload, Problem, RequestId, Whole, empty, json, mark, text};
pub use identify::IdentityError;
pub use lease::{
    Authorized, Cause, EndingView, FlowView, Lease, Leases, Referee, RefereeView, Refused,
    SessionView, Suspend, Tracked,
};
pub use limits::{LARGEST_BODY, Limits, Machine, SessionLimits, Setting};
pub use link::{CutNotice, DeviceFlow, Link, LinkError, OpenRequest};
pub use listener::Listener;
pub use note::note;
pub use ports::{Flows, Front, Renewal, Tunnel, TunnelOpening, Visit};
pub use pot::{Places, Pot, Rank, Size};
pub use pots::{LimitView, Pots};
pub use quic::QuicListener;
pub use refusals::Refusals;
pub use serving::Serving;
pub use session::Session;
pub use tcp::TcpConnection;
pub use tls::{OwnNames, TlsSettings, TlsVersion};
pub use trust::{Anchor, Trust, TrustError};
pub use wire::{StreamWire, Wire};
