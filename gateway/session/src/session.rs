//! Sessions: identified connections.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use doorward_model::{CertificateId, SessionId, Subject, SubjectId};
use doorward_policies::{JournalError, Party};
use doorward_wire::Carrier;
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::lease::{Cause, SessionEntry};
use crate::path::PathTracker;
use crate::pot::{Places, Rank};

/// One identified connection. It proves that the peer holds the key of a live certificate of this
/// gateway. Only this crate makes one, and only from the proven leaf, never from a header.
///
/// A session cannot be cloned. The flows of one connection share it by reference.
#[must_use]
pub struct Session {
    pub(crate) entry: Arc<SessionEntry>,
    pub(crate) leases: crate::lease::Leases,
    /// The connection and its path, if the connection can move.
    pub(crate) carrier: OnceLock<Moving>,
    /// The session's slot among all sessions.
    pub(crate) _place: Places<SubjectId>,
}

impl Session {
    /// Returns the session's id.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.entry.id
    }

    /// Returns the subject of the session.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.entry.subject
    }

    /// Returns the immutable number of the subject.
    #[must_use]
    pub fn subject_id(&self) -> SubjectId {
        self.entry.subject_id
    }

    /// Returns the certificate that the session rests on: the one that opened it, or a renewal that
    /// it adopted.
    #[must_use]
    pub fn certificate(&self) -> CertificateId {
        self.entry.state().certificate
    }

    /// Returns when that certificate expires.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.entry.state().not_after
    }

    /// Returns when the peer last proved its key: in this handshake, or in the one that made the
    /// first ticket.
    #[must_use]
    pub fn proven(&self) -> Timestamp {
        self.entry.proven
    }

    /// Returns the last proven address of the peer.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.entry.state().source.last()
    }

    /// Returns the address that conditions are decided by; `None` while it is unknown.
    #[must_use]
    pub fn source(&self) -> Option<IpAddr> {
        self.entry.state().source.known()
    }

    /// Returns the session's subject as a party of records and pots.
    #[must_use]
    pub fn party(&self) -> Party {
        Party::Subject(self.subject().clone())
    }

    /// Takes a reservation from a pot, by the rank of the subject.
    pub(crate) fn take<T>(&self, take: impl Fn(Rank) -> Option<T>) -> Option<T> {
        self.leases.take(self.subject(), (self.peer().ip(), self.proven()), take)
    }

    /// Reserves the window of one more stream; `None` if the subject's share is used up.
    #[must_use]
    pub fn window(&self) -> Option<Places<SubjectId>> {
        self.leases.pots().buffers().take(&self.subject_id(), 1, Rank::Known)
    }

    /// Reserves `count` files of the process; `None` if the subject's share is used up.
    #[must_use]
    pub fn files(&self, count: u64) -> Option<Places<Party>> {
        let files = self.leases.pots().files();
        self.take(|rank| files.take(&self.party(), count, rank))
    }

    /// Waits until the session's opening is in the audit log. No backend may be dialed for the
    /// session before.
    ///
    /// # Errors
    /// When the opening cannot be recorded.
    pub async fn recorded(&self) -> Result<(), JournalError> {
        self.entry.recorded().await
    }

    /// Waits until the session is cut, and returns the cause.
    pub async fn ended(&self) -> Cause {
        self.entry.cut.wait().await
    }

    /// Notes that the connection can move to another address.
    pub(crate) fn may_move(&self, carrier: Carrier) {
        let (path, rung) = (Mutex::new(PathTracker::new(self.peer())), Notify::new());
        // Set only once, so this cannot fail.
        drop(self.carrier.set(Moving { carrier, begin: Instant::now(), path, rung }));
    }

    /// Checks the address of the connection. If it has changed, every question of the session is
    /// asked again.
    pub(crate) fn check_address(&self) {
        let Some(moving) = self.carrier.get() else { return };
        let Some(seen) = moving.carrier.path() else { return };
        let (source, is_moving) = {
            let mut path = moving.path();
            let was_moving = path.is_moving();
            let source = path.look(seen, moving.begin.elapsed());
            (source, path.is_moving() && !was_moving)
        };
        if is_moving {
            moving.rung.notify_one();
        }
        let former = self.source();
        // Another port of the same address changes no decision.
        if self.entry.change_state(|state| state.source = source) && source.known() != former {
            tracing::info!(by = %self.subject(), session = %self.id(), ?source, "a session's address has changed");
            self.leases.ask_session_again(&self.entry);
        }
    }

    /// Returns whether packets come from an address that is not proven.
    pub(crate) fn is_moving(&self) -> bool {
        self.carrier.get().is_some_and(|moving| moving.path().is_moving())
    }

    /// Returns whether the address is unknown.
    pub(crate) fn is_address_unknown(&self) -> bool {
        self.source().is_none()
    }

    /// Waits until packets begin to come from an address that is not proven.
    pub(crate) async fn begins_to_move(&self) {
        match self.carrier.get() {
            Some(moving) => moving.rung.notified().await,
            None => std::future::pending().await,
        }
    }

    /// Adopts a certificate that was issued to the session's subject, at the session's own request.
    /// The flows go on when the former certificate expires.
    pub(crate) fn adopt(&self, certificate: CertificateId, not_after: Timestamp) {
        self.entry.change_state(|state| {
            state.certificate = certificate;
            state.not_after = not_after;
        });
        self.leases.ask_session_again(&self.entry);
    }

    /// Cuts the session, because its connection has ended. This also ends flows that move no bytes
    /// and would not notice.
    pub(crate) fn connection_ended(&self) {
        self.entry.cut.cut(Cause::Gone);
    }

    /// Checks that the session's identity is still valid; if not, the session is cut.
    pub(crate) fn check_identity(&self) {
        self.leases.check_session(&self.entry);
    }
}

/// A connection that can move, and the tracker of its path.
pub(crate) struct Moving {
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

impl Drop for Session {
    fn drop(&mut self) {
        self.leases.close(&self.entry);
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({} {})", self.entry.id, self.entry.subject)
    }
}
