use jiff::Timestamp;

use super::{Truth, WhenError};

/// `until=T`: before the instant, which is excluded.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Until(Timestamp);

/// `after=T`: from the instant on, which is included.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct After(Timestamp);

impl Until {
    pub(super) fn holds(&self, now: Timestamp) -> Truth {
        if now < self.0 { Truth::True } else { Truth::False }
    }

    pub(super) fn changes_at(&self, now: Timestamp) -> Option<Timestamp> {
        (now < self.0).then_some(self.0)
    }
}

impl After {
    pub(super) fn holds(&self, now: Timestamp) -> Truth {
        if now >= self.0 { Truth::True } else { Truth::False }
    }

    pub(super) fn changes_at(&self, now: Timestamp) -> Option<Timestamp> {
        (now < self.0).then_some(self.0)
    }
}

pub(super) fn until(value: &str) -> Result<Until, WhenError> {
    instant("until=", value).map(Until)
}

pub(super) fn after(value: &str) -> Result<After, WhenError> {
    instant("after=", value).map(After)
}

fn instant(name: &'static str, value: &str) -> Result<Timestamp, WhenError> {
    value.parse().map_err(|_| WhenError::Value {
        name,
        value: value.into(),
        expected: "an instant is RFC 3339 with an offset, such as 2027-01-01T18:00:00+01:00".into(),
    })
}
