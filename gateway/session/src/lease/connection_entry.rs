//! A connection of a session, as its flows refer to it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use doorward_model::Subject;
use doorward_policies::{Door, Record};

use super::cause::{Cause, Switch};
use super::session_entry::SessionEntry;
use crate::path::PeerAddress;

/// A connection over which a session asks.
pub(crate) struct ConnectionEntry {
    pub(crate) session: Arc<SessionEntry>,
    pub(crate) door: Door,
    /// The peer's address. A QUIC connection can change it.
    address: Mutex<PeerAddress>,
    pub(crate) cut: Switch,
}

impl ConnectionEntry {
    pub(crate) fn new(session: Arc<SessionEntry>, peer: SocketAddr, door: Door) -> Self {
        let address = Mutex::new(PeerAddress::Proven(peer));
        Self { session, door, address, cut: Switch::new() }
    }

    pub(crate) fn subject(&self) -> &Subject {
        &self.session.subject
    }

    pub(crate) fn address(&self) -> PeerAddress {
        *self.address.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the address. Returns whether it differs now.
    pub(crate) fn moved_to(&self, address: PeerAddress) -> bool {
        let mut present = self.address.lock().unwrap_or_else(PoisonError::into_inner);
        let differs = std::mem::replace(&mut *present, address) != address;
        drop(present);
        if differs {
            self.session.change_state(|state| state.seen = (address.last(), self.door));
        }
        differs
    }

    /// Returns why the connection or its session was cut, if it was.
    pub(crate) fn cause(&self) -> Option<Cause> {
        self.session.cut.cause().or_else(|| self.cut.cause())
    }

    /// Waits until the connection or its session is cut, and returns the cause.
    pub(crate) async fn ended(&self) -> Cause {
        tokio::select! {
            cause = self.session.cut.wait() => cause,
            cause = self.cut.wait() => cause,
        }
    }

    /// Returns the record with the session, what proves it, and this connection.
    pub(crate) fn about(&self, record: Record) -> Record {
        self.session.about(record, (self.address().last(), self.door))
    }
}
