//! The lines of `policy.csv` that decided a question.

use std::fmt;

use serde::{Serialize, Serializer};

/// Lines of `policy.csv` that decided a question: at most [`RuleLines::MOST`], the first that the
/// search found. Further ones would not change the answer.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct RuleLines {
    count: u8,
    lines: [u32; RuleLines::MOST],
}

impl RuleLines {
    /// The most lines that are kept.
    pub const MOST: usize = 8;

    /// Returns how many lines there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count.into()
    }

    /// Returns whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Yields the lines, from 1, sorted.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        let lines = self.lines.get(..self.len()).unwrap_or_default();
        lines.iter().map(|line| *line as usize)
    }

    /// Returns the lines as a vector.
    #[must_use]
    pub fn to_vec(&self) -> Vec<usize> {
        self.iter().collect()
    }
}

impl FromIterator<u32> for RuleLines {
    fn from_iter<I: IntoIterator<Item = u32>>(lines: I) -> Self {
        let mut kept = Self::default();
        for (slot, line) in kept.lines.iter_mut().zip(lines) {
            *slot = line;
            kept.count += 1;
        }
        if let Some(lines) = kept.lines.get_mut(..usize::from(kept.count)) {
            lines.sort_unstable();
        }
        kept
    }
}

impl fmt::Debug for RuleLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl Serialize for RuleLines {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}
