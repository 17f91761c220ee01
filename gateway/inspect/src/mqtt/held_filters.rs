//! The filters that the server stores for a client.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

/// The most filters of a client.
pub(super) const HELD: usize = 32 * 1024;

/// The filters that were forwarded in a SUBSCRIBE on this connection, and in no UNSUBSCRIBE since.
/// Each is stored as a hash; two filters may share one by chance, and count once.
#[derive(Debug, Default)]
pub(super) struct HeldFilters {
    filters: HashSet<u64>,
    hasher: RandomState,
}

impl HeldFilters {
    /// Returns whether there is room for these as well. Filters that are stored already need none.
    pub(super) fn have_room<'b>(&self, filters: impl Iterator<Item = &'b str>) -> bool {
        let number = |filter| self.hasher.hash_one(filter);
        let new: HashSet<u64> =
            filters.map(number).filter(|number| !self.filters.contains(number)).collect();
        self.filters.len() + new.len() <= HELD
    }

    pub(super) fn insert(&mut self, filter: &str) {
        self.filters.insert(self.hasher.hash_one(filter));
    }

    pub(super) fn remove(&mut self, filter: &str) {
        self.filters.remove(&self.hasher.hash_one(filter));
    }

    /// Returns how many there are.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn len(&self) -> usize {
        self.filters.len()
    }
}
