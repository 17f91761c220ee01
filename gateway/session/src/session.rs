use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use doorward_model::{CertificateId, SessionId, Subject, SubjectId};
use doorward_policies::{JournalError, Question, Request};
use doorward_wire::Carrier;
use jiff::Timestamp;

use crate::lease::{Cause, SessionEntry};

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
    pub(crate) carrier: OnceLock<Carrier>,
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
        self.entry.standing().certificate
    }

    /// When that certificate ends.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.entry.standing().not_after
    }

    /// When the key was last proven: now, or when the first ticket was made.
    #[must_use]
    pub fn proven(&self) -> Timestamp {
        self.entry.proven
    }

    /// Where the connection comes from.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.entry.standing().peer
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

    /// Looks where the connection comes from now; if it has moved, everything that hangs on the
    /// address is asked again.
    pub(crate) fn look(&self) {
        let Some(remote) = self.carrier.get().and_then(Carrier::remote) else { return };
        let remote = SocketAddr::new(remote.ip().to_canonical(), remote.port());
        if self.entry.stand(|standing| standing.peer = remote) {
            tracing::info!(session = %self.id(), %remote, "a session has moved");
            self.leases.ask_session_again(&self.entry);
        }
    }

    /// From now on it stands on a certificate that was issued to it, for its own subject, in
    /// answer to its own request: its flows go on when the former one ends.
    pub(crate) fn adopt(&self, certificate: CertificateId, not_after: Timestamp) {
        self.entry.stand(|standing| {
            standing.certificate = certificate;
            standing.not_after = not_after;
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
        let standing = self.entry.standing();
        question.source = Some(standing.peer.ip());
        question.proven = Some(self.entry.proven);
        Request { question, subject: self.entry.subject_id, certificate: standing.certificate }
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
