//! Simulates ten thousand clients that reconnect to their gateway: the clients' backoff against a
//! model of the gateway's admission, without sockets and with simulated time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::Pace;
use crate::backoff::{Backoff, EndReason};

/// The number of clients.
const CLIENTS: usize = 10_000;
/// How long a client waits for an answer, and the gateway for a handshake
/// (`limits.handshake-time`).
const ANSWER: Duration = Duration::from_secs(15);
const HANDSHAKE: Duration = Duration::from_secs(10);

/// A model of the gateway's admission of unidentified clients: a rate with a burst of one second,
/// and a bounded number of waiting handshakes.
struct Admission {
    step: Duration,
    next: Duration,
    places: usize,
    /// When each waiting handshake is admitted or gives up.
    waiting: BinaryHeap<Reverse<Duration>>,
}

/// The result of an attempt.
enum Tried {
    In(Duration),
    /// The attempt failed, and the client learned it at this time.
    Failed(Duration),
}

impl Admission {
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

/// How the clients came back.
#[derive(Debug)]
struct Back {
    /// How long it took until all were back, after the gateway was up again.
    all: Duration,
    /// The largest number admitted within one second, and the largest number of attempts.
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

/// Breaks all connections within `spread`, and keeps the gateway down for `away`. During that time
/// an attempt fails after `answers`, or at once if the port is closed.
fn storm(mut door: Admission, away: Duration, spread: Duration, answers: Option<Duration>) -> Back {
    // SplitMix64; any generator would do.
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
            Reverse((broke + backoff.after(EndReason::Failed, stood, random()), client))
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
                let wait = clients[client].after(EndReason::Failed, Duration::ZERO, random());
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
    // The gateway's default shares for unidentified clients: three quarters of the capacity for all
    // networks together, one quarter for a single network.
    let doors = [("each from a network of its own", 750, 3072), ("all from one", 250, 1024)];
    for (whence, rate, places) in doors {
        for (away, spread, answers) in [
            // The gateway was killed and restarted. Over TLS all clients notice at once.
            (seconds(2), Duration::ZERO, None),
            // Over QUIC they notice one after the other.
            (seconds(2), seconds(15), None),
            (seconds(60), Duration::ZERO, None),
            (seconds(600), Duration::ZERO, None),
            // The machine is down, so attempts time out.
            (seconds(600), Duration::ZERO, Some(ANSWER)),
        ] {
            let back = storm(Admission::new(rate, places), away, spread, answers);
            let least = CLIENTS as u64 / u64::from(rate);
            let Back { all, let_in, tried } = &back;
            println!(
                "{whence}; away for {away:?}, noticed within {spread:?}, a try takes {answers:?}: all \
                 after {all:.0?}, in a second at most {let_in} let in and {tried} tried"
            );
            assert!(back.let_in <= 2 * rate as usize, "{whence}: {back:?}");
            // The rate alone needs `least`. One wait of up to a minute can come on top, and a
            // second one where the first attempt was turned away.
            assert!(back.all <= seconds(least + 120), "{whence}: {back:?}");
        }
    }
}
