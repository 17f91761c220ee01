//! The slots of connections without an identity. If none is free, the connection that has held a
//! slot longest loses it: one of the same network if that network has used up its share, else one
//! of the network that holds the most. So silent connections keep nobody out.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use doorward_model::Prefix;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::pot::Size;

/// How long a new connection cannot lose its slot, so that its peer can send something.
const GRACE: Duration = Duration::from_millis(250);

/// A network, and whether a known subject had come from it when the slot was taken.
type Network = (bool, Prefix);

pub(super) struct Queue {
    size: Size,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next: u64,
    /// The slots of each network, the oldest first.
    networks: HashMap<Network, BTreeSet<u64>>,
    slots: HashMap<u64, SlotState>,
    /// The networks by how many slots they hold, then by their oldest slot.
    strangers: BTreeSet<(usize, Reverse<u64>, Prefix)>,
    known: BTreeSet<(usize, Reverse<u64>, Prefix)>,
    strangers_slots: usize,
}

struct SlotState {
    network: Network,
    since: Instant,
    lost: CancellationToken,
}

/// A slot, until it is dropped or lost.
pub(super) struct Ticket {
    number: u64,
    lost: CancellationToken,
    queue: Arc<Queue>,
}

impl Queue {
    /// Returns a queue of `total` slots, of which each network gets at most `share`. A quarter is
    /// kept for known networks.
    pub(super) fn new(total: usize, share: usize) -> Self {
        let size = Size::of(total as u64, share.max(1) as u64).without_administration();
        Self { size, state: Mutex::default() }
    }

    pub(super) fn size(&self) -> Size {
        self.size
    }

    pub(super) fn taken(&self) -> usize {
        self.state().slots.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a free slot, or else the slot of another connection. `None` if that connection has held
    /// its slot for too short a time to lose it.
    pub(super) fn enter(
        self: &Arc<Self>,
        prefix: Prefix,
        is_known: bool,
        now: Instant,
    ) -> Option<Ticket> {
        let mut state = self.state();
        let network = (is_known, prefix);
        if let Some(loser) = self.loser(&state, network) {
            let is_new = |slot: &SlotState| now.duration_since(slot.since) < GRACE;
            if state.slots.get(&loser).is_some_and(is_new) {
                return None;
            }
            if let Some(slot) = state.leave(loser) {
                slot.lost.cancel();
            }
        }
        let (number, lost) = (state.next, CancellationToken::new());
        state.next += 1;
        state.enter(number, SlotState { network, since: now, lost: lost.clone() });
        Some(Ticket { number, lost, queue: Arc::clone(self) })
    }

    /// Returns which slot must be lost so that `network` gets one, if any.
    fn loser(&self, state: &State, network: Network) -> Option<u64> {
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let mine = state.networks.get(&network);
        if mine.is_some_and(|mine| mine.len() >= count(self.size.share)) {
            return mine.and_then(BTreeSet::first).copied();
        }
        let (is_known, _) = network;
        let largest = |order: &BTreeSet<(usize, Reverse<u64>, Prefix)>| {
            order.last().map(|(_, Reverse(oldest), _)| *oldest)
        };
        let for_strangers = count(self.size.total - self.size.kept);
        if !is_known && state.strangers_slots >= for_strangers {
            return largest(&state.strangers);
        }
        if state.slots.len() < count(self.size.total) {
            return None;
        }
        // Strangers use only what known networks do not need.
        largest(&state.strangers).or_else(|| largest(&state.known))
    }
}

impl State {
    fn enter(&mut self, number: u64, slot: SlotState) {
        let network = slot.network;
        self.strangers_slots += usize::from(!network.0);
        self.slots.insert(number, slot);
        self.reorder(network, |slots| {
            slots.insert(number);
        });
    }

    fn leave(&mut self, number: u64) -> Option<SlotState> {
        let slot = self.slots.remove(&number)?;
        self.strangers_slots -= usize::from(!slot.network.0);
        self.reorder(slot.network, |slots| {
            slots.remove(&number);
        });
        Some(slot)
    }

