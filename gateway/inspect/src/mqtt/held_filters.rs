//! The filters that the server holds for a client.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

/// How many they may be.
pub(super) const HELD: usize = 32 * 1024;

/// The filters that were forwarded in a SUBSCRIBE on this connection, and in no UNSUBSCRIBE since:
/// a number for each. By chance two may have the same one, and count once.
#[derive(Debug, Default)]
pub(super) struct HeldFilters {
    filters: HashSet<u64>,
    hasher: RandomState,
}

impl HeldFilters {
    /// Whether these may be held as well. Those that are held already take no room.
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

    /// How many there are.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn len(&self) -> usize {
        self.filters.len()
    }
}
