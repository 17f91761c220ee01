//! A bounded map that drops its least recently used entries.

use std::hash::{BuildHasher as _, Hash};

use hashbrown::{DefaultHashBuilder, HashTable};

/// A bounded map that drops its least recently used entries. A used entry moves to the young half.
/// When the young half is full, it becomes the old half, and the entries of the former old half are
/// dropped.
#[derive(Debug)]
pub(crate) struct Recent<K, V> {
    young: HashTable<(K, V)>,
    old: HashTable<(K, V)>,
    half: usize,
    hasher: DefaultHashBuilder,
}

impl<K: Eq + Hash, V> Recent<K, V> {
    /// Returns a map of at most twice `half` entries.
    pub(crate) fn new(half: usize) -> Self {
        let hasher = DefaultHashBuilder::default();
        Self { young: HashTable::new(), old: HashTable::new(), half, hasher }
    }

    /// Calls `then` with the value of `key`, if there is one.
    pub(crate) fn with<R>(&mut self, key: &K, then: impl FnOnce(&mut V) -> R) -> Option<R> {
        let hash = self.hasher.hash_one(key);
        if let Some((_, value)) = self.young.find_mut(hash, |(kept, _)| kept == key) {
            return Some(then(value));
        }
        let (found, _) = self.old.find_entry(hash, |(kept, _)| kept == key).ok()?.remove();
        let (key, mut value) = found;
        let done = then(&mut value);
        self.insert(key, value);
        Some(done)
    }

    /// Inserts a value, or replaces the one of that key.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.half {
            self.old = std::mem::take(&mut self.young);
        }
        let hash = self.hasher.hash_one(&key);
        if let Ok(entry) = self.young.find_entry(hash, |(kept, _)| *kept == key) {
            *entry.into_mut() = (key, value);
            return;
        }
        let hasher = &self.hasher;
        self.young.insert_unique(hash, (key, value), |(kept, _)| hasher.hash_one(kept));
    }

    /// Removes a key.
    pub(crate) fn remove(&mut self, key: &K) {
        let hash = self.hasher.hash_one(key);
        for half in [&mut self.young, &mut self.old] {
            if let Ok(entry) = half.find_entry(hash, |(kept, _)| kept == key) {
                entry.remove();
            }
        }
    }

    /// Returns how many entries there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_rest_goes() {
        let mut recent = Recent::new(2);
        recent.insert(0, "kept");
        for key in 1..100 {
            recent.insert(key, "passing");
            assert_eq!(recent.with(&0, |value| *value), Some("kept"), "after {key}");
            assert!(recent.len() <= 4);
        }
        assert_eq!(recent.with(&1, |value| *value), None);
        recent.insert(0, "another");
        assert_eq!(recent.with(&0, |value| *value), Some("another"));
        recent.remove(&0);
        assert_eq!(recent.with(&0, |value| *value), None);
    }
}
