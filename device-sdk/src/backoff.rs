//! The waits between attempts to connect.

use std::time::Duration;

/// The waits between attempts to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The shortest wait.
    pub floor: Duration,
    /// The longest wait after an ordinary failure.
    pub cap: Duration,
    /// How long a connection must last until the next wait is short again.
    pub settled: Duration,
    /// The shortest wait after another connection with the same identity has replaced this one. The
    /// longest is 20 % more.
    pub replaced: Duration,
    /// The shortest and the longest wait after the gateway has said that it is stopping.
    pub stopping: (Duration, Duration),
    /// The shortest and the longest wait after the gateway has refused the identity.
    pub refused: (Duration, Duration),
    /// The shortest wait where only a person can help. The longest is 10 % more.
    pub given_up: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            floor: Duration::from_millis(500),
            cap: Duration::from_secs(60),
            settled: Duration::from_secs(60),
            replaced: Duration::from_secs(5 * 60),
            stopping: (Duration::from_secs(1), Duration::from_secs(5)),
            refused: (Duration::from_secs(60), Duration::from_secs(15 * 60)),
            given_up: Duration::from_secs(60 * 60),
        }
    }
}

/// Why a connection, or the attempt to make one, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndReason {
    /// The gateway was not reached, or the connection broke off.
    Failed,
    /// Another connection with the same identity replaced it.
    Replaced,
    /// The gateway is stopping.
    Stopping,
    /// The gateway does not accept the identity.
    Refused,
    /// The two sides have no protocol version in common.
    GivenUp,
    /// The client was stopped.
    Stopped,
}

/// The schedule of attempts to connect.
#[derive(Debug)]
pub(crate) struct Backoff {
    pace: Pace,
    /// Consecutive failures.
    failed: u32,
    /// Consecutive refusals.
    refused: u32,
}

impl Backoff {
    pub(crate) fn new(pace: Pace) -> Self {
        Self { pace, failed: 0, refused: 0 }
    }

    /// Returns how long to wait after a connection that lasted for `stood` and ended for this
    /// reason. `random` must be uniformly distributed.
    pub(crate) fn after(&mut self, reason: EndReason, stood: Duration, random: u64) -> Duration {
        if stood >= self.pace.settled {
            (self.failed, self.refused) = (0, 0);
        }
        let pace = self.pace;
        let (least, most) = match reason {
            EndReason::Failed => {
                self.failed = self.failed.saturating_add(1);
                (pace.floor, doubled(pace.floor, self.failed, pace.cap))
            }
            EndReason::Refused => {
                self.refused = self.refused.saturating_add(1);
                let (least, most) = pace.refused;
                (least, doubled(least, self.refused, most))
            }
            EndReason::Replaced => (pace.replaced, pace.replaced.saturating_mul(6) / 5),
            EndReason::Stopping => pace.stopping,
            EndReason::GivenUp => (pace.given_up, pace.given_up.saturating_mul(11) / 10),
            EndReason::Stopped => (Duration::ZERO, Duration::ZERO),
        };
        spread(least, most, random)
    }
}

fn doubled(least: Duration, times: u32, most: Duration) -> Duration {
    let factor = 1u32.checked_shl(times).unwrap_or(u32::MAX);
    least.saturating_mul(factor.max(1)).min(most)
}

/// Returns a duration between `least` and `most`, in proportion to `random`.
pub(crate) fn spread(least: Duration, most: Duration, random: u64) -> Duration {
    let room = most.saturating_sub(least).as_nanos();
    let part = room.min(u128::from(u64::MAX)).saturating_mul(u128::from(random)) >> 64;
    least.saturating_add(Duration::from_nanos(u64::try_from(part).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ENDINGS: [EndReason; 5] = [
        EndReason::Failed,
        EndReason::Replaced,
        EndReason::Stopping,
        EndReason::Refused,
        EndReason::GivenUp,
    ];

    proptest! {
        #[test]
        fn a_wait_is_never_below_its_floor_nor_above_its_cap(
            events in prop::collection::vec((0usize..5, 0u64..200, any::<u64>()), 1..80),
        ) {
            let pace = Pace::default();
            let mut backoff = Backoff::new(pace);
            for (which, stood, random) in events {
                let wait = backoff.after(ENDINGS[which], Duration::from_secs(stood), random);
                let (least, most) = match ENDINGS[which] {
                    EndReason::Failed => (pace.floor, pace.cap),
                    EndReason::Replaced => (pace.replaced, pace.replaced * 6 / 5),
                    EndReason::Stopping => pace.stopping,
                    EndReason::Refused => pace.refused,
                    EndReason::GivenUp | EndReason::Stopped => (pace.given_up, pace.given_up * 11 / 10),
                };
                prop_assert!(wait >= least && wait <= most, "{:?}: {wait:?}", ENDINGS[which]);
            }
        }

        #[test]
        fn it_begins_at_the_floor_again_after_a_connection_that_stood(
            failures in 0u32..200, random in any::<u64>(),
        ) {
            let mut backoff = Backoff::new(Pace::default());
            for _ in 0..failures {
                backoff.after(EndReason::Failed, Duration::ZERO, random);
            }
            let wait = backoff.after(EndReason::Failed, Duration::from_secs(60), random);
            prop_assert!(wait <= Duration::from_secs(1));
        }

        #[test]
        fn it_grows_up_to_the_cap(random in any::<u64>()) {
            let mut backoff = Backoff::new(Pace::default());
            let mut former = Duration::ZERO;
            for _ in 0..40 {
                let wait = backoff.after(EndReason::Failed, Duration::ZERO, random);
                prop_assert!(wait >= former);
                former = wait;
            }
            // Full jitter: the wait is anywhere between the floor and the cap, in proportion to
            // `random`.
            prop_assert_eq!(former, spread(Pace::default().floor, Pace::default().cap, random));
        }
    }
}
