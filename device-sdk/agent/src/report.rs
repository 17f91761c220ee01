//! What a command says on standard error when it fails: a sentence, or JSON for programs.

use std::fmt;
use std::io::Write as _;

use doorward_model::{escape, escape_lines};
use doorward_sdk::{Error, Next, Why};
use serde_json::{Value, json};

/// The kind of a report about a wrong command line.
const USAGE: &str = "usage";
/// What to do when the gateway was not reached.
const UNREACHABLE: &str = "is the gateway running, and does this machine reach it?";

/// Why a command failed, for people and for programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorReport {
    kind: String,
    message: String,
    next: Option<String>,
    id: Option<AuditId>,
}

/// The id under which the audit log has what was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
enum AuditId {
    Request(String),
    Flow(String),
}

impl ErrorReport {
    /// Returns a report of that kind, in one sentence. The kind is a word for programs; for a refusal
    /// of the gateway it is the last segment of the problem document's `type` (RFC 9457).
    #[must_use]
    pub fn new(kind: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind: kind.into(), message: message.into(), next: None, id: None }
    }

    /// Returns a report about a wrong command line, in one sentence.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(USAGE, message)
    }

    /// Returns a report about a flow that ended without a proper end. `id` is its id in the audit
    /// log, or empty.
    pub(crate) fn cut(why: Option<Why>, otherwise: &std::io::Error, id: &str) -> Self {
        let shown = why.map_or_else(|| otherwise.to_string(), |why| why.to_string());
        let report = Self::new("cut", format!("the flow was cut or refused: {}", escape(&shown)));
        let report = Self { next: why.and_then(advice).map(str::to_owned), ..report };
        report.with_flow(id)
    }

    /// Adds what to do next.
    #[must_use]
    pub fn with_next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// Says what a sentence says. What to do next is its half after the semicolon, if it has one.
    pub(crate) fn saying(mut self, sentence: &str) -> Self {
        let halves = sentence.split_once("; ").map(|(what, next)| (what, Some(next.to_owned())));
        let (message, next) = halves.unwrap_or((sentence, None));
        (self.message, self.next) = (message.to_owned(), next);
        self
    }

    /// Adds the id of a flow, unless it is empty.
    fn with_flow(mut self, id: &str) -> Self {
        self.id = (!id.is_empty()).then(|| AuditId::Flow(id.to_owned()));
        self
    }

    /// Returns the exit status of a command that fails for this reason: 2 for a wrong command line,
    /// otherwise 1.
    #[must_use]
    pub fn status(&self) -> u8 {
        if self.kind == USAGE { 2 } else { 1 }
    }

    /// Returns the report as `{"error": {"kind", "message", "next", "id"}}`.
    #[must_use]
    pub fn document(&self) -> Value {
        let Self { kind, message, next, id } = self;
        let id = id.as_ref().map(|id| match id {
            AuditId::Request(id) | AuditId::Flow(id) => id,
        });
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
            Some(AuditId::Request(id)) => write!(f, " (request {})", escape(id)),
            Some(AuditId::Flow(id)) => write!(f, " (flow {})", escape(id)),
            None => Ok(()),
        }
    }
}

/// Returns what a person can do about a refusal or an end for this reason.
fn advice(why: Why) -> Option<&'static str> {
    Some(match why {
        Why::Forbidden => {
            "the administrator finds the reason in the audit log under this flow's id"
        }
        Why::Busy => "try again in a moment",
        Why::Unreachable | Why::NoAnswer | Why::NotRecorded => "try again later",
        Why::Taken => "--observe watches the line meanwhile",
        Why::Version => "update the older of this program and the gateway",
        Why::Stopping => "try again in a few seconds",
        Why::Ended => "`doorward-agent status` shows the identity",
        Why::Idle | Why::Broken => "open it again when you need it",
        Why::Wrong | Why::Replaced | Why::Other(_) => return None,
    })
}

impl From<Error> for ErrorReport {
    fn from(error: Error) -> Self {
        if let Error::Refused { kind, detail, id, .. } = error {
            let id = id.map(AuditId::Request);
            return Self { kind, message: escape_lines(&detail), next: None, id };
        }
        if let Error::Flow { why, detail, flow, from } = &error {
            let told = Some(escape_lines(detail)).filter(|told| !told.is_empty());
            let told = told.or_else(|| advice(*why).map(str::to_owned));
            let from = from.map(|from| format!("a rule could allow it from {from} on"));
            let steps: Vec<String> = from.into_iter().chain(told).collect();
            let next = (!steps.is_empty()).then(|| steps.join("; "));
            let report = Self { next, ..Self::new("refused", why.to_string()) };
            return report.with_flow(flow);
        }
        let text = error.to_string();
        if let Error::NotConnected { next, .. } = &error {
            return match next {
                Next::Retry => Self::new("unreachable", text).with_next(UNREACHABLE),
                Next::GiveUp => Self::new("not-accepted", text)
                    .with_next("`doorward-agent status` shows the identity"),
            };
        }
        if let Error::Unreachable { .. } = &error {
            return Self::new("unreachable", text).with_next(UNREACHABLE);
        }
        let kind = if matches!(error, Error::NoIdentity(_)) { "no-identity" } else { "failed" };
        Self::new(kind, "").saying(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_keeps_its_kind_and_its_id() {
        let refused = Error::Refused {
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
        let none = ErrorReport::from(Error::NoIdentity("/x".into())).document();
        assert_eq!(none["error"]["kind"], "no-identity");
        assert_eq!(none["error"]["message"], "/x holds no identity");
        assert!(none["error"]["next"].as_str().unwrap().starts_with("enrol first"), "{none}");
    }

    #[test]
    fn a_refused_flow_has_its_id_and_says_whether_to_wait() {
        let refused = |from| Error::Flow {
            why: Why::Forbidden,
            detail: "ask".to_owned(),
            flow: "f1".to_owned(),
            from,
        };
        let never = ErrorReport::from(refused(None));
        assert_eq!(never.to_string(), "no such interface, or no right to it; ask (flow f1)");
        let later = ErrorReport::from(refused(Some(jiff::Timestamp::UNIX_EPOCH))).document();
        assert_eq!(later["error"]["id"], "f1");
        let next = "a rule could allow it from 1970-01-01T00:00:00Z on; ask";
        assert_eq!(later["error"]["next"], next);
    }

    #[test]
    fn only_a_wrong_command_line_ends_with_2() {
        assert_eq!(ErrorReport::usage("no").status(), 2);
        assert_eq!(ErrorReport::new("failed", "no").status(), 1);
    }
}
