//! A pot: a bounded number of units that many parties share. Each party has a share. Parts are kept
//! for parties that hold few and for administration, so that a party that takes all it can get
//! keeps nobody out.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// How many units a pot has, and for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// All units.
    pub total: u64,
    /// The most units that one party may hold.
    pub share: u64,
    /// The units that are kept for known parties that hold no more than `few`.
    pub kept: u64,
    /// Up to how many units a party counts as holding few.
    pub few: u64,
    /// The units that are kept for administration.
    pub administration: u64,
}

impl Size {
    /// Returns a size of which a quarter is kept for those who hold few, and a sixteenth for
    /// administration.
    #[must_use]
    pub fn of(total: u64, share: u64) -> Self {
        let (kept, few) = (total / 4, (share / 64).clamp(1, 16));
        Self { total, share, kept, few, administration: (total / 16).max(1).min(total / 2) }
    }

    /// Returns the same size without a part for administration, for pots that administration does
    /// not use.
    #[must_use]
    pub fn without_administration(self) -> Self {
        Self { administration: 0, ..self }
    }

    /// Returns the same size in a finer unit, of which `worth` make one.
    pub(crate) fn times(self, worth: u64) -> Self {
        let times = |count: u64| count.saturating_mul(worth);
        Self {
            total: times(self.total),
            share: times(self.share),
            kept: times(self.kept),
            few: times(self.few),
            administration: times(self.administration),
        }
    }

    /// Returns how many units may be taken in all when a party of that rank takes one.
    fn reach(self, rank: Rank) -> u64 {
        let kept = match rank {
            Rank::Anyone => self.kept + self.administration,
            Rank::Known => self.administration,
            Rank::Administrator => 0,
        };
        self.total.saturating_sub(kept)
    }
}

/// The rank of a party that takes units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// Anybody who can connect.
    Anyone,
    /// A party for which units are kept as long as it holds few.
    Known,
    /// A subject that may change something in the administration, or a request that does.
    Administrator,
}

/// A bounded number of units. Clones are cheap and share one state.
pub struct Pot<P>(Arc<Inner<P>>);

struct Inner<P> {
    size: Size,
    state: Mutex<State<P>>,
    /// Notified when units are freed.
    freed: Notify,
}

struct State<P> {
    taken: u64,
    by_party: HashMap<P, u64>,
}

/// A reservation: units that a party holds until this is dropped.
pub struct Places<P: Eq + Hash> {
    pot: Pot<P>,
    party: P,
    count: u64,
}

impl<P> Clone for Pot<P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<P: Clone + Eq + Hash> Pot<P> {
    /// Returns a pot of that size, of which nothing is taken.
    #[must_use]
    pub fn new(size: Size) -> Self {
        let state = State { taken: 0, by_party: HashMap::new() };
        Self(Arc::new(Inner { size, state: Mutex::new(state), freed: Notify::new() }))
    }

    /// Returns the size.
    #[must_use]
    pub fn size(&self) -> Size {
        self.0.size
    }

    /// Returns how many units are taken.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.state().taken
    }

    /// Takes units, if `party` may have that many and the pot has that many for its rank. A count
    /// of zero always succeeds.
    pub fn take(&self, party: &P, count: u64, rank: Rank) -> Option<Places<P>> {
        self.add(party, count, rank).then(|| Places {
            pot: self.clone(),
            party: party.clone(),
            count,
        })
    }

    /// Does the same, and waits at most `time` until there are enough units.
    pub async fn take_within(
        &self,
        party: &P,
        count: u64,
        rank: Rank,
        time: Duration,
    ) -> Option<Places<P>> {
        let until = Instant::now() + time;
        loop {
            let freed = self.0.freed.notified();
            tokio::pin!(freed);
            // From here on no notification is missed.
            freed.as_mut().enable();
            if let Some(places) = self.take(party, count, rank) {
                return Some(places);
            }
            timeout_at(until, freed).await.ok()?;
        }
    }

    fn add(&self, party: &P, count: u64, rank: Rank) -> bool {
        let size = self.0.size;
        let mut state = self.state();
        let held = state.by_party.get(party).copied().unwrap_or_default();
        let (mine, all) = (held.saturating_add(count), state.taken.saturating_add(count));
        let rank = match rank {
            Rank::Known if mine > size.few => Rank::Anyone,
            Rank::Anyone | Rank::Known | Rank::Administrator => rank,
        };
        if mine > size.share || all > size.reach(rank) {
            return false;
        }
        state.taken = all;
        state.by_party.insert(party.clone(), mine);
        true
    }

    fn state(&self) -> MutexGuard<'_, State<P>> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: Clone + Eq + Hash> Places<P> {
    /// Takes more units for this reservation. Returns whether the pot had them.
    pub fn grow(&mut self, count: u64, rank: Rank) -> bool {
        let grown = self.pot.add(&self.party, count, rank);
        self.count += if grown { count } else { 0 };
        grown
    }
}

