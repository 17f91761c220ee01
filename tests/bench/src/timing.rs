//! Telling the time.

use std::hint::black_box;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// What half of the decisions take, and what all but one in a hundred take, in nanoseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Spread {
    /// Half are faster.
    pub p50: u64,
    /// One in a hundred is slower.
    pub p99: u64,
}

impl Spread {
    /// Of nanoseconds.
    #[must_use]
    pub fn of(mut took: Vec<u64>) -> Self {
        took.sort_unstable();
        let at = |part: usize| took.get(took.len() * part / 100).copied().unwrap_or(0);
        Self { p50: at(50), p99: at(99) }
    }
}

/// Times `ask`, `row` in a row at once; nanoseconds for one. The first tenth warms up.
pub fn spread(times: usize, row: usize, mut ask: impl FnMut(usize) -> bool) -> Spread {
    let mut took: Vec<u64> = Vec::with_capacity(times);
    let (glance, mut number) = (glance(), 0);
    for round in 0..times + times / 10 {
        let begin = Instant::now();
        for _ in 0..row {
            black_box(ask(number));
            number += 1;
        }
        let nanos = nanos(begin.elapsed()).saturating_sub(glance);
        if round >= times / 10 {
            took.push(nanos / row as u64);
        }
    }
    Spread::of(took)
}

/// What a look at the clock takes.
#[must_use]
pub fn glance() -> u64 {
    (0..1000).map(|_| nanos(Instant::now().elapsed())).min().unwrap_or(0)
}

/// In whole nanoseconds.
#[must_use]
pub fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// What some work took: by the clock on the wall, and of processors.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Spent {
    /// Milliseconds on the wall.
    pub wall_ms: f64,
    /// Seconds of processors, all threads of the process together.
    pub cpu_s: f64,
}

impl Spent {
    /// Adds what more work took.
    pub fn add(&mut self, more: Self) {
        self.wall_ms += more.wall_ms;
        self.cpu_s += more.cpu_s;
    }
}

/// Does some work, and says what it took.
pub fn spent<R>(work: impl FnOnce() -> R) -> (R, Spent) {
    let (wall, cpu) = (Instant::now(), cpu());
    let done = work();
    let cpu_s = self::cpu() - cpu;
    (done, Spent { wall_ms: wall.elapsed().as_secs_f64() * 1000.0, cpu_s })
}

/// The seconds of processors that this process has had.
fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
