//! How a relayed flow ended, for records and for the client.

use doorward_policies::Outcome;
use doorward_session::Cause;
use doorward_wire::Why;

/// The reason for records when the client broke off.
const CLIENT_ABORTED: &str = "client-aborted";

/// How a flow ended.
pub(super) enum RelayEnd {
    /// Both directions ended properly.
    Complete,
    /// The client received everything, then left without ending its own side.
    ClientLeft,
    /// The client broke off.
    Client,
    /// The backend broke off.
    Backend,
    /// The client's end is of another kind than the backend's.
    Mismatch,
    /// A permitted operation could not be recorded.
    NotRecorded,
    /// A lease is over.
    Cut(Cause),
}

impl RelayEnd {
    /// Returns the outcome and the reason to record.
    pub(super) fn outcome(&self) -> (Outcome, &'static str) {
        match self {
            Self::Complete => (Outcome::Done, "complete"),
            Self::ClientLeft => (Outcome::Done, "client-closed"),
            Self::Client => (Outcome::Failed, CLIENT_ABORTED),
            Self::Backend => (Outcome::Failed, "backend-failed"),
            Self::Mismatch => (Outcome::Failed, "wrong-kind-of-flow"),
            Self::NotRecorded => (Outcome::Cut, "not-recorded"),
            Self::Cut(cause) => match cause.reason_of_cut() {
                Some(cut) => (Outcome::Cut, cut),
                None => (Outcome::Failed, CLIENT_ABORTED),
            },
        }
    }

    /// Returns the reason to tell the client; `None` if the flow ended properly.
    pub(super) fn why(&self) -> Option<Why> {
        match self {
            Self::Complete | Self::ClientLeft => None,
            Self::Client | Self::Mismatch => Some(Why::Wrong),
            Self::Backend => Some(Why::Broken),
            Self::NotRecorded => Some(Why::NotRecorded),
            Self::Cut(Cause::Refused(refusal)) => {
                Some(if refusal.is_of_identity() { Why::Ended } else { Why::Forbidden })
            }
            Self::Cut(Cause::Idle) => Some(Why::Idle),
            Self::Cut(Cause::Stopping) => Some(Why::Stopping),
            Self::Cut(
                Cause::InterfaceChanged | Cause::Administrator | Cause::Lifetime | Cause::Gone,
            ) => Some(Why::Ended),
        }
    }
}
