//! A steady pace with a burst of one second.

use std::time::Duration;

use tokio::time::Instant;

const BURST: Duration = Duration::from_secs(1);

/// A steady pace with a burst of one second (the generic cell rate algorithm): each step is told
/// when it may be taken.
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

    /// When the next step may be taken.
    pub(super) fn when(&self, now: Instant) -> Instant {
        self.next.max(now.checked_sub(BURST).unwrap_or(now)) + self.step
    }

    /// Takes a step, if one may be taken now.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let when = self.when(now);
        let may = when <= now;
        if may {
            self.next = when;
        }
        may
    }

    /// Whether a step may be taken now.
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
        let mut pace = SteadyRate::new(10, begin);
        let taken = |pace: &mut SteadyRate, now| (0..100).filter(|_| pace.take(now)).count();
        assert_eq!(taken(&mut pace, begin), 10);
        assert!(!pace.is_ready(begin));
        assert_eq!(taken(&mut pace, begin + Duration::from_millis(200)), 2);
        assert_eq!(taken(&mut pace, begin + Duration::from_secs(60)), 10);
    }
}
