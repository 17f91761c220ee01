//! One identified connection.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use doorward_model::{CertificateId, SessionId, Subject, SubjectId};
use doorward_policies::{JournalError, Party, Question, Request};
use doorward_wire::Carrier;
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::lease::{Cause, SessionEntry};
use crate::path::PathTracker;
use crate::pot::{Places, Rank};

/// One identified connection: the proof that whoever is at its other end holds the key of a
/// live certificate of this gateway's. Made in this crate only, from the proven leaf only;
/// never from a header.
///
/// It cannot be cloned; what one connection carries shares it by reference.
#[must_use]
pub struct Session {
    pub(crate) entry: Arc<SessionEntry>,
    pub(crate) leases: crate::lease::Leases,
    /// The connection, where it can move.
    pub(crate) carrier: OnceLock<Moving>,
    /// Its place among the sessions.
    pub(crate) _place: Places<SubjectId>,
}

impl Session {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.entry.id
    }

    /// Who is at its other end.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.entry.subject
    }

    /// The number behind that name.
    #[must_use]
    pub fn subject_id(&self) -> SubjectId {
        self.entry.subject_id
    }

    /// The certificate that it stands on: the one that proved it, or one that it was given since.
    #[must_use]
    pub fn certificate(&self) -> CertificateId {
        self.entry.state().certificate
    }

    /// When that certificate ends.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.entry.state().not_after
    }

    /// When the key was last proven: now, or when the first ticket was made.
    #[must_use]
    pub fn proven(&self) -> Timestamp {
        self.entry.proven
    }

    /// Where the connection comes from, as far as that is proven.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.entry.state().source.last()
    }

    /// The address that conditions are judged by; `None` while nobody knows where it is.
    #[must_use]
    pub fn source(&self) -> Option<IpAddr> {
        self.entry.state().source.known()
    }

    /// The party that it is, in records and pots.
    #[must_use]
    pub fn party(&self) -> Party {
        Party::Subject(self.subject().clone())
    }

    /// Takes places of a pot, by the rank that its subject has.
    pub(crate) fn take<T>(&self, take: impl Fn(Rank) -> Option<T>) -> Option<T> {
        self.leases.take(self.subject(), (self.peer().ip(), self.proven()), take)
    }

    /// Room for what one more stream may bring, if there is any for this subject.
    #[must_use]
    pub fn window(&self) -> Option<Places<SubjectId>> {
        self.leases.pots().buffers().take(&self.subject_id(), 1, Rank::Known)
    }

    /// Places among the files of the process, if there are so many for this subject.
    #[must_use]
    pub fn files(&self, count: u64) -> Option<Places<Party>> {
        let files = self.leases.pots().files();
        self.take(|rank| files.take(&self.party(), count, rank))
    }

    /// Answers when the opening of the session is in the audit log. Nothing may be dialed for
    /// it before.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub async fn recorded(&self) -> Result<(), JournalError> {
        self.entry.recorded().await
    }

    /// Answers when the session is cut, and why.
    pub async fn ended(&self) -> Cause {
        self.entry.cut.wait().await
    }

    /// The connection is one that can move.
    pub(crate) fn may_move(&self, carrier: Carrier) {
        let (path, rung) = (Mutex::new(PathTracker::new(self.peer())), Notify::new());
        // It was not there before.
        drop(self.carrier.set(Moving { carrier, begin: Instant::now(), path, rung }));
    }

    /// Looks where the connection comes from now; if it has moved, everything that hangs on the
    /// address is asked again.
    pub(crate) fn look(&self) {
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
        // Another port of the same address changes no answer.
        if self.entry.stand(|state| state.source = source) && source.known() != former {
            tracing::info!(by = %self.subject(), session = %self.id(), ?source, "a session has moved");
            self.leases.ask_session_again(&self.entry);
        }
    }

    /// Whether packets come from an address that is not proven.
    pub(crate) fn is_moving(&self) -> bool {
        self.carrier.get().is_some_and(|moving| moving.path().is_moving())
    }

    /// Whether nobody knows where it is.
    pub(crate) fn is_lost(&self) -> bool {
        self.source().is_none()
    }

    /// Answers when packets have begun to come from an address that is not proven.
    pub(crate) async fn moves(&self) {
        match self.carrier.get() {
            Some(moving) => moving.rung.notified().await,
            None => std::future::pending().await,
        }
    }

    /// From now on it stands on a certificate that was issued to it, for its own subject, in
    /// answer to its own request: its flows go on when the former one ends.
    pub(crate) fn adopt(&self, certificate: CertificateId, not_after: Timestamp) {
        self.entry.stand(|state| {
            state.certificate = certificate;
            state.not_after = not_after;
        });
        self.leases.ask_session_again(&self.entry);
    }

    /// Its connection is over, and so is everything on it: also a flow that has nothing to say
    /// any more, and would not notice.
    pub(crate) fn part(&self) {
        self.entry.cut.cut(Cause::Gone);
    }

    /// Looks whether its identity still stands; if not, it is cut.
    pub(crate) fn stands(&self) {
        self.leases.looks_at(&self.entry);
    }

    /// The request that this session makes with `question`, whoever the question names: its
    /// subject, its source and its handshake are the session's.
    pub(crate) fn request(&self, mut question: Question) -> Request {
        question.subject = self.entry.subject.clone();
        let state = self.entry.state();
        question.source = state.source.known();
        question.proven = Some(self.entry.proven);
        Request { question, subject: self.entry.subject_id, certificate: state.certificate }
    }
}

/// A connection that can move, and how far it is known where to.
pub(crate) struct Moving {
    carrier: Carrier,
    begin: Instant,
    path: Mutex<PathTracker>,
    /// Rung when it begins to move.
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
