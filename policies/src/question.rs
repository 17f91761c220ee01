//! Questions, and the context in which they are asked.

use std::net::IpAddr;
use std::sync::Arc;

use doorward_model::{Action, Posture, Resource, Subject};
use jiff::Timestamp;

/// What is known of how a subject asks, for the `when` columns of rules. Whoever passes a question
/// on passes this on as a whole, so only a new condition and the place that learns its fact know a
/// new field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Circumstances {
    /// The address that the subject comes from. Without it, `from=` is unknown.
    pub source: Option<IpAddr>,
    /// When the subject last proved its key by a full handshake. Without it, `auth-age<=` is
    /// unknown.
    pub proven: Option<Timestamp>,
}

/// What the state knows about the parties of a question, for the `when` columns of rules. Only a new
/// condition and [`Snapshot`](crate::Snapshot), which learns its fact, know a new field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// The last report of the device that is to be reached.
    pub target: Option<Arc<Posture>>,
    /// The last report of the asker, if it is a device.
    pub asker: Option<Arc<Posture>>,
}

/// The context of a question, by which `when` columns are judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The instant of the question.
    pub now: Timestamp,
    /// How the subject asks.
    pub circumstances: Circumstances,
    /// What the state knows about the parties.
    pub evidence: Evidence,
}

impl Context {
    /// Returns a context of which only the instant is known.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self { now, circumstances: Circumstances::default(), evidence: Evidence::default() }
    }
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
    /// How the subject asks.
    pub circumstances: Circumstances,
}

impl Question {
    /// Returns the context of the question at `now`, with what is known about its parties.
    #[must_use]
    pub fn context(&self, now: Timestamp, evidence: Evidence) -> Context {
        let mut circumstances = self.circumstances.clone();
        circumstances.source = circumstances.source.map(|source| source.to_canonical());
        Context { now, circumstances, evidence }
    }
}
