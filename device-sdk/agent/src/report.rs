//! What a command says on standard error when it fails: a sentence, or JSON for programs.

use std::fmt;
use std::io::Write as _;

use doorward_model::{escape, escape_lines};
use serde_json::{Value, json};

use crate::failure::Failure;

/// Why a command failed, for people and for programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorReport {
    kind: String,
    message: String,
    next: Option<String>,
    id: Option<String>,
}

impl ErrorReport {
    /// Returns a report of that kind, in one sentence. The kind is a word for programs; for a refusal
    /// of the gateway it is the last segment of the problem document's `type` (RFC 9457).
    #[must_use]
    pub fn new(kind: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind: kind.into(), message: message.into(), next: None, id: None }
    }

    /// Adds what to do next.
    #[must_use]
    pub fn with_next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// Returns the report as `{"error": {"kind", "message", "next", "id"}}`.
    #[must_use]
    pub fn document(&self) -> Value {
        let Self { kind, message, next, id } = self;
        json!({ "error": { "kind": kind, "message": message, "next": next, "id": id } })
    }

    /// Prints the report on standard error: as JSON, or in words after the program's name.
    pub fn print(&self, program: &str, as_json: bool) {
        match as_json {
            true => self.print_json(),
            // Nobody may be reading standard error.
            false => drop(writeln!(std::io::stderr().lock(), "{program}: {self}")),
        }
    }

    /// Prints the report on standard error as JSON.
    pub fn print_json(&self) {
        drop(writeln!(std::io::stderr().lock(), "{}", self.document()));
    }
}

impl fmt::Display for ErrorReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(next) = &self.next {
            write!(f, "; {next}")?;
        }
        match &self.id {
            Some(id) => write!(f, " (request {})", escape(id)),
            None => Ok(()),
        }
    }
}

impl From<doorward_sdk::Error> for ErrorReport {
    fn from(error: doorward_sdk::Error) -> Self {
        if let doorward_sdk::Error::Refused { kind, detail, id, .. } = error {
            return Self { kind, message: escape_lines(&detail), next: None, id };
        }
        let is_unreachable = matches!(error, doorward_sdk::Error::Unreachable { .. });
        Self::new(if is_unreachable { "unreachable" } else { "failed" }, error.to_string())
    }
}

impl From<Failure> for ErrorReport {
    fn from(failure: Failure) -> Self {
        let kind = match failure {
            Failure::Gateway(error) => return error.into(),
            Failure::Refused(_) => "refused",
            Failure::Usage(_) => "usage",
            Failure::Cut(_) => "cut",
            Failure::Local { .. } => "local",
            Failure::Declined => "declined",
        };
        Self::new(kind, failure.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_keeps_its_kind_and_its_id() {
        let refused = doorward_sdk::Error::Refused {
            status: 409,
            kind: "name-taken".to_owned(),
            detail: "There is a device of this name.".to_owned(),
            id: Some("01m8".to_owned()),
        };
        let report = ErrorReport::from(refused);
        assert_eq!(report.to_string(), "There is a device of this name. (request 01m8)");
        let expected = json!({
            "kind": "name-taken", "message": "There is a device of this name.", "next": null,
            "id": "01m8",
        });
        assert_eq!(report.document()["error"], expected);
    }

    #[test]
    fn what_to_do_next_stands_behind_what_happened() {
        let report = ErrorReport::new("unreachable", "no answer").with_next("is it running?");
        assert_eq!(report.to_string(), "no answer; is it running?");
    }
}