impl<P: Eq + Hash> Drop for Places<P> {
    fn drop(&mut self) {
        let inner = &self.pot.0;
        let mut state = inner.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.taken = state.taken.saturating_sub(self.count);
        if let Some(held) = state.by_party.get_mut(&self.party) {
            *held = held.saturating_sub(self.count);
            if *held == 0 {
                state.by_party.remove(&self.party);
            }
        }
        drop(state);
        inner.freed.notify_waiters();
    }
}

impl<P> fmt::Debug for Pot<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pot({:?})", self.0.size)
    }
}

impl<P: Eq + Hash + fmt::Debug> fmt::Debug for Places<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Places({} of {:?})", self.count, self.party)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pot() -> Pot<u32> {
        Pot::new(Size { total: 64, share: 16, kept: 16, few: 2, administration: 4 })
    }

    fn take(pot: &Pot<u32>, party: u32, rank: Rank) -> Vec<Places<u32>> {
        std::iter::from_fn(|| pot.take(&party, 1, rank)).collect()
    }

    #[test]
    fn whoever_takes_all_leaves_a_place_for_each_who_holds_few_and_for_administration() {
        let pot = pot();
        let greedy: Vec<_> = (0..8).map(|party| take(&pot, party, Rank::Anyone)).collect();
        let sizes: Vec<_> = greedy.iter().map(Vec::len).collect();
        assert_eq!(sizes, [16, 16, 12, 0, 0, 0, 0, 0], "a share each, until the rest is kept");
        let few: Vec<_> = (10..30).map(|party| take(&pot, party, Rank::Known)).collect();
        assert!(few.iter().take(8).all(|places| places.len() == 2));
        assert_eq!(pot.taken(), 60);
        let administrator = take(&pot, 100, Rank::Administrator);
        assert_eq!(administrator.len(), 4);
        drop((greedy, few, administrator));
        assert_eq!(pot.taken(), 0);
        assert!(pot.state().by_party.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_gets_what_is_given_back_and_does_not_wait_for_ever() {
        let pot = pot();
        let mut all = take(&pot, 1, Rank::Anyone);
        let wait = Duration::from_secs(10);
        assert!(pot.take_within(&1, 1, Rank::Anyone, wait).await.is_none());
        let waiting = tokio::spawn({
            let pot = pot.clone();
            async move { pot.take_within(&1, 1, Rank::Anyone, wait).await.is_some() }
        });
        tokio::task::yield_now().await;
        all.pop();
        assert!(waiting.await.unwrap());
    }

    proptest! {
        /// Whatever is taken and freed, no bound is passed.
        #[test]
        fn bounds_hold(steps in prop::collection::vec((0..6_u32, 1..5_u64, 0..3_u8, any::<bool>()), 0..200)) {
            let pot = pot();
            let mut held: Vec<(u32, Places<u32>)> = vec![];
            for (party, count, rank, gives_back) in steps {
                let rank = [Rank::Anyone, Rank::Known, Rank::Administrator][usize::from(rank)];
                if gives_back {
                    held.pop();
                } else if let Some((_, places)) = held.iter_mut().find(|one| one.0 == party) {
                    places.grow(count, rank);
                } else {
                    held.extend(pot.take(&party, count, rank).map(|places| (party, places)));
                }
                let size = pot.size();
                let sum: u64 = held.iter().map(|one| one.1.count).sum();
                prop_assert_eq!(pot.taken(), sum);
                prop_assert!(sum <= size.total);
                for (_, places) in &held {
                    prop_assert!(places.count <= size.share);
                }
            }
        }
    }
}
