//! The times of renewals.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::backoff::spread;
use crate::identity::Validity;

/// Returns when to renew an identity: after two thirds of its validity, plus or minus a twentieth
/// of it by `random`, so that clients enrolled together do not renew together.
pub(crate) fn due(validity: Validity, random: u64) -> Timestamp {
    let life = life(validity);
    let (least, most) = (life.mul_f64(2.0 / 3.0 - 0.05), life.mul_f64(2.0 / 3.0 + 0.05));
    later(validity.not_before, spread(least, most, random))
}

/// Returns how long to wait after `failed` consecutive failures, by `random`. The wait is at least
/// a two hundredth of the validity (1 to 60 s) and at most a twentieth (up to an hour).
pub(crate) fn again(validity: Validity, failed: u32, random: u64) -> Duration {
    let life = life(validity);
    let least = (life / 200).clamp(Duration::from_secs(1), Duration::from_secs(60));
    let most = (life / 20).clamp(least, Duration::from_secs(3600));
    let doubled = least.saturating_mul(1u32.checked_shl(failed).unwrap_or(u32::MAX).max(1));
    spread(least, doubled.min(most), random)
}

/// Returns how long a new identity is not renewed, whatever the clock says.
pub(crate) fn rest(validity: Validity) -> Duration {
    life(validity) / 3
}

/// Returns `wait`, plus or minus a tenth by `random`.
pub(crate) fn about(wait: Duration, random: u64) -> Duration {
    let tenth = wait / 10;
    spread(wait.saturating_sub(tenth), wait.saturating_add(tenth), random)
}

fn life(validity: Validity) -> Duration {
    let life = validity.not_after.duration_since(validity.not_before);
    Duration::try_from(life).unwrap_or_default()
}

fn later(time: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    time.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// Returns the duration from `now` until `then`, or zero if `then` is over.
pub(crate) fn until(now: Timestamp, then: Timestamp) -> Duration {
    Duration::try_from(then.duration_since(now)).unwrap_or_default()
}

/// Returns the instant `wait` after `now`.
pub(crate) fn after(now: Timestamp, wait: Duration) -> Timestamp {
    later(now, wait)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    proptest! {
        #[test]
        fn renewal_is_about_two_thirds_into_the_life_and_never_past_nine_tenths(
            begin in 0i64..4_000_000_000, life in 60i64..100_000_000, random in any::<u64>(),
        ) {
            let validity = Validity { not_before: at(begin), not_after: at(begin + life) };
            let due = due(validity, random).duration_since(at(begin)).as_secs_f64() / life as f64;
            prop_assert!((0.616..=0.717).contains(&due), "{due}");
        }

        #[test]
        fn it_is_tried_again_often_enough_before_the_end(
            life in 60i64..100_000_000, failed in 0u32..100, random in any::<u64>(),
        ) {
            let validity = Validity { not_before: at(0), not_after: at(life) };
            let wait = again(validity, failed, random);
            prop_assert!(wait >= Duration::from_secs(1));
            let most = (life as f64 / 20.0).clamp(1.0, 3600.0);
            prop_assert!(wait.as_secs_f64() <= most + 0.001, "{wait:?}");
        }
    }

    #[test]
    fn what_is_over_is_not_waited_for() {
        assert_eq!(until(at(100), at(50)), Duration::ZERO);
        assert_eq!(until(at(50), at(100)), Duration::from_secs(50));
        assert_eq!(after(at(50), Duration::from_secs(7)), at(57));
    }
}
