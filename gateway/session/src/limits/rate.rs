//! A steady rate with a burst of one second.

use std::time::Duration;

use tokio::time::Instant;

const BURST: Duration = Duration::from_secs(1);

/// A steady rate with a burst of one second (the generic cell rate algorithm).
#[derive(Clone, Copy, Debug)]
pub(super) struct SteadyRate {
    step: Duration,
    next: Instant,
}

impl SteadyRate {
    pub(super) fn new(rate: u32, now: Instant) -> Self {
        let step = BURST / rate.max(1);
        Self { step, next: now.checked_sub(BURST).unwrap_or(now) }
    }

    /// Returns when the next step may be taken.
    pub(super) fn when(&self, now: Instant) -> Instant {
        self.next.max(now.checked_sub(BURST).unwrap_or(now)) + self.step
    }

    /// Takes a step if one may be taken now. Returns whether it did.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let when = self.when(now);
        let may = when <= now;
        if may {
            self.next = when;
        }
        may
    }

    /// Returns whether a step may be taken now.
    pub(super) fn is_ready(&self, now: Instant) -> bool {
        self.when(now) <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_of_a_second_then_step_by_step() {
        let begin = Instant::now();
        let mut rate = SteadyRate::new(10, begin);
        let taken = |rate: &mut SteadyRate, now| (0..100).filter(|_| rate.take(now)).count();
        assert_eq!(taken(&mut rate, begin), 10);
        assert!(!rate.is_ready(begin));
        assert_eq!(taken(&mut rate, begin + Duration::from_millis(200)), 2);
        assert_eq!(taken(&mut rate, begin + Duration::from_secs(60)), 10);
    }
}
