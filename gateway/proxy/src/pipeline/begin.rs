//! Begins a permitted flow: records its opening, then dials.

use doorward_policies::JournalError;
use doorward_session::Problem;
use doorward_wire::Why;

use super::Means;
use super::dial::{Dialed, NotDialed, dial};
use super::held::Granted;
use super::open::open;
use super::record::record;
use crate::dial::DialError;
use crate::problem::{forbidden, not_recorded, unreachable};

/// Why a permitted flow does not begin. If its opening was recorded, so is its end.
#[derive(Debug)]
pub(crate) enum NotBegun {
    /// The audit log refused a record.
    NotRecorded,
    /// The backend was not reached.
    NotReached(DialError),
    /// The lease was cut before the first byte.
    Cut,
}

/// Begins a permitted flow: records its opening, waits until `first` has recorded the message that
/// the flow begins with, then dials the backend.
pub(crate) async fn begin(
    means: &Means,
    granted: Granted,
    first: impl Future<Output = Result<(), JournalError>>,
) -> Result<Dialed, NotBegun> {
    let opened = open(&*means.journal, granted).await.map_err(|_| NotBegun::NotRecorded)?;
    if first.await.is_err() {
        record(opened.give_up("not-recorded"));
        return Err(NotBegun::NotRecorded);
    }
    dial(&means.dialer, opened).await.map_err(|NotDialed { error, ended }| {
        record(ended);
        error.map_or(NotBegun::Cut, NotBegun::NotReached)
    })
}

impl NotBegun {
    /// Returns the problem for a client that speaks HTTP, as far as the client may know it.
    pub(crate) fn problem(&self) -> Problem {
        match self {
            Self::NotRecorded => not_recorded(),
            Self::NotReached(error) => unreachable(error),
            Self::Cut => forbidden(),
        }
    }

    /// Returns the reason for a client that was told already that its flow is open.
    pub(super) fn why(&self) -> Why {
        match self {
            Self::NotRecorded => Why::NotRecorded,
            Self::NotReached(_) => Why::Unreachable,
            Self::Cut => Why::Forbidden,
        }
    }
}
