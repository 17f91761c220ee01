//! A map that is cheap to copy.

use std::fmt;
use std::hash::{BuildHasher as _, Hash};
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};

/// A map that is cheap to copy: a copy shares all parts, and a change copies only the part that it
/// is in.
#[derive(Clone)]
pub(crate) struct SharedMap<K, V> {
    parts: Arc<[Part<K, V>]>,
    hasher: DefaultHashBuilder,
}

type Part<K, V> = Arc<HashTable<(K, V)>>;

/// The number of parts.
const PARTS: usize = 256;

impl<K: Eq + Hash + Clone, V: Clone> SharedMap<K, V> {
    pub(crate) fn new() -> Self {
        let parts = (0..PARTS).map(|_| Arc::new(HashTable::new())).collect();
        Self { parts, hasher: DefaultHashBuilder::default() }
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        let hash = self.hasher.hash_one(key);
        let part = self.parts.get(part_of(hash))?;
        part.find(hash, |(kept, _)| kept == key).map(|(_, value)| value)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) {
        let hash = self.hasher.hash_one(&key);
        let hasher = self.hasher.clone();
        let Some(part) = self.part_mut(hash) else { return };
        match part.find_mut(hash, |(kept, _)| *kept == key) {
            Some((_, kept)) => *kept = value,
            None => {
                part.insert_unique(hash, (key, value), |(kept, _)| hasher.hash_one(kept));
            }
        }
    }

    pub(crate) fn remove(&mut self, key: &K) {
        let hash = self.hasher.hash_one(key);
        if let Some(part) = self.part_mut(hash)
            && let Ok(entry) = part.find_entry(hash, |(kept, _)| kept == key)
        {
            entry.remove();
        }
    }

    fn part_mut(&mut self, hash: u64) -> Option<&mut HashTable<(K, V)>> {
        Arc::make_mut(&mut self.parts).get_mut(part_of(hash)).map(Arc::make_mut)
    }

    /// Yields all entries, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.parts.iter().flat_map(|part| part.iter()).map(|(key, value)| (key, value))
    }
}

/// Returns the part of a hash, from bits that the tables do not use.
fn part_of(hash: u64) -> usize {
    let [part, ..] = (hash >> 32).to_le_bytes();
    part.into()
}

impl<K: Eq + Hash + Clone, V: Clone + PartialEq> PartialEq for SharedMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        let held = |(key, value): (&K, &V)| other.get(key) == Some(value);
        self.iter().count() == other.iter().count() && self.iter().all(held)
    }
}

impl<K: Eq + Hash + Clone, V: Clone> FromIterator<(K, V)> for SharedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut map = Self::new();
        pairs.into_iter().for_each(|(key, value)| map.insert(key, value));
        map
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for SharedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.parts.iter().flat_map(|part| part.iter()).map(|(k, v)| (k, v)))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_keeps_what_it_had() {
        let mut map: SharedMap<u32, u32> = (0..1000).map(|n| (n, n)).collect();
        let before = map.clone();
        map.insert(7, 70);
        map.remove(&8);
        map.insert(1000, 1000);
        assert_eq!([7, 8, 1000].map(|key| map.get(&key).copied()), [Some(70), None, Some(1000)]);
        assert_eq!([7, 8, 1000].map(|key| before.get(&key).copied()), [Some(7), Some(8), None]);
        assert_eq!(map.iter().count(), 1000);
        let shared = |(one, other): (&Arc<_>, &Arc<_>)| Arc::ptr_eq(one, other);
        let parts = map.parts.iter().zip(before.parts.iter());
        assert!(parts.filter(|pair| !shared(*pair)).count() <= 3, "the rest is shared");
        assert!(map != before);
    }
}
