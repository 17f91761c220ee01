//! Estimates the time on machines whose clock may be wrong by years.

use std::path::PathBuf;
use std::time::Duration;

use doorward_model::Clock;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::error::Error;
use crate::files::{read, remove_file, rename, write_new};
use crate::identity::{Identity, IdentityDir, Validity};

/// By how much two correct clocks may differ.
pub(crate) const SLACK: SignedDuration = SignedDuration::from_mins(5);

/// A time received from the gateway, and when it was received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GatewayTime {
    time: Timestamp,
    /// By how much the local clock was behind.
    behind: SignedDuration,
    at: Instant,
}

impl GatewayTime {
    pub(crate) fn new(time: Timestamp, local: Timestamp) -> Self {
        Self { time, behind: time.duration_since(local), at: Instant::now() }
    }

    /// Returns by how much the local clock was behind when the time was received.
    pub(crate) fn behind(&self) -> SignedDuration {
        self.behind
    }

    /// Returns a lower bound of the present time.
    pub(crate) fn least(&self) -> Timestamp {
        self.least_after(self.at.elapsed())
    }

    fn least_after(&self, run: Duration) -> Timestamp {
        let run = SignedDuration::try_from(run).unwrap_or(SignedDuration::MAX);
        self.time.saturating_add(run).unwrap_or(Timestamp::MAX)
    }

    /// Returns the present time, as well as it is known.
    ///
    /// The monotonic clock stops while the machine sleeps, so it gives a lower bound. The local
    /// clock plus its correction has no such gap, but somebody may set the local clock meanwhile.
    /// If it was wrong and is right now, it has been set and needs no correction.
    pub(crate) fn now(&self, local: Timestamp) -> Timestamp {
        self.now_after(self.at.elapsed(), local)
    }

    /// Works like [`now`](Self::now), when the monotonic clock has run for `run`.
    pub(crate) fn now_after(&self, run: Duration, local: Timestamp) -> Timestamp {
        let least = self.least_after(run);
        let was_set = self.behind.abs() > SLACK && local.duration_since(least).abs() <= SLACK;
        let corrected =
            if was_set { local } else { local.saturating_add(self.behind).unwrap_or(local) };
        corrected.max(least)
    }
}

/// Returns the present time of a clock, corrected by the gateway's time.
pub(crate) fn now(clock: &dyn Clock, gateway_time: Option<&GatewayTime>) -> Timestamp {
    let local = clock.now();
    gateway_time.map_or(local, |gateway_time| gateway_time.now(local))
}

fn file(dir: &IdentityDir) -> PathBuf {
    dir.path().join("time")
}

/// Returns a lower bound of the present time: the identity was issued, and the stored gateway time
/// was received, before now.
pub(crate) fn low(dir: &IdentityDir, identity: &Identity) -> Result<Timestamp, Error> {
    let issued = identity.validity()?.not_before;
    Ok(kept(dir).map_or(issued, |kept| kept.max(issued)))
}

fn kept(dir: &IdentityDir) -> Option<Timestamp> {
    parse(&read(&file(dir)).ok()??)
}

/// Parses the content of the file.
pub(crate) fn parse(bytes: &[u8]) -> Option<Timestamp> {
    std::str::from_utf8(bytes).ok()?.trim().parse().ok()
}

/// Stores a time from the gateway if it is later than the stored one. A failure is only logged: the
/// next start then has a weaker lower bound.
pub(crate) fn keep(dir: &IdentityDir, gateway_time: Timestamp) {
    if kept(dir).is_some_and(|kept| kept >= gateway_time) {
        return;
    }
    let fresh = dir.path().join(".time.tmp");
    let written = write_new(&fresh, gateway_time.to_string().as_bytes());
    if let Err(error) = written.and_then(|()| rename(&fresh, &file(dir))) {
        tracing::debug!(%error, "could not store the gateway's time");
    }
}

