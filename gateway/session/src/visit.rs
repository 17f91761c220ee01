//! A visit: who made a request, and at which listener.

use std::net::SocketAddr;
use std::sync::Arc;

use doorward_policies::Party;

use crate::connection::Connection;
use crate::endpoint::ListenerKind;
use crate::limits::Entrance;
use crate::pot::Rank;

/// Who made a request, and at which listener.
#[derive(Debug)]
pub struct Visit {
    /// The listener.
    pub listener: ListenerKind,
    /// The visitor's session at this connection, if the visitor has proven an identity.
    pub connection: Option<Arc<Connection>>,
    /// The address of the visitor.
    pub peer: SocketAddr,
    pub(crate) entrance: Arc<Entrance>,
    /// A secret that only both ends of this connection can derive (RFC 8446 section 7.5). A
    /// recovery signs it.
    pub exported: Option<[u8; 32]>,
}

impl Visit {
    /// Returns the visitor as a party of records and pots.
    #[must_use]
    pub fn party(&self) -> Party {
        let stranger = || Party::stranger(self.peer.ip());
        self.connection.as_ref().map_or_else(stranger, |one| one.session().party())
    }

    /// Takes a reservation from a pot, by the visitor's rank.
    pub(crate) fn take<T>(&self, take: impl Fn(Rank) -> Option<T>) -> Option<T> {
        match &self.connection {
            Some(connection) => connection.take(take),
            None => take(Rank::Anyone),
        }
    }

    /// Waits for the turn of a request that carries its own proof, such as a code. Returns `false`
    /// if that takes too long. For a visitor without an identity this returns at once: every
    /// request of such a visitor has waited already.
    #[must_use]
    pub async fn may_ask_unproven(&self) -> bool {
        self.connection.is_none() || self.entrance.admits_request(self.peer.ip()).await
    }
}
