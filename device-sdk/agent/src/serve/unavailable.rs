//! Why a flow gets no local end.

use std::io;

use doorward_wire::Why;

/// Why a local end could not be opened.
#[derive(Debug)]
pub(super) struct Unavailable {
    pub(super) why: Why,
    pub(super) detail: String,
}

impl Unavailable {
    pub(super) fn new(why: Why, detail: impl Into<String>) -> Self {
        Self { why, detail: detail.into() }
    }
}

/// Keeps only the kind of the error: paths and addresses are not for the gateway.
impl From<io::Error> for Unavailable {
    fn from(error: io::Error) -> Self {
        #[expect(clippy::wildcard_enum_match_arm, reason = "most kinds mean the same")]
        let why = match error.kind() {
            io::ErrorKind::TimedOut => Why::NoAnswer,
            io::ErrorKind::ResourceBusy => Why::Taken,
            _ => Why::Unreachable,
        };
        Self::new(why, error.kind().to_string())
    }
}
