//! Lengths of time, as people write them.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

/// A length of time in whole seconds: `90s`, `15m`, `2h`, `3d`, `2w`, or a sum such as `1h30m`. Rules,
/// questions and commands write it alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period {
    /// At least 0.
    seconds: i64,
}

/// A text is no length of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("write {}", Period::FORM)]
pub struct NotAPeriod;

/// The units with their seconds, the largest first.
const UNITS: [(char, i64); 5] =
    [('w', 7 * 24 * 60 * 60), ('d', 24 * 60 * 60), ('h', 60 * 60), ('m', 60), ('s', 1)];

impl Period {
    /// Describes what a text must look like.
    pub const FORM: &str =
        "whole weeks, days, hours, minutes and seconds, in that order, such as 8h, 30m or 1h30m";

    /// Returns how many seconds it has.
    #[must_use]
    pub fn seconds(self) -> u64 {
        self.seconds.unsigned_abs()
    }

    /// Returns it as a duration, which is never negative.
    #[must_use]
    pub fn duration(self) -> SignedDuration {
        SignedDuration::from_secs(self.seconds)
    }

    /// Returns the instant that is so much later; `None` if that is beyond the calendar.
    #[must_use]
    pub fn after(self, instant: Timestamp) -> Option<Timestamp> {
        instant.checked_add(self.duration()).ok()
    }

    /// Returns the instant that is so much earlier; `None` if that is beyond the calendar.
    #[must_use]
    pub fn before(self, instant: Timestamp) -> Option<Timestamp> {
        instant.checked_sub(self.duration()).ok()
    }
}

/// Reads whole numbers with their units, each unit at most once, the larger ones first.
impl FromStr for Period {
    type Err = NotAPeriod;

    fn from_str(text: &str) -> Result<Self, NotAPeriod> {
        let mut units = UNITS.into_iter();
        let (mut seconds, mut rest) = (0_i64, text);
        loop {
            let end = rest.find(|c: char| !c.is_ascii_digit()).ok_or(NotAPeriod)?;
            let (number, after) = rest.split_at_checked(end).ok_or(NotAPeriod)?;
            let mut letters = after.chars();
            let unit = letters.next().ok_or(NotAPeriod)?;
            // Only smaller units may follow.
            let (_, each) = units.find(|(name, _)| *name == unit).ok_or(NotAPeriod)?;
            let number: i64 = number.parse().map_err(|_| NotAPeriod)?;
            let more = number.checked_mul(each).ok_or(NotAPeriod)?;
            seconds = seconds.checked_add(more).ok_or(NotAPeriod)?;
            rest = letters.as_str();
            if rest.is_empty() {
                return Ok(Self { seconds });
            }
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.seconds == 0 {
            return f.write_str("0s");
        }
        let mut left = self.seconds;
        for (unit, each) in UNITS {
            let count = left / each;
            left %= each;
            if count > 0 {
                write!(f, "{count}{unit}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_read_strictly() {
        for text in [
            "",
            "8",
            "h",
            "8 h",
            " 8h",
            "8h ",
            "-8h",
            "+8h",
            "8.5h",
            "8H",
            "8hours",
            "8ms",
            "8y",
            "30m1h",
            "1d1w",
            "1h1h",
            "1h30",
            "h30m",
            "٨h",
            "9223372036854775808s",
            "9223372036854775807m",
            "9223372036854775807w",
            "9223372036854775807s1d",
            "1d9223372036854775807s",
            "PT8H",
        ] {
            assert_eq!(text.parse::<Period>(), Err(NotAPeriod), "{text}");
        }
        for (text, seconds, shown) in [
            ("90s", 90, "1m30s"),
            ("15m", 900, "15m"),
            ("8h", 28_800, "8h"),
            ("3d", 259_200, "3d"),
            ("2w", 1_209_600, "2w"),
            ("1h30m", 5400, "1h30m"),
            ("1w1d2h3m4s", 698_584, "1w1d2h3m4s"),
            ("0s", 0, "0s"),
            ("0d0h", 0, "0s"),
            ("9223372036854775807s", i64::MAX.unsigned_abs(), "15250284452471w3d15h30m7s"),
        ] {
            let period: Period = text.parse().unwrap();
            assert_eq!((period.seconds(), period.to_string().as_str()), (seconds, shown), "{text}");
            assert_eq!(shown.parse(), Ok(period), "{text}");
        }
    }

    #[test]
    fn it_leads_to_instants_within_the_calendar_only() {
        let noon: Timestamp = "2027-01-01T12:00:00Z".parse().unwrap();
        let period: Period = "1d2h".parse().unwrap();
        assert_eq!(period.after(noon), Some("2027-01-02T14:00:00Z".parse().unwrap()));
        assert_eq!(period.before(noon), Some("2026-12-31T10:00:00Z".parse().unwrap()));
        let long: Period = "100000000000000d".parse().unwrap();
        assert_eq!((long.after(noon), long.before(noon)), (None, None));
    }
}
