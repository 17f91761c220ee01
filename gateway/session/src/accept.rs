use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;

use crate::limits::{Limiter, Slot};
use crate::line::Line;

/// A connection that was given a place within the limits. It keeps it until it is identified.
#[derive(Debug)]
#[must_use]
pub struct Accepted {
    pub(crate) line: Line,
    pub(crate) peer: SocketAddr,
    pub(crate) slot: Slot,
}

impl Accepted {
    /// Gives `tcp` a place, if there is one left for its network.
    pub(crate) fn new(tcp: TcpStream, peer: SocketAddr, limiter: &Arc<Limiter>) -> Option<Self> {
        // IPv4 through a dual-stack socket is IPv4.
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let line = Line::new(tcp);
        let slot = limiter.enter(peer.ip())?;
        Some(Self { line, peer, slot })
    }
}
