//! The actions that a rule speaks of.

use std::fmt;

use doorward_model::Action;

use super::error::Reason;

/// The actions of a rule: one, several joined by `|`, or all (`*`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Acts(u32);

impl Acts {
    /// All actions: `*`.
    pub const ALL: Self = Self(u32::MAX);

    /// No action. No rule has it.
    pub(crate) const NONE: Self = Self(0);

    /// Returns the actions of both.
    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns whether the rule speaks of `action`.
    #[must_use]
    pub fn include(self, action: Action) -> bool {
        self.0 & (1 << action as u32) != 0
    }

    /// Returns whether these include all actions of `other`.
    #[must_use]
    pub fn include_all(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

pub(super) fn read_acts(text: &str) -> Result<Acts, Reason> {
    if text == "*" {
        return Ok(Acts::ALL);
    }
    let mut these = 0;
    for one in text.split('|') {
        let action: Action = one.trim().parse()?;
        these |= 1 << action as u32;
    }
    Ok(Acts(these))
}

impl fmt::Display for Acts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ALL {
            return f.write_str("*");
        }
        let mut between = "";
        for action in Action::ALL.iter().filter(|action| self.include(**action)) {
            write!(f, "{between}{action}")?;
            between = "|";
        }
        Ok(())
    }
}

impl fmt::Debug for Acts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
