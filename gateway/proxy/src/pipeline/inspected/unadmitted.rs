//! Flows that no permitted message has admitted yet.

use std::time::Duration;

use doorward_session::Cause;
use tokio::time::sleep;

use crate::pipeline::approach::Approached;

/// How long a client may stay without a permitted operation.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until a flow without any permitted message must end, and returns the cause.
pub(super) async fn unadmitted(approached: &Approached) -> Cause {
    tokio::select! {
        cause = approached.requested.connection.ended() => cause,
        () = sleep(PATIENCE) => Cause::Idle,
    }
}
