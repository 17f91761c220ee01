//! Questions, requests, and what surrounds them.

use std::net::IpAddr;

use doorward_model::{Action, CertificateId, Resource, Subject, SubjectId};
use jiff::Timestamp;

/// What surrounds a question; what `when` columns are judged on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The instant for which the answer is asked.
    pub now: Timestamp,
    /// The address that the subject comes from. Without it, `from=` is unknown.
    pub source: Option<IpAddr>,
    /// When the subject last proved its key by a full handshake. Without it, `auth-age<=` is
    /// unknown.
    pub proven: Option<Timestamp>,
}

/// May this subject do this action on this resource?
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// Who acts.
    pub subject: Subject,
    /// What is asked for.
    pub resource: Resource,
    /// What is to be done.
    pub action: Action,
    /// From where it is asked. Without it, `from=` is unknown.
    pub source: Option<IpAddr>,
    /// When the subject last proved its key by a full handshake. Without it, `auth-age<=` is
    /// unknown.
    pub proven: Option<Timestamp>,
}

impl Question {
    /// What surrounds it at `now`.
    pub(crate) fn context(&self, now: Timestamp) -> Context {
        let source = self.source.map(|source| source.to_canonical());
        Context { now, source, proven: self.proven }
    }
}

/// A question asked by someone who has proven an identity. From it alone a
/// [`Permit`](crate::Permit) can follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The question.
    pub question: Question,
    /// The number of the subject that asks; a name used again has another.
    pub subject: SubjectId,
    /// The certificate that proves it.
    pub certificate: CertificateId,
}
