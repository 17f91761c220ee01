//! How much one question may look at.

use std::ops::ControlFlow;

/// What becomes of a search after a place or a rule: on, or it is over.
pub(crate) type Step = ControlFlow<()>;

/// How many more places and rules one question may look at.
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

impl Steps {
    /// How many steps one way of searching takes at most on the data path.
    pub(crate) const MOST: u32 = 512;

    /// As many as a decision may take.
    pub(crate) fn few() -> Self {
        Self { left: Self::MOST, spare: Self::MOST, ran_out: false }
    }

    /// As many as it needs: off the data path only.
    pub(crate) fn all() -> Self {
        Self { left: u32::MAX, spare: 0, ran_out: false }
    }

    /// Takes one. Breaks if none is left.
    pub(crate) fn take(&mut self) -> Step {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Step::Continue(())
            }
            None => {
                self.ran_out = true;
                Step::Break(())
            }
        }
    }

    /// Whether a search has ended because none was left.
    pub(crate) fn ran_out(&self) -> bool {
        self.ran_out
    }

    /// Another way of searching may take as many steps, once for each question.
    pub(crate) fn again(&mut self) {
        self.left = std::mem::take(&mut self.spare);
        self.ran_out = self.left == 0;
    }
}
