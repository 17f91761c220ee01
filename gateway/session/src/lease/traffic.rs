//! Counts what moves through a flow.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// How many bytes have moved through a flow, and when the last of them did.
#[derive(Debug)]
pub(crate) struct Traffic {
    begin: Instant,
    up: AtomicU64,
    down: AtomicU64,
    /// Milliseconds after `begin`.
    last: AtomicU64,
}

impl Traffic {
    pub(super) fn new() -> Self {
        let begin = Instant::now();
        Self { begin, up: 0.into(), down: 0.into(), last: 0.into() }
    }

    fn touch(&self) {
        let now = u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    pub(crate) fn up(&self, bytes: usize) {
        self.up.fetch_add(bytes as u64, Ordering::Relaxed);
        self.touch();
    }

    pub(crate) fn down(&self, bytes: usize) {
        self.down.fetch_add(bytes as u64, Ordering::Relaxed);
        self.touch();
    }

    pub(crate) fn totals(&self) -> (u64, u64) {
        (self.up.load(Ordering::Relaxed), self.down.load(Ordering::Relaxed))
    }

    pub(crate) fn silent_for(&self) -> Duration {
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        self.begin.elapsed().saturating_sub(last)
    }
}
