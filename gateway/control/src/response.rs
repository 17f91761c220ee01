//! Answers and refusals of the administration.

use doorward_api::{Changed, Endpoint, Operation, ProblemKind};
use doorward_model::Role;
use doorward_session::{Payload, Problem};
use doorward_store::{Actor, Committed, StoreError};
use http::Response;

use crate::gate::{Denied, Gate, failed};

/// The answer of an endpoint, or the response that refuses the request.
pub(crate) type EndpointResult<E> = Result<<E as Endpoint>::Answer, Denied>;

/// The response to a request, or the response that refuses it.
pub(crate) type AdminResult = Result<Response<Payload>, Denied>;

/// Turns a problem into the response that refuses a request.
pub(crate) fn denied(problem: Problem) -> Denied {
    Box::new(problem.into_response())
}

/// Refuses a request because of an error of the client.
pub(crate) fn wrong(detail: impl std::fmt::Display) -> Denied {
    denied(Problem::new(ProblemKind::WrongRequest, detail.to_string()))
}

/// Refuses an operation to which the API's table gives the wrong access. This is a bug of the
/// gateway.
pub(crate) fn misplaced(operation: Operation) -> Denied {
    tracing::error!(?operation, "the API's table gives this operation the wrong access");
    denied(failed())
}

/// Turns an error of the store into a response. An internal error is logged; the client learns
/// only that the gateway failed.
pub(crate) fn refused(error: StoreError) -> Denied {
    use StoreError as E;
    let kind = match &error {
        E::NoSubject(_) | E::NoInterface(_) => ProblemKind::NothingHere,
        E::SubjectExists(_) | E::InterfaceExists(_) => ProblemKind::NameTaken,
        E::SubjectChanged(_) | E::InterfaceChanged(_) | E::BundleChanged | E::Taken(_) => {
            ProblemKind::Overtaken
        }
        E::Ended => ProblemKind::Forbidden,
        E::TooOften | E::ReportsTooOften => ProblemKind::TooMany,
        E::Code(_) => ProblemKind::CodeRefused,
        E::Full => ProblemKind::DiskFull,
        E::Closed => ProblemKind::Stopping,
        E::Issue(_) | E::Refused(_) | E::Again(_) | E::Gone(_) | E::InDoubt(_) | E::Row(_) => {
            tracing::error!(%error, "the store refused");
            return denied(failed());
        }
    };
    denied(Problem::new(kind, sentence(&error.to_string())))
}

/// Returns a text with a capital at its beginning and a full stop at its end. A name at its beginning,
/// such as `user/alice` or `baud=`, keeps its spelling.
pub(crate) fn sentence(text: &str) -> String {
    let word = text.split(' ').next().unwrap_or_default();
    let is_word = word.chars().all(|c| c.is_ascii_alphabetic() || "'’,;".contains(c));
    let mut letters = text.chars();
    let first = letters.next().unwrap_or_default();
    let first = if is_word { first.to_ascii_uppercase() } else { first };
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
}

/// Creates the answer to a change that the store has committed.
pub(crate) fn changed<U, T>(committed: &Committed<U>, value: T) -> Changed<T> {
    Changed { value, epoch: committed.epoch, ended: committed.ended }
}

/// Returns the author of a change, as the store records it.
pub(crate) fn actor(gate: &Gate) -> Actor {
    Actor::Subject(gate.subject().clone())
}

/// Returns the role that a claim gives.
pub(crate) fn owner_role() -> Option<Role> {
    "role/owner".parse().ok()
}
