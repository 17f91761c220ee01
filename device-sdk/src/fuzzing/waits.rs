//! A fuzz target for waits and renewal times.

use std::time::Duration;

use doorward_wire::fuzzing::Feed;
use jiff::{SignedDuration, Timestamp};

use crate::backoff::{Backoff, EndReason, Pace};
use crate::identity::Validity;
use crate::schedule::{about, after, again, due, rest, until};

/// Generates any duration.
pub(super) fn duration(feed: &mut Feed<'_>) -> Duration {
    if feed.flag() {
        return Duration::from_millis(feed.number());
    }
    Duration::new(feed.number(), u32::try_from(feed.number() % 1_000_000_000).unwrap())
}

/// Generates any instant.
pub(super) fn instant(feed: &mut Feed<'_>) -> Timestamp {
    let number = feed.number().cast_signed();
    let near = Timestamp::from_second(1_767_225_600).unwrap();
    match feed.byte() % 4 {
        0 => Timestamp::from_second(number % 253_402_207_200).unwrap(),
        1 => Timestamp::MAX.saturating_sub(SignedDuration::from_secs(number & 0xff)).unwrap(),
        2 => Timestamp::MIN.saturating_add(SignedDuration::from_secs(number & 0xff)).unwrap(),
        _ => near.saturating_add(SignedDuration::from_secs(number)).unwrap(),
    }
}

fn validity(feed: &mut Feed<'_>) -> Validity {
    Validity { not_before: instant(feed), not_after: instant(feed) }
}

/// Checks the waits between connections. For any pace and any events, a wait is within its bounds,
/// and it is short again after a long connection.
pub fn backoff(bytes: &[u8]) {
    let mut feed = Feed::new(bytes);
    let pace = if feed.flag() {
        Pace::default()
    } else {
        Pace {
            floor: duration(&mut feed),
            cap: duration(&mut feed),
            settled: duration(&mut feed),
            replaced: duration(&mut feed),
            stopping: (duration(&mut feed), duration(&mut feed)),
            refused: (duration(&mut feed), duration(&mut feed)),
            given_up: duration(&mut feed),
        }
    };
    let mut backoff = Backoff::new(pace);
    let (mut failed, mut refused) = (0u32, 0u32);
    while !feed.is_empty() {
        let endings = [
            EndReason::Failed,
            EndReason::Replaced,
            EndReason::Stopping,
            EndReason::Refused,
            EndReason::GivenUp,
            EndReason::Stopped,
        ];
        let (reason, stood) = (feed.pick(&endings), duration(&mut feed));
        if stood >= pace.settled {
            (failed, refused) = (0, 0);
        }
        let wait = backoff.after(reason, stood, feed.number());
        let grown = |least: Duration, times: u32| {
            least.saturating_mul(1u32.checked_shl(times).unwrap_or(u32::MAX))
        };
        let (least, most) = match reason {
            EndReason::Failed => {
                failed += 1;
                (pace.floor, pace.cap.min(grown(pace.floor, failed)))
            }
            EndReason::Refused => {
                refused += 1;
                (pace.refused.0, pace.refused.1.min(grown(pace.refused.0, refused)))
            }
            EndReason::Replaced => (pace.replaced, pace.replaced.saturating_mul(2)),
            EndReason::Stopping => pace.stopping,
            EndReason::GivenUp => (pace.given_up, pace.given_up.saturating_mul(2)),
            EndReason::Stopped => (Duration::ZERO, Duration::ZERO),
        };
        assert!(wait >= least && wait <= most.max(least), "{reason:?}: {wait:?}");
    }
}

/// Checks the time of a renewal: it lies within the validity, and retries are neither without a
/// pause nor too rare, whatever the certificate and the clock say.
pub fn schedule(bytes: &[u8]) {
    let mut feed = Feed::new(bytes);
    let (validity, random) = (validity(&mut feed), feed.number());
    let due = due(validity, random);
    assert!(due >= validity.not_before);
    if validity.not_after >= validity.not_before {
        assert!(due <= validity.not_after);
        let life = validity.not_after.duration_since(validity.not_before);
        let part = due.duration_since(validity.not_before).as_secs_f64();
        let life = life.as_secs_f64();
        assert!(part >= life * 0.61 - 1e-3 && part <= life * 0.72 + 1e-3, "{part} of {life}");
        assert!(rest(validity).as_secs_f64() <= life / 3.0 + 1e-3);
        assert!((validity.not_before..=validity.not_after).contains(&validity.renewal()));
    }
    let (mut before, failures) = (Duration::ZERO, u32::from(feed.byte()));
    for failed in [0, 1, failures, failures.saturating_mul(1 << 24), u32::MAX] {
        let wait = again(validity, failed, random);
        assert!(wait >= Duration::from_secs(1) && wait <= Duration::from_secs(3600), "{wait:?}");
        assert!(
            wait >= before || failed < 2 || failures < 2,
            "waits grow with the number of failures"
        );
        before = wait;
    }
    let (now, then) = (instant(&mut feed), instant(&mut feed));
    let wait = until(now, then);
    assert_eq!(after(now, wait), now.max(then));
    assert!(after(now, duration(&mut feed)) >= now);
    let wait = duration(&mut feed);
    let spread = about(wait, feed.number());
    assert!(spread >= wait - wait / 10 && spread <= wait.saturating_add(wait / 10));
}

pub(super) fn corpus() -> Vec<Vec<u8>> {
    vec![
        // Failures, a long connection, refusals.
        vec![1, 0, 1, 0, 0, 50, 0, 1, 0, 0, 250, 0, 1, 250, 0, 0, 9, 3, 1, 0, 0, 7, 3, 1, 0, 0, 9],
        [&[0][..], &[0xff; 120]].concat(),
        // An identity for a day, and one without an end.
        vec![0, 0, 3, 170, 0, 3, 200, 0, 5, 100, 0, 3, 90, 0, 3, 1, 60, 0],
        vec![0, 0, 2, 0, 0, 1, 200, 0, 5, 0, 0, 2, 0, 0, 1, 0, 200, 0, 200, 0],
    ]
}
