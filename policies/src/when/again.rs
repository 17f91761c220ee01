//! Finds conditions that hold at no later instant.

use jiff::Timestamp;

use super::{Predicate, Truth, When};
use crate::question::Context;

/// How many changes ahead the search looks.
const AHEAD: usize = 64;

impl When {
    /// Returns whether the conditions certainly hold at no instant from `now` on.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        let mut context = Context::at(now);
        for _ in 0..AHEAD {
            if self.of_time(&context) != Truth::False {
                return false;
            }
            // What is false and changes no more keeps the others from mattering.
            let ended = |one: &Predicate| {
                one.holds(&context) == Truth::False && one.changes_at(&context).is_none()
            };
            if self.predicates.iter().any(|one| one.is_of_time() && ended(one)) {
                return true;
            }
            match self.changes_at(&context) {
                Some(next) => context.now = next,
                None => return true,
            }
        }
        // A condition that recurs every week is never over.
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_at_a_later_instant_is_not_over() {
        // A Saturday.
        let now: Timestamp = "2027-01-02T12:00:00Z".parse().unwrap();
        let weekdays = "time=Mon-Fri 07:00-19:00 UTC";
        for (text, over) in [
            ("until=2020-01-01T00:00:00Z", true),
            ("until=2027-01-02T12:00:00Z", true),
            ("until=2027-01-02T12:00:00.000000001Z", false),
            ("after=2030-01-01T00:00:00Z", false),
            ("after=2030-01-01T00:00:00Z; until=2029-01-01T00:00:00Z", true),
            ("from=10.0.0.0/8", false),
            ("auth-age<=1h", false),
            (weekdays, false),
            (&format!("{weekdays}; until=2027-01-03T00:00:00Z"), true),
            (&format!("{weekdays}; until=2027-01-04T08:00:00Z"), false),
            // Too many changes come before the end.
            (&format!("{weekdays}; after=2030-01-01T00:00:00Z"), false),
        ] {
            let when: When = text.parse().unwrap();
            assert_eq!(when.is_over(now), over, "{text}");
        }
    }
}
