//! The order that leaves no gap between a decision and a change of the right to it.
//!
//! An admission enters its lease *before* it reads the state for its decision. A commit publishes
//! the new state *before* it walks the leases. So in every interleaving the admission either
//! decides by the new state, or the walk finds its lease. A lease that was found is checked again
//! after the dial and before the first byte.
//!
//! This file uses only `super::sync`, so that a test can compile it with model-checked primitives
//! and try every interleaving.

use super::sync::{Arc, Mutex, PoisonError};
use std::collections::HashMap;

/// The live and pending leases.
pub(crate) struct Index<E> {
    entries: Mutex<HashMap<u64, Arc<E>>>,
    next: Mutex<u64>,
}

impl<E> Index<E> {
    pub(crate) fn new() -> Self {
        Self { entries: Mutex::new(HashMap::new()), next: Mutex::new(0) }
    }

    /// Enters a lease, and returns its key. Every later walk finds it.
    pub(crate) fn enter(&self, entry: Arc<E>) -> u64 {
        let key = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            *next += 1;
            *next
        };
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).insert(key, entry);
        key
    }

    /// Removes a lease.
    pub(crate) fn leave(&self, key: u64) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
    }

    /// Returns all leases of this moment.
    pub(crate) fn all(&self) -> Vec<Arc<E>> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.values().map(Arc::clone).collect()
    }

    /// Admits: enters the lease, then loads the state, then decides by it. Returns the lease's key
    /// and the decision.
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

    /// Walks the leases, after a commit has published its state: asks every lease again. Returns
    /// how many no longer stand.
    pub(crate) fn walk(&self, stands: impl Fn(&E) -> bool) -> usize {
        self.all().iter().filter(|entry| !stands(entry)).count()
    }
}
