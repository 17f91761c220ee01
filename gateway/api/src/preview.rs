//! Dry runs of changes: what a change would do.

use serde::{Deserialize, Serialize};

use crate::change::Changed;
use crate::grants::GrantChangesView;
use crate::sessions::EndingView;

/// What a change would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangePreview {
    /// What subjects may do from then on, and what not any more.
    #[serde(flatten)]
    pub changes: GrantChangesView,
    /// The live flows that it would end.
    pub ending: Vec<EndingView>,
    /// What whoever makes it should know.
    pub warnings: Vec<String>,
}

/// What a change did or, in a dry run, would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ChangeAnswer<T> {
    /// The change was made.
    Made(Changed<T>),
    /// Nothing was changed.
    Previewed(ChangePreview),
}

impl<T> ChangeAnswer<T> {
    /// Returns the answer to a change that was made; `None` for a dry run.
    #[must_use]
    pub fn made(self) -> Option<Changed<T>> {
        match self {
            Self::Made(changed) => Some(changed),
            Self::Previewed(_) => None,
        }
    }
}

/// How a subject or an interface is removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Removal {
    /// Only says what would change.
    pub dry_run: bool,
    /// Removes a user even if nobody could change the policy afterwards.
    pub force_lockout: bool,
}
