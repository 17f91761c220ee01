//! Why a request was refused.

use doorward_policies::Denial;

/// A request that has been refused.
#[derive(Debug)]
#[must_use]
pub enum Refused {
    /// By the policy, or because the identity does not stand any more.
    Denied(Denial),
    /// By a bound: too many flows.
    Busy,
    /// Rights could not be taken away now, so none are given.
    Degraded,
}

impl Refused {
    /// Why, in a word for the record.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Denied(denial) => denial.reason().as_str(),
            Self::Busy => "too-many-flows",
            Self::Degraded => "state-unavailable",
        }
    }
}
