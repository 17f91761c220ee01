//! Begins an inspected flow with what its first message was granted.

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

/// Why a flow does not begin whose first message was permitted.
pub(super) enum NotBegun {
    /// It cannot be recorded. The ending, if its opening was.
    NotRecorded(Option<Ended>),
    /// Its backend was not reached, or its lease was cut.
    NotDialed(NotDialed),
}

/// Answers when a flow of which nothing has been permitted must end, and why.
pub(super) async fn unadmitted(approached: &Approached) -> Cause {
    tokio::select! {
        cause = approached.requested.session.ended() => cause,
        () = sleep(PATIENCE) => Cause::Idle,
    }
}

/// Begins a flow by what its first message was granted: its opening is recorded, then that message,
/// then its backend is dialed.
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

/// Hands over records of operations, before anything of them is forwarded.
///
/// # Errors
/// When one cannot be recorded, which the log then says; what is recorded must not be done.
pub(super) async fn hand_over(
    means: &Means,
    approached: &Approached,
    records: Vec<Record>,
) -> Result<(), JournalError> {
    let write = |record| match approached.inspected.synced {
        true => means.journal.write(record),
        false => means.journal.append(record),
    };
    // All at once: they mostly share one sync.
    let written: Vec<_> = records.into_iter().map(write).collect();
    for one in written {
        one.await.inspect_err(|error| {
            let by = approached.requested.session.subject();
            tracing::warn!(%by, %error, "what a flow did was not recorded");
        })?;
    }
    Ok(())
}

impl NotBegun {
    /// What the client is told, and what is to be recorded.
    pub(super) fn parts(self) -> (Why, Option<Ended>) {
        match self {
            Self::NotRecorded(ended) => (Why::NotRecorded, ended),
            Self::NotDialed(NotDialed { error: Some(_), ended }) => (Why::Unreachable, Some(ended)),
            Self::NotDialed(NotDialed { error: None, ended }) => (Why::Forbidden, Some(ended)),
        }
    }
}
