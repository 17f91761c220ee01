//! Delays those who try wrong codes. The codes themselves have 160 random bits and need no counter.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use doorward_model::Prefix;
use tokio::time::{Instant, sleep};

/// How long the first wrong try waits for its answer; each further one twice as long, ...
const FIRST: Duration = Duration::from_millis(100);
/// ... up to this.
const LONGEST: Duration = Duration::from_secs(5);
/// After how long without a wrong try a network is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(10 * 60);
/// How many wrong tries of one network wait at the same time, and of all networks.
const WAITING: usize = 4;
const WAITING_IN_TOTAL: usize = 64;
/// How many networks are told apart.
const NETWORKS: usize = 4096;

/// How often networks have tried wrong codes of late. Cheap to clone; every clone is the same.
#[derive(Clone, Debug, Default)]
pub struct WrongCodes(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    networks: HashMap<Prefix, Network>,
    waiting: usize,
}

#[derive(Debug)]
struct Network {
    next: Duration,
    last: Instant,
    waiting: usize,
}

/// So many wrong tries wait that this one is not answered as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooManyWrongCodes;

/// How long a wrong try waits for its answer.
#[derive(Debug)]
pub(crate) struct Delay {
    time: Duration,
    of: Prefix,
    tries: WrongCodes,
}

impl WrongCodes {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a wrong try.
    pub(crate) fn wrong(&self, peer: IpAddr) -> Result<Delay, TooManyWrongCodes> {
        let (of, now) = (Prefix::of(peer), Instant::now());
        let mut state = self.state();
        if state.networks.len() >= NETWORKS && !state.networks.contains_key(&of) {
            state.networks.retain(|_, one| one.waiting > 0 || now - one.last < FORGOTTEN);
        }
        let is_full = state.networks.len() >= NETWORKS && !state.networks.contains_key(&of);
        if is_full || state.waiting >= WAITING_IN_TOTAL {
            return Err(TooManyWrongCodes);
        }
        let fresh = || Network { next: FIRST, last: now, waiting: 0 };
        let network = state.networks.entry(of).or_insert_with(fresh);
        if network.waiting == 0 && now - network.last >= FORGOTTEN {
            network.next = FIRST;
        }
        if network.waiting >= WAITING {
            return Err(TooManyWrongCodes);
        }
        let time = network.next;
        (network.next, network.last) = ((time * 2).min(LONGEST), now);
        network.waiting += 1;
        state.waiting += 1;
        Ok(Delay { time, of, tries: self.clone() })
    }
}

impl Delay {
    /// Waits.
    pub(crate) async fn wait(self) {
        sleep(self.time).await;
    }
}

impl Drop for Delay {
    fn drop(&mut self) {
        let mut state = self.tries.state();
        state.waiting = state.waiting.saturating_sub(1);
        if let Some(network) = state.networks.get_mut(&self.of) {
            network.waiting = network.waiting.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_tries_again_waits_longer_and_nobody_else_does() {
        let tries = WrongCodes::default();
        let begin = Instant::now();
        for _ in 0..10 {
            tries.wrong(v4(1)).unwrap().wait().await;
        }
        // 0.1 + 0.2 + ... + 3.2, then 5 each.
        assert_eq!(begin.elapsed().as_secs(), 26);
        assert_eq!(tries.wrong(v4(2)).unwrap().time, FIRST);
        tokio::time::advance(FORGOTTEN).await;
        assert_eq!(tries.wrong(v4(1)).unwrap().time, FIRST);
    }

    #[tokio::test(start_paused = true)]
    async fn few_wait_at_the_same_time() {
        let tries = WrongCodes::default();
        let mut waiting: Vec<_> = (0..WAITING).map(|_| tries.wrong(v4(1)).unwrap()).collect();
        assert_eq!(tries.wrong(v4(1)).unwrap_err(), TooManyWrongCodes);
        waiting.pop();
        assert!(tries.wrong(v4(1)).is_ok());
        for last in 2..100 {
            waiting.extend(tries.wrong(v4(last)));
        }
        assert_eq!(waiting.len(), WAITING_IN_TOTAL);
        waiting.clear();
        assert_eq!(tries.state().waiting, 0);
    }
}
