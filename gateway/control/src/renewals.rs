//! Bounds how many renewals of one identity are in progress at the same time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use doorward_model::SubjectId;

/// How many renewals of one identity may be in progress at the same time.
const MOST: usize = 4;

/// The renewals in progress. All clones share the same state.
#[derive(Clone, Debug, Default)]
pub struct Renewals(Arc<Mutex<HashMap<SubjectId, usize>>>);

/// A permit for one renewal. Dropping it ends the renewal.
#[derive(Debug)]
pub(crate) struct RenewalPermit {
    of: SubjectId,
    all: Renewals,
}

impl Renewals {
    fn counts(&self) -> MutexGuard<'_, HashMap<SubjectId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a renewal. Returns `None` if too many of this identity are in progress.
    pub(crate) fn begin(&self, of: SubjectId) -> Option<RenewalPermit> {
        let mut counts = self.counts();
        let count = counts.entry(of).or_default();
        if *count >= MOST {
            return None;
        }
        *count += 1;
        Some(RenewalPermit { of, all: self.clone() })
    }
}

impl Drop for RenewalPermit {
    fn drop(&mut self) {
        let mut counts = self.all.counts();
        if let Some(count) = counts.get_mut(&self.of) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.of);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_identity_has_its_own_bound_of_renewals() {
        let renewals = Renewals::default();
        let mut begun: Vec<_> = (0..MOST).map(|_| renewals.begin(SubjectId(1)).unwrap()).collect();
        assert!(renewals.begin(SubjectId(1)).is_none());
        assert!(renewals.begin(SubjectId(2)).is_some());
        begun.pop();
        assert!(renewals.begin(SubjectId(1)).is_some());
        drop(begun);
        assert!(renewals.counts().is_empty());
    }
}
