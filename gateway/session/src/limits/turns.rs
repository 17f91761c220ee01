//! Gives out turns, for handshakes or for requests without an identity. The networks take turns, so
//! a network that floods delays only itself. Within one network the newest and the oldest waiter
//! alternate: a newcomer does not wait for all the others, and the oldest is not overtaken for
//! ever.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use doorward_model::Prefix;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::rate::SteadyRate;

/// After this many new waiters of one network, those that have left are removed.
const SWEEP: usize = 1024;

/// The turns at one listener. Clones are cheap and share one state.
#[derive(Clone)]
pub(super) struct Turns(Arc<Mutex<State>>);

struct State {
    /// Three quarters of the rate are for everybody, ...
    common: Lane,
    /// ... and a quarter is for networks that known subjects came from.
    kept: Lane,
}

/// A rate, and those who wait for it.
struct Lane {
    rate: SteadyRate,
    networks: HashMap<Prefix, Network>,
    order: VecDeque<Prefix>,
    /// Whether a task gives turns to the waiters.
    is_driven: bool,
}

/// The waiters of one network, in the order in which they came.
#[derive(Default)]
struct Network {
    waiting: VecDeque<oneshot::Sender<()>>,
    /// Whether the next turn is for the oldest waiter.
    is_for_the_first: bool,
}

impl Network {
    /// Gives a turn to one that still waits. Returns whether any did.
    fn give(&mut self) -> bool {
        let Self { waiting, is_for_the_first } = self;
        let next = || if *is_for_the_first { waiting.pop_front() } else { waiting.pop_back() };
        let given = std::iter::from_fn(next).any(|turn| turn.send(()).is_ok());
        *is_for_the_first ^= given;
        given
    }
}

impl Lane {
    fn new(rate: u32, now: Instant) -> Self {
        let rate = SteadyRate::new(rate, now);
        Self { rate, networks: HashMap::new(), order: VecDeque::new(), is_driven: false }
    }

    fn wait(&mut self, prefix: Prefix) -> oneshot::Receiver<()> {
        let (turn, answer) = oneshot::channel();
        let waiting = &mut self.networks.entry(prefix).or_default().waiting;
        if waiting.is_empty() {
            self.order.push_back(prefix);
        }
        // Keeps waiters that have left from piling up.
        if waiting.len() % SWEEP == SWEEP - 1 {
            waiting.retain(|turn| !turn.is_closed());
        }
        waiting.push_back(turn);
        answer
    }

    /// Gives the next turn to one that still waits. Returns whether any did.
    fn give(&mut self) -> bool {
        while let Some(prefix) = self.order.pop_front() {
            let Some(network) = self.networks.get_mut(&prefix) else { continue };
            let given = network.give();
            if network.waiting.is_empty() {
                self.networks.remove(&prefix);
            } else {
                self.order.push_back(prefix);
            }
            if given {
                return true;
            }
        }
        false
    }
}

impl Turns {
    /// Returns turns at `rate` a second.
    pub(super) fn new(rate: u32) -> Self {
        let (now, kept) = (Instant::now(), (rate / 4).max(1));
        let common = Lane::new(rate.saturating_sub(kept), now);
        Self(Arc::new(Mutex::new(State { common, kept: Lane::new(kept, now) })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn of that network. A caller that stops waiting takes no turn.
    pub(super) async fn turn(&self, prefix: Prefix, is_known: bool) {
        let mut answers = Vec::with_capacity(2);
        {
            let now = Instant::now();
            let mut state = self.state();
            let State { common, kept } = &mut *state;
            let lanes = [Some(common), is_known.then_some(kept)];
            for (which, lane) in lanes.into_iter().enumerate() {
                let Some(lane) = lane else { continue };
                if lane.order.is_empty() && lane.rate.take(now) {
                    return;
                }
                answers.push(lane.wait(prefix));
                if !lane.is_driven {
                    lane.is_driven = true;
                    tokio::spawn(drive(Arc::downgrade(&self.0), which == 1));
                }
            }
        }
        let mut answers = answers.into_iter();
        match (answers.next(), answers.next()) {
            (Some(common), Some(kept)) => {
                tokio::select! {
                    _ = common => {}
                    _ = kept => {}
                }
            }
            (Some(only), None) | (None, Some(only)) => drop(only.await),
            (None, None) => {}
        }
    }
}

/// Gives turns at the rate of one lane, as long as anybody waits in it.
async fn drive(turns: std::sync::Weak<Mutex<State>>, is_kept: bool) {
    loop {
        let when = {
            let Some(state) = turns.upgrade() else { return };
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            let lane = if is_kept { &mut state.kept } else { &mut state.common };
            let now = Instant::now();
            while lane.rate.is_ready(now) && lane.give() {
                lane.rate.take(now);
            }
            if lane.order.is_empty() {
                lane.is_driven = false;
                return;
            }
            lane.rate.when(now)
        };
        sleep_until(when).await;
    }
}

impl std::fmt::Debug for Turns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Turns")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn prefix(last: u8) -> Prefix {
        Prefix::of([192, 0, 2, last].into())
    }

    /// Returns how long a caller from that network waits for its turn.
    async fn waited(turns: &Turns, last: u8, is_known: bool) -> Duration {
        let begin = Instant::now();
        turns.turn(prefix(last), is_known).await;
        begin.elapsed()
    }

    fn flood(turns: &Turns, last: u8, count: usize) {
        for _ in 0..count {
            let turns = turns.clone();
            tokio::spawn(async move { turns.turn(prefix(last), false).await });
        }
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_floods_waits_for_itself_and_others_have_the_next_turn() {
        let turns = Turns::new(40);
        flood(&turns, 1, 1000);
        tokio::task::yield_now().await;
        // Thirty a second are for everybody, and the next turn is the other network's.
        assert!(waited(&turns, 2, false).await < Duration::from_millis(100));
        // In the flooding network the newest waiter is first or second.
        assert!(waited(&turns, 1, false).await < Duration::from_millis(150));
        assert!(waited(&turns, 3, true).await < Duration::from_millis(1), "some are kept");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_stays_has_a_turn_while_others_come_and_leave() {
        let turns = Turns::new(40);
        flood(&turns, 1, 30);
        // From each of two networks many more come than there are turns. Each leaves soon.
        let others = turns.clone();
        let coming = tokio::spawn(async move {
            loop {
                for last in [1, 2] {
                    let turns = others.clone();
                    let soon = Duration::from_millis(50);
                    tokio::spawn(tokio::time::timeout(soon, async move {
                        turns.turn(prefix(last), false).await;
                    }));
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
        for last in [1, 2].repeat(10) {
            tokio::time::sleep(Duration::from_millis(107)).await;
            let soon = Duration::from_millis(400);
            let turn = tokio::time::timeout(soon, waited(&turns, last, false)).await;
            assert!(turn.is_ok(), "buried");
        }
        coming.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn the_pace_is_kept_and_turns_of_those_who_have_left_are_given_to_others() {
        let turns = Turns::new(40);
        let begin = Instant::now();
        for _ in 0..90 {
            turns.turn(prefix(1), false).await;
        }
        // Thirty at once, then thirty a second.
        assert_eq!(begin.elapsed().as_secs(), 2);
        for _ in 0..20 {
            let soon = Duration::from_millis(1);
            drop(tokio::time::timeout(soon, turns.turn(prefix(1), false)).await);
        }
        assert!(waited(&turns, 2, false).await < Duration::from_millis(100));
        tokio::time::sleep(Duration::from_secs(5)).await;
        let state = turns.state();
        assert!(state.common.networks.is_empty() && !state.common.is_driven);
    }
}
