//! The condition `auth-age<=`.

use doorward_model::Period;
use jiff::{SignedDuration, Timestamp};

use super::error::WhenError;
use super::truth::Truth;

/// `auth-age<=8h`: the subject last proved its key, by a full handshake, at most that long ago.
///
/// The last instant is included. After it the condition never holds again for this handshake. So it
/// is not a condition *of time*: waiting does not help, and a new handshake does. A handshake in
/// the future, after the clock was set back, counts as one of this moment.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Age(SignedDuration);

impl Age {
    pub(super) fn holds(&self, proven: Option<Timestamp>, now: Timestamp) -> Truth {
        match proven {
            None => Truth::Unknown,
            Some(proven) if now <= self.last(proven) => Truth::True,
            Some(_) => Truth::False,
        }
    }

    /// Returns the first instant after `now` at which it no longer holds.
    pub(super) fn changes_at(
        &self,
        proven: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let last = proven.map(|proven| self.last(proven)).filter(|last| now <= *last)?;
        last.checked_add(SignedDuration::from_nanos(1)).ok()
    }

    /// Returns how old a handshake may be.
    pub(super) fn most(&self) -> SignedDuration {
        self.0
    }

    /// Returns the last instant at which it holds.
    fn last(&self, proven: Timestamp) -> Timestamp {
        proven.saturating_add(self.0).unwrap_or(Timestamp::MAX)
    }
}

/// Returns how long ago the handshake was. It rounds up, so that an age that is just too old looks
/// too old.
pub(super) fn saw(proven: Option<Timestamp>, now: Timestamp) -> String {
    let Some(proven) = proven else { return "no handshake".to_owned() };
    let age = now.duration_since(proven).max(SignedDuration::ZERO);
    let seconds = age.as_secs().saturating_add(i64::from(age.subsec_nanos() > 0));
    format!("a full handshake {:#} ago", SignedDuration::from_secs(seconds))
}

pub(super) fn read(value: &str) -> Result<Age, WhenError> {
    let read = value.parse().map(Period::duration).ok();
    read.filter(SignedDuration::is_positive).map(Age).ok_or_else(|| WhenError::Value {
        name: "auth-age<=",
        value: value.into(),
        expected: format!("a duration above zero is {}", Period::FORM),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_end_is_included_and_exact() {
        let age = read("1h30m").unwrap();
        let proven = at("2027-01-01T00:00:00.000000001Z");
        let (last, over) =
            (at("2027-01-01T01:30:00.000000001Z"), at("2027-01-01T01:30:00.000000002Z"));
        let early = at("2026-12-31T00:00:00Z");
        // Also in the future: the clock was set back.
        for now in [early, proven, at("2027-01-01T01:00:00Z"), last] {
            assert_eq!(age.holds(Some(proven), now), Truth::True, "{now}");
            assert_eq!(age.changes_at(Some(proven), now), Some(over), "{now}");
        }
        for now in [over, at("2030-01-01T00:00:00Z"), Timestamp::MAX] {
            assert_eq!(age.holds(Some(proven), now), Truth::False, "{now}");
            assert_eq!(age.changes_at(Some(proven), now), None, "{now}");
        }
    }

    #[test]
    fn without_a_handshake_it_is_not_known_and_stays_so() {
        let age = read("1s").unwrap();
        assert_eq!(age.holds(None, Timestamp::UNIX_EPOCH), Truth::Unknown);
        assert_eq!(age.changes_at(None, Timestamp::UNIX_EPOCH), None);
    }

    #[test]
    fn the_ends_of_time_are_no_trouble() {
        let (short, long) = (read("1s").unwrap(), read("100000000000000d").unwrap());
        assert_eq!(short.holds(Some(Timestamp::MIN), Timestamp::MAX), Truth::False);
        for age in [&short, &long] {
            assert_eq!(age.holds(Some(Timestamp::MAX), Timestamp::MAX), Truth::True);
            assert_eq!(age.changes_at(Some(Timestamp::MAX), Timestamp::MIN), None);
        }
        assert_eq!(long.holds(Some(Timestamp::MIN), Timestamp::MAX), Truth::True);
        assert!(saw(Some(Timestamp::MIN), Timestamp::MAX).ends_with("ago"));
    }

    #[test]
    fn what_it_saw_is_rounded_up() {
        let now = at("2027-01-01T12:00:00Z");
        for (proven, says) in [
            (None, "no handshake"),
            (Some("2027-01-01T10:00:00Z"), "a full handshake 2h ago"),
            (Some("2027-01-01T09:59:59.999999999Z"), "a full handshake 2h 1s ago"),
            (Some("2027-01-01T11:59:59.5Z"), "a full handshake 1s ago"),
            (Some("2027-01-01T12:00:00Z"), "a full handshake 0s ago"),
            (Some("2027-01-02T00:00:00Z"), "a full handshake 0s ago"),
        ] {
            assert_eq!(saw(proven.map(at), now), says);
        }
    }

    #[test]
    fn an_age_of_nothing_is_refused() {
        for text in ["0s", "0h", "0d0h", "-1h", "8"] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(read("1s").is_ok());
    }
}
