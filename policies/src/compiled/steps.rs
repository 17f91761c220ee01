//! Bounds how many nodes and rules one question may look at.

use doorward_model::Path;

use super::control::SearchFlow;

/// How many nodes and rules a search may look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// As many as a decision may take.
    Few,
    /// All of them: for use off the data path only.
    All,
}

/// The nodes and rules that a search may still look at.
///
/// Indexes lead to the rules, so a question needs few steps, however many rules there are. Where no
/// index helps, the search runs out of steps and the question is refused as too broad. So nobody
/// can make a decision take long.
#[derive(Debug)]
pub(crate) struct Steps {
    left: u32,
    /// Steps for a second strategy, after the first has run out of steps.
    spare: u32,
    ran_out: bool,
}

/// The steps of a question about one thing: its rules lie on one path through the tree.
const ONE: u32 = 4096;
/// The steps of each strategy for a question about a set, some ten microseconds at most.
const SET: u32 = 192;

impl Steps {
    /// Returns the steps that a question about `path` may take.
    pub(crate) fn of(limit: Limit, path: &Path) -> Self {
        let (left, spare) = match limit {
            Limit::Few if path.is_wide() => (SET, SET),
            Limit::Few => (ONE, 0),
            Limit::All => (u32::MAX, 0),
        };
        Self { left, spare, ran_out: false }
    }

    /// Takes one step. Breaks if none is left.
    pub(crate) fn take(&mut self) -> SearchFlow {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                SearchFlow::Continue(())
            }
            None => {
                self.ran_out = true;
                SearchFlow::Break(())
            }
        }
    }

    /// Returns whether a search has run out of steps.
    pub(crate) fn ran_out(&self) -> bool {
        self.ran_out
    }

    /// Gives the second strategy its steps, once.
    pub(crate) fn use_spare(&mut self) {
        self.left = std::mem::take(&mut self.spare);
        self.ran_out = self.left == 0;
    }
}