/// Deletes the stored time after a new enrolment, which may be with another gateway.
pub(crate) fn forget(dir: &IdentityDir) -> Result<(), Error> {
    remove_file(&file(dir))
}

/// Checks a time from the gateway against its certificate's validity and the lower bound.
pub(crate) fn judge(gateway_time: Timestamp, shown: Validity, low: Timestamp) -> Result<(), Error> {
    let wrong = |why| Err(Error::Time { told: gateway_time, why });
    let earlier = |time: Timestamp| time.saturating_sub(SLACK).unwrap_or(time);
    let later = |time: Timestamp| time.saturating_add(SLACK).unwrap_or(time);
    if gateway_time < earlier(low) {
        return wrong("which is before a time that has certainly passed");
    }
    if gateway_time < earlier(shown.not_before) || gateway_time > later(shown.not_after) {
        return wrong("which is outside the validity of its own certificate");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_wrong_is_corrected_and_one_that_is_set_is_not_corrected_twice() {
        let gateway_time = GatewayTime::new(at(2_000_000_000), at(100));
        tokio::time::advance(std::time::Duration::from_secs(50)).await;
        assert_eq!(gateway_time.now(at(150)), at(2_000_000_050));
        // The clock was set to the right time.
        assert_eq!(gateway_time.now(at(2_000_000_060)), at(2_000_000_060));
        // The clock was set back.
        assert_eq!(gateway_time.now(at(0)), at(2_000_000_050));
        // The machine slept for an hour, and its clock was right.
        let gateway_time = GatewayTime::new(at(2_000_000_000), at(2_000_000_001));
        assert_eq!(gateway_time.now(at(2_000_003_601)), at(2_000_003_600));
    }

    #[test]
    fn what_a_gateway_tells_lies_within_its_certificate_and_not_before_what_is_known() {
        let shown = Validity { not_before: at(10_000), not_after: at(20_000) };
        assert!(judge(at(15_000), shown, at(0)).is_ok());
        assert!(judge(at(20_200), shown, at(0)).is_ok());
        assert!(judge(at(20_400), shown, at(0)).is_err());
        assert!(judge(at(9_000), shown, at(0)).is_err());
        assert!(judge(at(15_000), shown, at(16_000)).is_err());
    }

    #[test]
    fn the_kept_time_only_goes_on() {
        let temp = tempfile::tempdir().unwrap();
        let dir = IdentityDir::new(temp.path());
        assert_eq!(kept(&dir), None);
        keep(&dir, at(100));
        keep(&dir, at(50));
        assert_eq!(kept(&dir), Some(at(100)));
        keep(&dir, at(200));
        assert_eq!(kept(&dir), Some(at(200)));
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(file(&dir)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        forget(&dir).unwrap();
        forget(&dir).unwrap();
        assert_eq!(kept(&dir), None);
    }

    proptest! {
        #[test]
        fn it_is_never_earlier_than_what_was_told_and_has_passed(
            time in 0i64..4_000_000_000,
            local in 0i64..4_000_000_000,
            run in 0u64..1_000_000_000,
            set in 0i64..4_000_000_000,
        ) {
            let gateway_time = GatewayTime::new(at(time), at(local));
            let (passed, run) = (i64::try_from(run).unwrap(), Duration::from_secs(run));
            // A running clock, right or wrong, is corrected to the second.
            prop_assert_eq!(gateway_time.now_after(run, at(local + passed)), at(time + passed));
            prop_assert!(gateway_time.now_after(run, at(set)) >= at(time + passed));
        }

        #[test]
        fn what_is_believed_is_within_the_certificate_and_not_before_what_is_known(
            time in 0i64..10_000, low in 0i64..10_000, begin in 0i64..10_000, life in 0i64..10_000,
        ) {
            let shown = Validity { not_before: at(begin), not_after: at(begin + life) };
            let good = time + 300 >= low && time + 300 >= begin && time - 300 <= begin + life;
            prop_assert_eq!(judge(at(time), shown, at(low)).is_ok(), good);
        }
    }
}
