//! What proves an identity, and whether the state still knows the proof.

use doorward_model::{CertificateId, Serial, SubjectId};
use jiff::Timestamp;

use crate::snapshot::{Certificate, Snapshot};

/// What proves the identity of a session, by its id in the state. Another kind of proof, such as a
/// browser's login, becomes another variant here and another answer of [`Snapshot::standing`].
/// Nothing else that decides knows what a proof is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Proof {
    /// The certificate that the peer has shown, and of which it has the key.
    Certificate(CertificateId),
}

impl Proof {
    /// Returns the id of the certificate, if a certificate is the proof.
    #[must_use]
    pub fn certificate(&self) -> Option<&CertificateId> {
        match self {
            Self::Certificate(id) => Some(id),
        }
    }

    /// Returns the serial number that records name, if a certificate is the proof.
    #[must_use]
    pub fn serial(&self) -> Option<&Serial> {
        self.certificate().map(|id| &id.serial)
    }
}

impl From<CertificateId> for Proof {
    fn from(id: CertificateId) -> Self {
        Self::Certificate(id)
    }
}

/// What the state knows of a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The number of the subject that it identifies.
    pub subject: SubjectId,
    /// The first instant at which it is valid.
    pub not_before: Timestamp,
    /// The last instant at which it is valid.
    pub not_after: Timestamp,
}

impl Standing {
    /// Returns whether the proof is valid at `now`.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.not_before <= now && now <= self.not_after
    }
}

impl Snapshot {
    /// Returns what the state knows of a proof; `None` if it was never given or was taken back.
    #[must_use]
    pub fn standing(&self, proof: &Proof) -> Option<Standing> {
        match proof {
            Proof::Certificate(id) => {
                let Certificate { subject, key: _, not_before, not_after } =
                    *self.certificate(id)?;
                Some(Standing { subject, not_before, not_after })
            }
        }
    }
}
