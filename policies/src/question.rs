//! Questions, and the context in which they are asked.

use std::net::IpAddr;

use doorward_model::{Action, Resource, Subject};
use jiff::Timestamp;

/// The context of a question, by which `when` columns are judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The instant of the question.
    pub now: Timestamp,
    /// The address that the subject comes from. Without it, `from=` is unknown.
    pub source: Option<IpAddr>,
    /// When the subject last proved its key by a full handshake. Without it, `auth-age<=` is
    /// unknown.
    pub proven: Option<Timestamp>,
}

/// A question: may this subject do this action on this resource?
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    /// The subject that acts.
    pub subject: Subject,
    /// The resource.
    pub resource: Resource,
    /// The action.
    pub action: Action,
    /// The address that the subject comes from. Without it, `from=` is unknown.
    pub source: Option<IpAddr>,
    /// When the subject last proved its key by a full handshake. Without it, `auth-age<=` is
    /// unknown.
    pub proven: Option<Timestamp>,
}

impl Question {
    /// Returns the context of the question at `now`.
    pub(crate) fn context(&self, now: Timestamp) -> Context {
        let source = self.source.map(|source| source.to_canonical());
        Context { now, source, proven: self.proven }
    }
}
