//! Ten thousand clients come back when their gateway does: the schedule of their tries against a
//! model of what the gateway lets in, without sockets and by a clock that is not real.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::Pace;
use crate::backoff::{Backoff, Ending};

/// How many there are.
const CLIENTS: usize = 10_000;
/// How long a client waits for an answer, and the gateway for a handshake (`limits.handshake-time`).
const ANSWER: Duration = Duration::from_secs(15);
const HANDSHAKE: Duration = Duration::from_secs(10);

/// What the gateway lets in before it knows anybody: so many in a second, with a burst of one
/// second, and so many that wait.
struct Door {
    step: Duration,
    next: Duration,
    places: usize,
    /// When those that wait are let in, or give up.
    waiting: BinaryHeap<Reverse<Duration>>,
}

/// What became of a try.
enum Tried {
    In(Duration),
    /// It failed, which the client knew at that time.
    Failed(Duration),
}

impl Door {
    fn new(rate: u32, places: usize) -> Self {
        let step = Duration::from_secs(1) / rate;
        Self { step, next: Duration::ZERO, places, waiting: BinaryHeap::new() }
    }

    fn come(&mut self, now: Duration) -> Tried {
        while self.waiting.peek().is_some_and(|Reverse(until)| *until <= now) {
            self.waiting.pop();
        }
        if self.waiting.len() >= self.places {
            return Tried::Failed(now);
        }
        let when = self.next.max(now.saturating_sub(Duration::from_secs(1))) + self.step;
        if when > now + HANDSHAKE {
            self.waiting.push(Reverse(now + HANDSHAKE));
            return Tried::Failed(now + HANDSHAKE);
        }
        self.next = when;
        self.waiting.push(Reverse(when.max(now)));
        Tried::In(when.max(now))
    }
}

/// How they came back.
#[derive(Debug)]
struct Back {
    /// All of them, after the gateway was there again.
    all: Duration,
    /// The most that were let in within one second, and the most that tried.
    let_in: usize,
    tried: usize,
}

fn busiest(times: &mut [Duration]) -> usize {
    times.sort_unstable();
    let second = Duration::from_secs(1);
    let within = |(at, time): (usize, &Duration)| {
        let first = times.partition_point(|early| *early + second <= *time);
        at + 1 - first
    };
    times.iter().enumerate().map(within).max().unwrap_or(0)
}

/// All connections break at once, or within `spread`, and the gateway is gone for `away`. Where
/// nobody answers, a client waits; where the port is closed, it knows at once.
fn storm(mut door: Door, away: Duration, spread: Duration, answers: Option<Duration>) -> Back {
    // Any generator does; this one is SplitMix64.
    let mut state = 7u64;
    let mut random = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    let stood = Duration::from_secs(3600);
    let mut clients: Vec<_> = (0..CLIENTS).map(|_| Backoff::new(Pace::default())).collect();
    let mut coming: BinaryHeap<_> = clients
        .iter_mut()
        .enumerate()
        .map(|(client, backoff)| {
            let broke = crate::backoff::spread(Duration::ZERO, spread, random());
            Reverse((broke + backoff.after(Ending::Failed, stood, random()), client))
        })
        .collect();
    let (mut let_in, mut tried) = (vec![], vec![]);
    while let Some(Reverse((now, client))) = coming.pop() {
        let outcome = if now < away {
            Tried::Failed(now + answers.unwrap_or_default())
        } else {
            tried.push(now);
            door.come(now)
        };
        match outcome {
            Tried::In(when) => let_in.push(when),
            Tried::Failed(then) => {
                let wait = clients[client].after(Ending::Failed, Duration::ZERO, random());
                coming.push(Reverse((then + wait, client)));
            }
        }
    }
    let all = let_in.iter().max().unwrap().saturating_sub(away);
    Back { all, let_in: busiest(&mut let_in), tried: busiest(&mut tried) }
}

#[test]
fn ten_thousand_come_back_at_the_gateways_pace() {
    let seconds = Duration::from_secs;
    // The gateway's defaults, of strangers: three quarters for all networks, a quarter for one.
    let doors = [("each from a network of its own", 750, 3072), ("all from one", 250, 1024)];
    for (whence, rate, places) in doors {
        for (away, spread, answers) in [
            // It was killed and is there again; over TLS all know at once.
            (seconds(2), Duration::ZERO, None),
            // Over QUIC they find out one after the other.
            (seconds(2), seconds(15), None),
            (seconds(60), Duration::ZERO, None),
            (seconds(600), Duration::ZERO, None),
            // The machine is gone: nobody says so.
            (seconds(600), Duration::ZERO, Some(ANSWER)),
        ] {
            let back = storm(Door::new(rate, places), away, spread, answers);
            let least = CLIENTS as u64 / u64::from(rate);
            let Back { all, let_in, tried } = &back;
            println!(
                "{whence}; away for {away:?}, noticed within {spread:?}, a try takes {answers:?}: all \
                 after {all:.0?}, in a second at most {let_in} let in and {tried} tried"
            );
            assert!(back.let_in <= 2 * rate as usize, "{whence}: {back:?}");
            // The pace alone takes that long; a wait of a minute may come on top, and once more
            // where the first try found no place.
            assert!(back.all <= seconds(least + 120), "{whence}: {back:?}");
        }
    }
}
