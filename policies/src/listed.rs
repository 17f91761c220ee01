//! A count, and the first items.

use serde::Serialize;

/// A count, and the first items.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed<T> {
    /// How many items there are.
    pub count: usize,
    /// The first items, up to [`Listed::LIMIT`].
    pub first: Vec<T>,
}

impl<T> Listed<T> {
    /// The most items that are listed.
    pub const LIMIT: usize = 100;

    /// Returns an empty list.
    pub(crate) fn none() -> Self {
        Self { count: 0, first: vec![] }
    }

    /// Adds an item. `one` makes it only if it is listed, since there may be a million.
    pub(crate) fn add(&mut self, one: impl FnOnce() -> T) {
        self.count += 1;
        if self.first.len() < Self::LIMIT {
            self.first.push(one());
        }
    }
}
