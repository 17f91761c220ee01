//! The connections over which sessions ask.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use doorward_model::{Action, Resource};
use doorward_policies::{Circumstances, Door, Party, Question, Record, Request};
use doorward_wire::Carrier;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::lease::{Cause, ConnectionEntry};
use crate::path::PathTracker;
use crate::pot::{Places, Rank};
use crate::session::Session;

/// A session at one connection: who asks, from where, and how the connection came in. The flows of
/// one connection share it. It holds its session, and a session may have several connections, at
/// the same time or one after the other.
#[must_use]
pub struct Connection {
    pub(crate) entry: Arc<ConnectionEntry>,
    session: Arc<Session>,
    /// The transport and its path, if the connection can move.
    moving: OnceLock<Moving>,
}

impl Connection {
    /// Returns the connection of a session to that peer.
    pub(crate) fn new(session: Arc<Session>, peer: SocketAddr, door: Door) -> Self {
        let entry = Arc::new(ConnectionEntry::new(Arc::clone(&session.entry), peer, door));
        Self { entry, session, moving: OnceLock::new() }
    }

    /// Returns the session.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Returns the session, for one more holder.
    #[cfg(test)]
    pub(crate) fn shared_session(&self) -> Arc<Session> {
        Arc::clone(&self.session)
    }

    /// Returns the last proven address of the peer.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.entry.address().last()
    }

    /// Returns the address that conditions are decided by; `None` while it is unknown.
    #[must_use]
    pub fn source(&self) -> Option<IpAddr> {
        self.entry.address().known()
    }

    /// Returns how the session asks over this connection.
    #[must_use]
    pub fn circumstances(&self) -> Circumstances {
        Circumstances { source: self.source(), proven: Some(self.session.proven()) }
    }

    /// Returns the record with the session, what proves it, and this connection's address and door.
    #[must_use]
    pub fn about(&self, record: Record) -> Record {
        self.entry.about(record)
    }

    /// Takes a reservation from a pot, by the rank of the subject.
    pub(crate) fn take<T>(&self, take: impl Fn(Rank) -> Option<T>) -> Option<T> {
        let session = &self.session;
        session.leases.take(session.subject(), (self.peer().ip(), session.proven()), take)
    }

    /// Reserves `count` files of the process; `None` if the subject's share is used up.
    #[must_use]
    pub fn files(&self, count: u64) -> Option<Places<Party>> {
        let files = self.session.leases.pots().files();
        self.take(|rank| files.take(&self.session.party(), count, rank))
    }

    /// Waits until the connection or its session is cut, and returns the cause.
    pub async fn ended(&self) -> Cause {
        self.entry.ended().await
    }

    /// Notes that the connection can move to another address.
    pub(crate) fn may_move(&self, carrier: Carrier) {
        let (path, rung) = (Mutex::new(PathTracker::new(self.peer())), Notify::new());
        // Set only once, so this cannot fail.
        drop(self.moving.set(Moving { carrier, begin: Instant::now(), path, rung }));
    }

    /// Checks the address of the connection. If it has changed, every question that was asked over
    /// the connection is asked again.
    pub(crate) fn check_address(&self) {
        let Some(moving) = self.moving.get() else { return };
        let Some(seen) = moving.carrier.path() else { return };
        let (address, is_moving) = {
            let mut path = moving.path();
            let was_moving = path.is_moving();
            let address = path.look(seen, moving.begin.elapsed());
            (address, path.is_moving() && !was_moving)
        };
        if is_moving {
            moving.rung.notify_one();
        }
        let former = self.source();
        // Another port of the same address changes no decision.
        if self.entry.moved_to(address) && address.known() != former {
            let session = &self.session;
            tracing::info!(by = %session.subject(), session = %session.id(), ?address, "a connection's address has changed");
            session.leases.ask_connection_again(&self.entry);
        }
    }

    /// Returns whether packets come from an address that is not proven.
    pub(crate) fn is_moving(&self) -> bool {
        self.moving.get().is_some_and(|moving| moving.path().is_moving())
    }

    /// Returns whether the address is unknown.
    pub(crate) fn is_address_unknown(&self) -> bool {
        self.source().is_none()
    }

    /// Waits until packets begin to come from an address that is not proven.
    pub(crate) async fn begins_to_move(&self) {
        match self.moving.get() {
            Some(moving) => moving.rung.notified().await,
            None => std::future::pending().await,
        }
    }

    /// Cuts the connection, because it has ended. This also ends flows that move no bytes and would
    /// not notice.
    pub(crate) fn is_gone(&self) {
        self.entry.cut.cut(Cause::Gone);
    }

    /// Returns the request of the session to do `action` on `resource` over this connection.
    pub(crate) fn request(&self, action: Action, resource: Resource) -> Request {
        let session = &self.session.entry;
        let (subject, circumstances) = (session.subject.clone(), self.circumstances());
        let question = Question { subject, resource, action, circumstances };
        Request { question, subject: session.subject_id, proof: session.state().proof }
    }
}

/// A connection that can move, and the tracker of its path.
struct Moving {
    carrier: Carrier,
    begin: Instant,
    path: Mutex<PathTracker>,
    /// Notified when the connection begins to move.
    rung: Notify,
}

impl Moving {
    fn path(&self) -> MutexGuard<'_, PathTracker> {
        self.path.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connection({} {:?})", self.entry.subject(), self.entry.address())
    }
}