    fn reorder(&mut self, network: Network, change: impl FnOnce(&mut BTreeSet<u64>)) {
        let (is_known, prefix) = network;
        let order = if is_known { &mut self.known } else { &mut self.strangers };
        let slots = self.networks.entry(network).or_default();
        let rank = |slots: &BTreeSet<u64>| {
            slots.first().map(|oldest| (slots.len(), Reverse(*oldest), prefix))
        };
        if let Some(former) = rank(slots) {
            order.remove(&former);
        }
        change(slots);
        match rank(slots) {
            Some(present) => drop(order.insert(present)),
            None => drop(self.networks.remove(&network)),
        }
    }
}

impl Ticket {
    /// Waits until the slot is lost.
    pub(super) async fn lost(&self) {
        self.lost.cancelled().await;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.queue.state().leave(self.number);
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Queue({:?})", self.size)
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ticket({})", self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn prefix(last: u8) -> Prefix {
        Prefix::of([192, 0, 2, last].into())
    }

    struct World {
        queue: Arc<Queue>,
        now: Instant,
    }

    impl World {
        fn new() -> Self {
            Self { queue: Arc::new(Queue::new(16, 4)), now: Instant::now() }
        }

        /// Enters one second after the former connection.
        fn enter(&mut self, last: u8, is_known: bool) -> Option<Ticket> {
            self.now += Duration::from_secs(1);
            self.queue.enter(prefix(last), is_known, self.now)
        }
    }

    fn lost(ticket: &Ticket) -> bool {
        ticket.lost.is_cancelled()
    }

    #[tokio::test(start_paused = true)]
    async fn a_network_that_has_its_share_loses_its_oldest_place() {
        let mut world = World::new();
        let slots: Vec<_> = (0..5).map(|_| world.enter(1, false).unwrap()).collect();
        let other = world.enter(2, false).unwrap();
        let losers: Vec<_> = slots.iter().map(lost).collect();
        assert_eq!(losers, [true, false, false, false, false]);
        assert!(!lost(&other));
        assert_eq!(world.queue.taken(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn strangers_take_places_from_strangers_and_the_largest_network_loses() {
        let mut world = World::new();
        let many: Vec<_> = (0..4).map(|_| world.enter(1, false).unwrap()).collect();
        let single: Vec<_> = (10..18).map(|last| world.enter(last, false).unwrap()).collect();
        // Strangers may have twelve slots. The next stranger costs the largest network its oldest
        // slot.
        let next = world.enter(20, false).unwrap();
        assert!(lost(&many[0]) && !lost(&many[1]) && !single.iter().any(lost));
        // The other four are kept for known networks.
        let known: Vec<_> = (30..34).map(|last| world.enter(last, true).unwrap()).collect();
        assert_eq!(world.queue.taken(), 16);
        let more = world.enter(40, true).unwrap();
        assert!(lost(&many[1]) && !known.iter().any(lost), "strangers lose first");
        drop((next, more));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_loses_a_place_who_has_only_just_come() {
        let mut world = World::new();
        let slots: Vec<_> = (0..4).map(|_| world.enter(1, false).unwrap()).collect();
        let at = world.now;
        drop(slots);
        let fresh: Vec<_> =
            (0..4).map(|_| world.queue.enter(prefix(1), false, at).unwrap()).collect();
        assert!(world.queue.enter(prefix(1), false, at + GRACE / 2).is_none());
        assert!(world.queue.enter(prefix(1), false, at + GRACE).is_some());
        assert!(lost(&fresh[0]));
    }

    proptest! {
        /// Whatever connections come and go, no bound is passed and nothing is left over.
        #[test]
        fn bounds_hold(steps in prop::collection::vec((0..20_u8, any::<bool>(), any::<bool>()), 0..300)) {
            let mut world = World::new();
            let mut held: Vec<Ticket> = vec![];
            for (last, is_known, leaves) in steps {
                if leaves && !held.is_empty() {
                    held.remove(usize::from(last) % held.len());
                } else {
                    held.extend(world.enter(last, is_known));
                }
                held.retain(|ticket| !lost(ticket));
                let state = world.queue.state();
                prop_assert_eq!(state.slots.len(), held.len());
                prop_assert!(held.len() <= 16 && state.strangers_slots <= 12);
                prop_assert!(state.networks.values().all(|slots| slots.len() <= 4));
                prop_assert_eq!(state.strangers.len() + state.known.len(), state.networks.len());
            }
            held.clear();
            let state = world.queue.state();
            prop_assert!(state.networks.is_empty() && state.strangers.is_empty() && state.known.is_empty());
        }
    }
}
