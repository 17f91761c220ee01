//! Why a flow, or a request within one, does not happen, as HTTP tells it.

use doorward_api::ProblemKind;
use doorward_session::Problem;
use doorward_wire::Kind;

use crate::dial::DialError;

/// The one answer to whoever may not, whatever the ground.
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

/// The backend is to know who asks, and cannot be told; the operator's log says why.
pub(crate) fn not_vouched() -> Problem {
    Problem::new(
        ProblemKind::NotVouched,
        "The gateway cannot forward this request now. Try again later.",
    )
}

/// The backend was not reached, and why as far as the client may know.
pub(crate) fn unreachable(error: &DialError) -> Problem {
    match error {
        DialError::NoRoom => busy(),
        DialError::Taken => Problem::new(
            ProblemKind::LineTaken,
            "Another flow has the one place for those who act on this line.",
        ),
        DialError::Kind(kind) => Problem::new(
            ProblemKind::Unreachable,
            match kind {
                Kind::Datagrams => {
                    "The interface speaks datagrams; reach it with `doorward-agent connect` or \
                     its proxy."
                }
                Kind::Stream => "The interface is a stream, and datagrams were asked for.",
            },
        ),
        DialError::Slow => {
            Problem::new(ProblemKind::NoAnswer, "The interface did not answer in time.")
        }
        _ => Problem::new(ProblemKind::Unreachable, "The interface could not be reached."),
    }
}
