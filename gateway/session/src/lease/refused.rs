//! Why a request was refused.

use doorward_policies::Denial;

/// A request that was refused.
#[derive(Debug)]
#[must_use]
pub enum Refused {
    /// The policy refused, or the identity is no longer valid.
    Denied(Denial),
    /// The subject, or the gateway, has as many flows as it may.
    Busy,
    /// Changes cannot be written now, so rights could not be withdrawn, and none are given.
    Degraded,
}

impl Refused {
    /// Returns the reason in a word for the record.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Denied(denial) => denial.reason().as_str(),
            Self::Busy => "too-many-flows",
            Self::Degraded => "state-unavailable",
        }
    }
}
