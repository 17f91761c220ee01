//! The conditions `until=` and `after=`.

use jiff::Timestamp;

use super::error::WhenError;
use super::truth::Truth;

/// `until=T`: before the instant T, which is excluded.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Until(Timestamp);

/// `after=T`: from the instant T on, which is included.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct After(Timestamp);

impl Until {
    pub(super) fn instant(&self) -> Timestamp {
        self.0
    }

    pub(super) fn holds(&self, now: Timestamp) -> Truth {
        if now < self.0 { Truth::True } else { Truth::False }
    }

    pub(super) fn changes_at(&self, now: Timestamp) -> Option<Timestamp> {
        (now < self.0).then_some(self.0)
    }
}

impl After {
    pub(super) fn instant(&self) -> Timestamp {
        self.0
    }

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
    let strict = is_rfc3339(value);
    value.parse().ok().filter(|_| strict).ok_or_else(|| WhenError::Value {
        name,
        value: value.into(),
        expected: "an instant is RFC 3339 with an offset, such as 2027-01-01T18:00:00+01:00".into(),
    })
}

/// Returns whether a text has the form of RFC 3339 section 5.6. The parser accepts other forms as
/// well.
fn is_rfc3339(text: &str) -> bool {
    let (date_time, offset) = match text.strip_suffix(['Z', 'z']) {
        Some(rest) => (rest, ""),
        None => match text.char_indices().rev().nth(5) {
            Some((at, '+' | '-')) => text.split_at_checked(at).unwrap_or((text, "")),
            _ => return false,
        },
    };
    let (whole, fraction) = match date_time.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (date_time, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let like = |text: &str, form: &str| {
        text.len() == form.len()
            && text.bytes().zip(form.bytes()).all(|(byte, form)| match form {
                b'0' => byte.is_ascii_digit(),
                b'T' => matches!(byte, b'T' | b't'),
                b'+' => matches!(byte, b'+' | b'-'),
                form => byte == form,
            })
    };
    like(whole, "0000-00-00T00:00:00")
        && fraction.is_none_or(digits)
        && (offset.is_empty() || like(offset, "+00:00"))
}
