//! Why a text is no `when` column.

use doorward_model::{did_you_mean, escape};
use thiserror::Error;

/// Why a text is no `when` column.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WhenError {
    /// Nothing stands between two semicolons.
    #[error("an empty condition; conditions are joined by single semicolons")]
    Empty,
    /// The condition has no operator.
    #[error("'{}' is no condition; write NAME=VALUE, such as until=2027-01-01T00:00:00Z", escape(.0))]
    Form(String),
    /// No condition has that name.
    #[error("'{}' is no condition{}", escape(.0), instead(.0))]
    Name(String),
    /// This version does not have the condition yet.
    #[error("{name} is not built yet; this version knows {known}", name = .0, known = KNOWN.join(" "))]
    NotBuilt(&'static str),
    /// The time zone does not exist.
    #[error("'{}' is no time zone; write one of the IANA database, such as Europe/Berlin or UTC", escape(.0))]
    Zone(String),
    /// The value has the wrong form.
    #[error("'{}' is no value of {name}: {expected}", escape(.value))]
    Value {
        /// The condition's name.
        name: &'static str,
        /// The value.
        value: String,
        /// The expected form.
        expected: String,
    },
}

const KNOWN: [&str; 5] = ["from=", "time=", "until=", "after=", "auth-age<="];

/// Returns the condition that was meant, or the list of conditions.
fn instead(text: &str) -> String {
    match did_you_mean(text, KNOWN) {
        none if none.is_empty() => {
            format!("; those of this version are {}", KNOWN.join(" "))
        }
        meant => meant,
    }
}
