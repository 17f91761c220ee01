//! Begins an inspected flow when its first message is permitted.

use doorward_policies::{JournalError, Record};
use doorward_session::Cause;
use doorward_wire::Why;
use tokio::time::sleep;

use super::PATIENCE;
use crate::pipeline::Means;
use crate::pipeline::approach::Approached;
use crate::pipeline::dial::{Dialed, NotDialed, dial};
use crate::pipeline::held::Granted;
use crate::pipeline::open::open;
use crate::pipeline::record::Ended;

/// Why a flow does not begin although its first message was permitted.
pub(super) enum NotBegun {
    /// The flow could not be recorded. Has the ending, if the opening was recorded.
    NotRecorded(Option<Ended>),
    /// The backend was not reached, or the lease was cut.
    NotDialed(NotDialed),
}

/// Waits until a flow without any permitted message must end, and returns the cause.
pub(super) async fn unadmitted(approached: &Approached) -> Cause {
    tokio::select! {
        cause = approached.requested.connection.ended() => cause,
        () = sleep(PATIENCE) => Cause::Idle,
    }
}

/// Begins a flow by the rights of its first message: records its opening, then that message, then
/// dials its backend.
pub(super) async fn begin(
    means: &Means,
    approached: &Approached,
    granted: Granted,
    records: Vec<Record>,
) -> Result<Dialed, NotBegun> {
    let opened = open(&*means.journal, granted).await;
    let opened = opened.map_err(|_| NotBegun::NotRecorded(None))?;
    if hand_over(means, approached, records).await.is_err() {
        return Err(NotBegun::NotRecorded(Some(opened.give_up("not-recorded"))));
    }
    dial(&means.dialer, opened).await.map_err(NotBegun::NotDialed)
}

/// Hands the records of operations to the audit log, before any of the operations is forwarded.
///
/// # Errors
/// When one cannot be recorded, which this logs. Then none of the operations may be done.
pub(super) async fn hand_over(
    means: &Means,
    approached: &Approached,
    records: Vec<Record>,
) -> Result<(), JournalError> {
    let write = |record| match approached.inspected.synced {
        true => means.journal.write(record),
        false => means.journal.append(record),
    };
    // Hands over all at once, because they mostly share one sync.
    let written: Vec<_> = records.into_iter().map(write).collect();
    for one in written {
        one.await.inspect_err(|error| {
            let by = approached.requested.connection.session().subject();
            tracing::warn!(%by, %error, "an operation was not forwarded because it could not be recorded");
        })?;
    }
    Ok(())
}

impl NotBegun {
    /// Returns the reason for the client, and the end to record.
    pub(super) fn parts(self) -> (Why, Option<Ended>) {
        match self {
            Self::NotRecorded(ended) => (Why::NotRecorded, ended),
            Self::NotDialed(NotDialed { error: Some(_), ended }) => (Why::Unreachable, Some(ended)),
            Self::NotDialed(NotDialed { error: None, ended }) => (Why::Forbidden, Some(ended)),
        }
    }
}
