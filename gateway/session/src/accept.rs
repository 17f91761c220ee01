//! A TCP connection that holds a slot.

use std::net::SocketAddr;

use doorward_model::Prefix;
use doorward_policies::Party;
use tokio::net::TcpStream;

use crate::endpoint::ListenerKind;
use crate::limits::EntranceSlot;
use crate::pot::Rank;
use crate::pots::Pots;
use crate::tcp::TcpConnection;

/// A connection that holds a slot within the limits, until it is identified.
#[derive(Debug)]
#[must_use]
pub struct Accepted {
    pub(crate) tcp: TcpConnection,
    pub(crate) peer: SocketAddr,
    pub(crate) slot: EntranceSlot,
}

impl Accepted {
    /// Takes a slot for `tcp` among the connections at that listener, and one among the files of
    /// the process, if the share of its network has one left.
    ///
    /// # Errors
    /// The word for which bound is reached.
    pub(crate) fn new(
        tcp: TcpStream,
        peer: SocketAddr,
        pots: &Pots,
        listener: ListenerKind,
    ) -> Result<Self, &'static str> {
        // IPv4 through a dual-stack socket counts as IPv4.
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let entrance = pots.entrance(listener);
        let rank = match listener {
            // The process keeps as many files for the management listener as that listener takes
            // connections.
            ListenerKind::Management => Rank::Administrator,
            ListenerKind::Data if entrance.knows(Prefix::of(peer.ip())) => Rank::Known,
            ListenerKind::Data => Rank::Anyone,
        };
        let file = pots.files().take(&Party::stranger(peer.ip()), 1, rank);
        let tcp = TcpConnection::new(tcp, Some(file.ok_or("too-many-files")?));
        let slot = entrance.enter(peer.ip()).ok_or("too-many-connections")?;
        Ok(Self { tcp, peer, slot })
    }
}
