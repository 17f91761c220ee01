//! The request that a connection of HTTP/1.1 is busy with.

use std::sync::Arc;

use tokio::sync::watch;

use crate::pipeline::held::HeldLeases;

/// The lease of the running request; `None` while none runs.
pub(super) type RunningLease = Arc<watch::Sender<Option<HeldLeases>>>;

/// A running request. A drop marks it as done.
pub(super) struct Running(RunningLease);

impl Running {
    /// Marks the request that holds `held` as the running one.
    pub(super) fn new(lease: &RunningLease, held: &HeldLeases) -> Self {
        lease.send_replace(Some(held.clone()));
        Self(Arc::clone(lease))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.send_replace(None);
    }
}
