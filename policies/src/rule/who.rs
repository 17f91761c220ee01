//! Whom a rule speaks of: the first column.

use std::fmt;

use doorward_model::{Role, Subject};

use super::error::Reason;

/// Whom a rule speaks of.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Who {
    /// Every member of the role.
    Role(Role),
    /// One subject.
    Subject(Subject),
}

impl Who {
    /// Returns the role, if it is one.
    #[must_use]
    pub fn role(&self) -> Option<&Role> {
        match self {
            Self::Role(role) => Some(role),
            Self::Subject(_) => None,
        }
    }
}

pub(super) fn read_who(text: &str) -> Result<Who, Reason> {
    if text == "*" || text == "**" {
        return Err(Reason::Everybody);
    }
    if text.starts_with("role/") {
        return Ok(Who::Role(text.parse()?));
    }
    text.parse().map(Who::Subject).map_err(|error| match error {
        doorward_model::SubjectError::Kind { text, .. } => {
            let expected = "role/, user/, device/ or gateway/";
            Reason::Name(doorward_model::SubjectError::Kind { text, expected })
        }
        error @ doorward_model::SubjectError::Name { .. } => Reason::Name(error),
    })
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role(role) => role.fmt(f),
            Self::Subject(subject) => subject.fmt(f),
        }
    }
}

impl fmt::Debug for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
