//! Sessions: proven identities.

use std::fmt;
use std::sync::Arc;

use doorward_model::{CertificateId, SessionId, Subject, SubjectId};
use doorward_policies::{JournalError, Party, Proof};
use jiff::Timestamp;

use crate::lease::{Leases, SessionEntry};
use crate::pot::{Places, Rank};

/// An identity that was proven, and that is still valid. Only this crate makes one, and only from a
/// proven leaf, never from a header.
///
/// A session asks over a [`Connection`](crate::Connection), and lives as long as anybody holds it.
/// The session of a certificate is held by its one connection and by the flows on it. It is cut
/// when its subject is removed or disabled, when its proof ends, or by an administrator, however
/// many connections it has then.
#[must_use]
pub struct Session {
    pub(crate) entry: Arc<SessionEntry>,
    pub(crate) leases: Leases,
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

    /// Returns what the session rests on: what opened it, or a renewal that it adopted.
    #[must_use]
    pub fn proof(&self) -> Proof {
        self.entry.state().proof
    }

    /// Returns the certificate that the session rests on, if it rests on one.
    #[must_use]
    pub fn certificate(&self) -> Option<CertificateId> {
        self.proof().certificate().cloned()
    }

    /// Returns the last instant at which the proof that the session rests on is valid.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.entry.state().not_after
    }

    /// Returns when the peer last proved its identity: with a certificate, in this handshake, or in
    /// the one that made the first ticket.
    #[must_use]
    pub fn proven(&self) -> Timestamp {
        self.entry.proven
    }

    /// Returns the session's subject as a party of records and pots.
    #[must_use]
    pub fn party(&self) -> Party {
        Party::Subject(self.subject().clone())
    }

    /// Reserves the window of one more stream; `None` if the subject's share is used up.
    #[must_use]
    pub fn window(&self) -> Option<Places<SubjectId>> {
        self.leases.pots().buffers().take(&self.subject_id(), 1, Rank::Known)
    }

    /// Waits until the session's opening is in the audit log. No backend may be dialed for the
    /// session before.
    ///
    /// # Errors
    /// When the opening cannot be recorded.
    pub async fn recorded(&self) -> Result<(), JournalError> {
        self.entry.recorded().await
    }

    /// Adopts a certificate that was issued to the session's subject, at the session's own request.
    /// The flows go on when the former certificate expires.
    pub(crate) fn adopt(&self, certificate: CertificateId, not_after: Timestamp) {
        self.entry.change_state(|state| {
            state.proof = certificate.into();
            state.not_after = not_after;
        });
        self.leases.ask_session_again(&self.entry);
    }

    /// Checks that the session's identity is still valid; if not, the session is cut.
    pub(crate) fn check_identity(&self) {
        self.leases.check_session(&self.entry);
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
