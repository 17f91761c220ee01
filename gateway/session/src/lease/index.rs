//! The order that leaves no window between a decision and the end of the right to it.
//!
//! An admission enters its lease *before* it reads the state that it decides by; a commit
//! publishes the new state *before* it walks the leases. So whichever way the two interleave,
//! an admission either decides by the new state or is found by the walk. What was found is
//! asked whether it still lives after the dial and before the first byte.
//!
//! This file uses nothing but `super::sync`, so that a test can put model-checked primitives
//! in its place and try every interleaving.

use super::sync::{Arc, Mutex, PoisonError};
use std::collections::HashMap;

/// The leases that are live or pending.
pub(crate) struct Index<E> {
    entries: Mutex<HashMap<u64, Arc<E>>>,
    next: Mutex<u64>,
}

impl<E> Index<E> {
    pub(crate) fn new() -> Self {
        Self { entries: Mutex::new(HashMap::new()), next: Mutex::new(0) }
    }

    /// Enters a lease. From now on every walk finds it.
    pub(crate) fn enter(&self, entry: Arc<E>) -> u64 {
        let key = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            *next += 1;
            *next
        };
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).insert(key, entry);
        key
    }

    /// Takes a lease out.
    pub(crate) fn leave(&self, key: u64) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
    }

    /// All leases of this moment.
    pub(crate) fn all(&self) -> Vec<Arc<E>> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.values().map(Arc::clone).collect()
    }

    /// An admission: enters the lease, then loads the state, then decides by it.
    pub(crate) fn admit<S, D>(
        &self,
        entry: Arc<E>,
        load: impl FnOnce() -> S,
        decide: impl FnOnce(S) -> D,
    ) -> (u64, D) {
        let key = self.enter(entry);
        let state = load();
        (key, decide(state))
    }

    /// A commit, after its state has been published: asks every lease again. Returns how many
    /// did not stand.
    pub(crate) fn walk(&self, stands: impl Fn(&E) -> bool) -> usize {
        self.all().iter().filter(|entry| !stands(entry)).count()
    }
}
