//! What a change of the state answers.

use doorward_model::Epoch;
use serde::{Deserialize, Serialize};

/// The answer to a change: its own members, and what the commit did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed<T> {
    /// The members that belong to this kind of change.
    #[serde(flatten)]
    pub value: T,
    /// The number of the commit.
    pub epoch: Epoch,
    /// How many live flows the commit ended.
    pub ended: usize,
}

/// An answer, or a part of one, without members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nothing {}
