//! Requests: questions of subjects that have proven who they are.

use doorward_model::SubjectId;

use crate::proof::Proof;
use crate::question::Question;

/// A question of a subject that has proven its identity. Only a request can lead to a
/// [`Permit`](crate::Permit).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The question.
    pub question: Question,
    /// The number of the subject. A name that is used again has another number.
    pub subject: SubjectId,
    /// What proves the identity.
    pub proof: Proof,
}
