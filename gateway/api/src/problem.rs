//! Refusals and failures as problem documents (RFC 9457).

use serde::{Deserialize, Serialize};

/// Makes the kinds of problems from one list: name, status, title, and what each says.
macro_rules! problems {
    ($($(#[doc = $about:literal])+ $kind:ident: $name:literal, $status:literal, $title:literal;)+) => {
        /// Why a request is refused, or failed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ProblemKind {
            $($(#[doc = $about])+ $kind,)+
        }

        impl ProblemKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$kind),+];

            /// Its name: the last segment of the document's `type`, and `error.kind` of commands.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)+ }
            }

            /// The HTTP status that carries it.
            #[must_use]
            pub fn status(self) -> u16 {
                match self { $(Self::$kind => $status,)+ }
            }

            /// Its title: the same for every document of this kind.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$kind => $title,)+ }
            }
        }
    };
}

problems! {
    /// The request is malformed, or asks for something that cannot be.
    WrongRequest: "wrong-request", 400, "Wrong request";
    /// The files of a bundle do not read. The member `errors` says where.
    DoesNotRead: "does-not-read", 400, "The bundle does not read";
    /// The gateway forwards no requests in absolute form.
    NotForwarded: "not-forwarded", 400, "Not forwarded";
    /// The request needs a proven identity.
    IdentityNeeded: "identity-needed", 401, "Identity needed";
    /// The policy does not permit the request.
    Forbidden: "forbidden", 403, "Forbidden";
    /// A page of another origin made the request.
    FromAnotherPage: "from-another-page", 403, "From another page";
    /// The code is unknown, used or expired.
    CodeRefused: "code-refused", 403, "Code refused";
    /// There is nothing of this name.
    NothingHere: "nothing-here", 404, "Not found";
    /// Another method is answered here.
    WrongMethod: "wrong-method", 405, "Method not allowed";
    /// The body came too slowly.
    TooSlow: "too-slow", 408, "Too slow";
    /// The name belongs to another device, person or interface.
    NameTaken: "name-taken", 409, "Name taken";
    /// Somebody else changed it meanwhile.
    Overtaken: "overtaken", 409, "Overtaken";
    /// Nobody could change the policy afterwards.
    WouldLockOut: "would-lock-out", 409, "Lockout";
    /// Tests of the bundle fail.
    TestsFail: "tests-fail", 409, "Tests failed";
    /// A rule of the bundle denies nothing. The member `errors` says which.
    DeniesNothing: "denies-nothing", 409, "A rule denies nothing";
    /// No bundle waits for a confirmation.
    NothingToConfirm: "nothing-to-confirm", 409, "Nothing to confirm";
    /// Another flow has the only place for writers at this line.
    LineTaken: "line-taken", 409, "Taken";
    /// The request has no length.
    LengthNeeded: "length-needed", 411, "Length needed";
    /// The body is too long.
    TooLong: "too-long", 413, "Too long";
    /// The path or the query is too long.
    PathTooLong: "path-too-long", 414, "Path too long";
    /// The request expects what the gateway does not do.
    ExpectationFailed: "expectation-failed", 417, "Expectation failed";
    /// The host of the request is not the one that the connection was made to.
    WrongHost: "wrong-host", 421, "Wrong host";
    /// Too many requests, codes or renewals in a short time.
    TooMany: "too-many", 429, "Too many requests";
    /// The header fields are too long or too many.
    FieldsTooLong: "fields-too-long", 431, "Header fields too long";
    /// The gateway failed; its log says why.
    Failed: "failed", 500, "Failed";
    /// The two judges of a bundle differ: a fault of the gateway.
    JudgesDiffer: "judges-differ", 500, "Judges differ";
    /// The gateway does not know the method.
    UnknownMethod: "unknown-method", 501, "Unknown method";
    /// The backend cannot be reached.
    Unreachable: "unreachable", 502, "Unreachable";
    /// The backend's answer cannot be passed on.
    BadAnswer: "bad-answer", 502, "Bad answer";
    /// The gateway has no owner yet.
    NoOwnerYet: "no-owner-yet", 503, "No owner yet";
    /// Too much goes on at once.
    Busy: "busy", 503, "Busy";
    /// The request cannot be recorded, so it is not done.
    NotRecorded: "not-recorded", 503, "Not recorded";
    /// The backend cannot be told who asks.
    NotVouched: "not-vouched", 503, "Not forwarded";
    /// The gateway is stopping.
    Stopping: "stopping", 503, "Stopping";
    /// The backend does not answer in time.
    NoAnswer: "no-answer", 504, "No answer";
    /// The version of HTTP is none that the gateway speaks.
    UnknownVersion: "unknown-version", 505, "Unknown version";
    /// The disk of the gateway is full.
    DiskFull: "disk-full", 507, "Disk full";
}

