//! The problem documents for flows and requests that do not happen.

use doorward_api::ProblemKind;
use doorward_session::Problem;
use doorward_wire::FlowKind;

use crate::dial::DialError;

/// Returns the one answer to a client that has no right, whatever the reason.
pub(crate) fn forbidden() -> Problem {
    let detail = "No such interface, or no right to reach it. For whoever has shown an identity, \
                  the administrator finds the reason in the audit log under the id in \
                  Doorward-Request-Id.";
    Problem::new(ProblemKind::Forbidden, detail)
}

pub(crate) fn busy() -> Problem {
    Problem::new(ProblemKind::Busy, "Too many flows at once. Try again in a moment.")
}

pub(crate) fn not_recorded() -> Problem {
    Problem::new(
        ProblemKind::NotRecorded,
        "The gateway cannot record this flow, so it does not open it. Try again later.",
    )
}

/// Returns the answer where the backend must be told who asks, and cannot be. The operator's log
/// says why.
pub(crate) fn not_vouched() -> Problem {
    Problem::new(
        ProblemKind::NotVouched,
        "The gateway cannot forward this request now. Try again later.",
    )
}

/// Returns the answer for a backend that was not reached, with the reason as far as the client may
/// know it.
pub(crate) fn unreachable(error: &DialError) -> Problem {
    match error {
        DialError::NoRoom => busy(),
        DialError::Taken => Problem::new(
            ProblemKind::LineTaken,
            "Another flow is writing to this line or setting it. Try again later.",
        ),
        DialError::Kind(kind) => Problem::new(
            ProblemKind::Unreachable,
            match kind {
                FlowKind::Datagrams => {
                    "The interface speaks datagrams; reach it with `doorward-agent connect` or \
                     its proxy."
                }
                FlowKind::Stream => "The interface is a stream, and datagrams were asked for.",
            },
        ),
        DialError::Slow => {
            Problem::new(ProblemKind::NoAnswer, "The interface did not answer in time.")
        }
        DialError::Nothing
        | DialError::NoAddress(_)
        | DialError::Forbidden { .. }
        | DialError::OtherNetwork { .. }
        | DialError::OtherSettings
        | DialError::Narrow
        | DialError::NoAgent
        | DialError::NotOffered(_)
        | DialError::Agent(_)
        | DialError::Refused(_) => {
            Problem::new(ProblemKind::Unreachable, "The interface could not be reached.")
        }
    }
}
