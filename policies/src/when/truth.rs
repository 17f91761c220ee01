//! What a condition says.

use crate::rule::effect::Effect;

/// What a condition says of a context, in Kleene's three values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// The condition does not hold.
    False,
    /// The context lacks the value that the condition needs.
    Unknown,
    /// The condition holds.
    True,
}

impl Truth {
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::False, _) | (_, Self::False) => Self::False,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::True, Self::True) => Self::True,
        }
    }

    /// Returns whether a rule of that effect applies: unknown is *no* for allow and *yes* for deny.
    #[must_use]
    pub fn applies(self, effect: Effect) -> bool {
        match self {
            Self::True => true,
            Self::False => false,
            Self::Unknown => effect == Effect::Deny,
        }
    }
}
