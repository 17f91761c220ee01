//! The party that caused a record or a log line.

use std::fmt;
use std::net::IpAddr;

use doorward_model::{Prefix, Subject};

/// The party that caused a record or a log line. The number of records of each party is bounded;
/// see [`Bound`](super::Bound).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Party {
    /// The gateway itself, or the owner of the machine.
    Gateway,
    /// A subject that has proven its identity, or that a code is for.
    Subject(Subject),
    /// A peer without a proven identity.
    Stranger(Prefix),
}

impl Party {
    /// Returns the stranger at that address.
    #[must_use]
    pub fn stranger(address: IpAddr) -> Self {
        Self::Stranger(Prefix::of(address))
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gateway => f.write_str("gateway"),
            Self::Subject(subject) => subject.fmt(f),
            Self::Stranger(prefix) => prefix.fmt(f),
        }
    }
}