impl ProblemKind {
    /// Where a document's `type` leads, without the name: a path at the gateway that answers.
    const TYPES: &'static str = "/problems/";

    /// The `type` of its documents, a reference relative to the address of the request.
    #[must_use]
    pub fn reference(self) -> String {
        format!("{}{}", Self::TYPES, self.name())
    }

    /// The kind that says least about a status of HTTP.
    #[must_use]
    pub fn of_status(status: u16) -> Self {
        match status {
            401 => Self::IdentityNeeded,
            403 => Self::Forbidden,
            404 => Self::NothingHere,
            405 => Self::WrongMethod,
            408 => Self::TooSlow,
            411 => Self::LengthNeeded,
            413 => Self::TooLong,
            414 => Self::PathTooLong,
            417 => Self::ExpectationFailed,
            421 => Self::WrongHost,
            429 => Self::TooMany,
            431 => Self::FieldsTooLong,
            400..=499 => Self::WrongRequest,
            501 => Self::UnknownMethod,
            502 => Self::Unreachable,
            503 => Self::Busy,
            504 => Self::NoAnswer,
            505 => Self::UnknownVersion,
            507 => Self::DiskFull,
            _ => Self::Failed,
        }
    }
}

/// A problem document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProblemDocument {
    /// What kind of problem it is; see [`ProblemKind::reference`].
    #[serde(rename = "type", default)]
    pub reference: String,
    /// The title of the kind.
    #[serde(default)]
    pub title: String,
    /// The HTTP status.
    #[serde(default)]
    pub status: u16,
    /// What happened, and what to do next.
    #[serde(default)]
    pub detail: String,
    /// What is wrong with the files of a bundle.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<PolicyProblem>,
}

impl ProblemDocument {
    /// The name of its kind: the last segment of its `type`.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.reference.rsplit('/').next().unwrap_or_default()
    }
}

/// One thing that is wrong with the files of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyProblem {
    /// The file, such as `policy.csv`.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, in bytes from 1.
    pub column: usize,
    /// How many bytes from there are wrong; 0 if that is not known.
    pub length: usize,
    /// What is wrong, in a word.
    pub code: String,
    /// What is wrong, in a sentence.
    pub message: String,
    /// What to write instead, where that is known.
    pub fix: Option<String>,
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own() {
        let names: HashSet<_> = ProblemKind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), ProblemKind::ALL.len());
        for name in names {
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{name}");
        }
    }

    #[test]
    fn a_kind_that_stands_for_a_status_has_it() {
        for status in [401, 403, 404, 405, 408, 411, 413, 414, 417, 421, 429, 431] {
            assert_eq!(ProblemKind::of_status(status).status(), status);
        }
        for status in [501, 502, 503, 504, 505, 507] {
            assert_eq!(ProblemKind::of_status(status).status(), status);
        }
        assert_eq!(ProblemKind::of_status(418).status(), 400);
        assert_eq!(ProblemKind::of_status(599).status(), 500);
    }

    #[test]
    fn the_kind_of_a_document_is_the_end_of_its_type() {
        let document = format!(r#"{{"type":"{}"}}"#, ProblemKind::TestsFail.reference());
        let document: ProblemDocument = serde_json::from_str(&document).unwrap();
        assert_eq!(document.kind(), "tests-fail");
    }
}
