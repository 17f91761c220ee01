//! How much one question may look at.

use doorward_model::Path;

use super::control::SearchFlow;

/// How many places and rules are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// As many as a decision may take.
    Few,
    /// As many as there are: off the data path only.
    All,
}

/// How many more places and rules a search may look at.
///
/// Rules are found by indexes, so a question needs few steps, however many rules there are. Some
/// questions have no index that helps. They end when they run out of steps, and are then refused
/// as too broad: nobody can make a decision long.
#[derive(Debug)]
pub(crate) struct Steps {
    left: u32,
    /// How many there are for another way of searching, when the first has run out of them.
    spare: u32,
    ran_out: bool,
}

/// Of a question about one thing, whose rules lie on one way through the tree.
const ONE: u32 = 4096;
/// Of a question about a set, in each way of searching. So it takes some ten microseconds at most.
const SET: u32 = 192;

impl Steps {
    /// As many as a question about `path` may take.
    pub(crate) fn of(limit: Limit, path: &Path) -> Self {
        let (left, spare) = match limit {
            Limit::Few if path.is_wide() => (SET, SET),
            Limit::Few => (ONE, 0),
            Limit::All => (u32::MAX, 0),
        };
        Self { left, spare, ran_out: false }
    }

    /// Takes one. Breaks if none is left.
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

    /// Whether a search has ended because none was left.
    pub(crate) fn ran_out(&self) -> bool {
        self.ran_out
    }

    /// Another way of searching may take as many steps, once.
    pub(crate) fn use_spare(&mut self) {
        self.left = std::mem::take(&mut self.spare);
        self.ran_out = self.left == 0;
    }
}
