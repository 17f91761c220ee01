//! The renewals that are under way, so that no more of one identity begin than may be.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use doorward_model::SubjectId;

/// How many renewals of one identity may be under way at the same time.
const MOST: usize = 4;

/// The renewals that are under way. Cheap to clone; every clone is the same.
#[derive(Clone, Debug, Default)]
pub struct Renewals(Arc<Mutex<HashMap<SubjectId, usize>>>);

/// One renewal, until it is dropped.
#[derive(Debug)]
pub(crate) struct Renewing {
    of: SubjectId,
    all: Renewals,
}

impl Renewals {
    fn counts(&self) -> MutexGuard<'_, HashMap<SubjectId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins one, unless as many of that identity are under way as may be.
    pub(crate) fn begin(&self, of: SubjectId) -> Option<Renewing> {
        let mut counts = self.counts();
        let count = counts.entry(of).or_default();
        if *count >= MOST {
            return None;
        }
        *count += 1;
        Some(Renewing { of, all: self.clone() })
    }
}

impl Drop for Renewing {
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
    fn an_identity_has_few_renewals_under_way_and_its_neighbour_its_own() {
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
