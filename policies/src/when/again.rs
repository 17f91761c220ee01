//! Finds when conditions start to hold by time alone.

use jiff::Timestamp;

use super::{Truth, When};
use crate::question::Context;

/// How many changes ahead the search looks.
const AHEAD: usize = 64;

impl When {
    /// Returns whether the conditions hold at no instant from `now` on.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        let context = Context::at(now);
        // A condition that recurs every week is never over.
        matches!(self.next_time(&context), Next::Never)
    }

    /// Returns from when on the conditions hold, as far as time is concerned; `None` if never, or
    /// if the search does not find it.
    pub(crate) fn holds_at(&self, context: &Context) -> Option<Timestamp> {
        match self.next_time(context) {
            Next::At(at) => Some(at),
            Next::Never | Next::Later => None,
        }
    }

    fn next_time(&self, context: &Context) -> Next {
        let mut context = context.clone();
        for _ in 0..AHEAD {
            if self.of_time(&context) != Truth::False {
                return Next::At(context.now);
            }
            match self.changes_at(&context) {
                Some(next) => context.now = next,
                None => return Next::Never,
            }
        }
        Next::Later
    }
}

/// When a condition holds next.
enum Next {
    At(Timestamp),
    Never,
    /// After more changes than the search looks at.
    Later,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_waited_for_until_all_of_it_holds() {
        // A Saturday.
        let now: Timestamp = "2027-01-02T12:00:00Z".parse().unwrap();
        let context = Context::at(now);
        let holds_at = |text: &str| {
            let when: When = text.parse().unwrap();
            when.holds_at(&context).map(|at| at.to_string())
        };
        let weekdays = "time=Mon-Fri 07:00-19:00 UTC";
        assert_eq!(holds_at(weekdays).as_deref(), Some("2027-01-04T07:00:00Z"));
        let both = format!("{weekdays}; after=2027-01-05T22:00:00Z");
        assert_eq!(holds_at(&both).as_deref(), Some("2027-01-06T07:00:00Z"));
        assert_eq!(holds_at(&format!("{weekdays}; until=2020-01-01T00:00:00Z")), None);
        // Too many changes come before that.
        assert_eq!(holds_at(&format!("{weekdays}; after=2030-01-01T00:00:00Z")), None);
        assert_eq!(holds_at("from=10.0.0.0/8").as_deref(), Some("2027-01-02T12:00:00Z"));
    }
}
