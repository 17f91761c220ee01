//! Values that a question supposes of its context.

use std::collections::BTreeMap;

use doorward_model::{Period, did_you_mean, escape};
use jiff::Timestamp;
use serde::Deserialize;
use thiserror::Error;

/// Values that a question supposes of its context, by name. `auth-age` is how long ago the subject
/// last proved its key by a full handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>")]
pub struct Attributes {
    auth_age: Option<Period>,
}

/// Why something is no attribute of a question.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AttributeError {
    /// No attribute has that name.
    #[error("'{}' is no attribute{}", escape(.0), instead(.0))]
    Name(String),
    /// The value of `auth-age` is no duration.
    #[error("'{}' is no value of auth-age: a duration is {}", escape(.0), Period::FORM)]
    Age(String),
}

const AUTH_AGE: &str = "auth-age";

/// Returns the attribute that was meant, or the list of attributes.
fn instead(text: &str) -> String {
    match did_you_mean(text, [AUTH_AGE]) {
        none if none.is_empty() => format!("; this version knows {AUTH_AGE}"),
        meant => meant,
    }
}

impl Attributes {
    /// Returns when the subject is supposed to have last proved its key, for a question about
    /// `now`.
    #[must_use]
    pub fn proven(&self, now: Timestamp) -> Option<Timestamp> {
        self.auth_age.map(|age| age.before(now).unwrap_or(Timestamp::MIN))
    }
}

impl TryFrom<BTreeMap<String, String>> for Attributes {
    type Error = AttributeError;

    fn try_from(given: BTreeMap<String, String>) -> Result<Self, AttributeError> {
        let mut attributes = Self::default();
        for (name, value) in given {
            match (name.as_str(), value.parse().ok()) {
                (AUTH_AGE, Some(age)) => attributes.auth_age = Some(age),
                (AUTH_AGE, None) => return Err(AttributeError::Age(value)),
                _ => return Err(AttributeError::Name(name)),
            }
        }
        Ok(attributes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, value: &str) -> Result<Attributes, AttributeError> {
        BTreeMap::from([(name.to_owned(), value.to_owned())]).try_into()
    }

    #[test]
    fn an_age_is_counted_back_from_the_instant_asked_about() {
        let now: Timestamp = "2027-01-01T12:00:00Z".parse().unwrap();
        let proven = |age: &str| read("auth-age", age).unwrap().proven(now).unwrap().to_string();
        assert_eq!(proven("1h30m"), "2027-01-01T10:30:00Z");
        assert_eq!(proven("0s"), "2027-01-01T12:00:00Z");
        assert_eq!(proven("100000000000000d"), Timestamp::MIN.to_string());
        assert_eq!(Attributes::default().proven(now), None);
    }

    #[test]
    fn what_is_no_attribute_is_refused_with_what_is_one() {
        for (name, value, says) in [
            ("auth_age", "2h", "'auth_age' is no attribute; did you mean auth-age?"),
            ("mode", "away", "'mode' is no attribute; this version knows auth-age"),
            ("", "", "'' is no attribute; this version knows auth-age"),
            ("auth-age", "2", "'2' is no value of auth-age: a duration is whole weeks"),
            ("auth-age", "-2h", "such as 8h, 30m or 1h30m"),
        ] {
            let error = read(name, value).unwrap_err().to_string();
            assert!(error.contains(says), "{name}={value}: {error}");
        }
    }
}
