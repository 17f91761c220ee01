//! Delays the answers to networks that try wrong codes. A code has 160 random bits, so guessing
//! needs no hard limit.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use doorward_model::Prefix;
use tokio::time::{Instant, sleep};

/// The delay of the first wrong code. Each further one doubles it.
const FIRST: Duration = Duration::from_millis(100);
/// The longest delay.
const LONGEST: Duration = Duration::from_secs(5);
/// How long after its last wrong code a network is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(10 * 60);
/// How many delayed answers of one network wait at the same time.
const WAITING: usize = 4;
/// How many delayed answers of all networks wait at the same time.
const WAITING_IN_TOTAL: usize = 64;
/// How many networks are remembered.
const NETWORKS: usize = 4096;

/// The networks that have recently tried wrong codes. All clones share the same state.
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

/// Too many delayed answers wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooManyWrongCodes;

/// The delay of the answer to a wrong code.
#[derive(Debug)]
pub(crate) struct Delay {
    time: Duration,
    of: Prefix,
    all: WrongCodes,
}

impl WrongCodes {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a wrong code of `peer`'s network, and returns the delay of its answer.
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
        Ok(Delay { time, of, all: self.clone() })
    }
}

impl Delay {
    /// Waits for the delay.
    pub(crate) async fn wait(self) {
        sleep(self.time).await;
    }
}

impl Drop for Delay {
    fn drop(&mut self) {
        let mut state = self.all.state();
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
    async fn each_wrong_code_of_a_network_doubles_its_delay_only() {
        let codes = WrongCodes::default();
        let begin = Instant::now();
        for _ in 0..10 {
            codes.wrong(v4(1)).unwrap().wait().await;
        }
        // 0.1 + 0.2 + ... + 3.2, then 5 each.
        assert_eq!(begin.elapsed().as_secs(), 26);
        assert_eq!(codes.wrong(v4(2)).unwrap().time, FIRST);
        tokio::time::advance(FORGOTTEN).await;
        assert_eq!(codes.wrong(v4(1)).unwrap().time, FIRST);
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_delayed_answers_is_bounded() {
        let codes = WrongCodes::default();
        let mut waiting: Vec<_> = (0..WAITING).map(|_| codes.wrong(v4(1)).unwrap()).collect();
        assert_eq!(codes.wrong(v4(1)).unwrap_err(), TooManyWrongCodes);
        waiting.pop();
        assert!(codes.wrong(v4(1)).is_ok());
        for last in 2..100 {
            waiting.extend(codes.wrong(v4(last)));
        }
        assert_eq!(waiting.len(), WAITING_IN_TOTAL);
        waiting.clear();
        assert_eq!(codes.state().waiting, 0);
    }
}
