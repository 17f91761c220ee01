//! Leases, and the permits that they keep alive.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use doorward_model::{FlowId, SubjectId};
use doorward_policies::{Event, Outcome, Party, Permit, Record};
use jiff::Timestamp;

use super::cause::Cause;
use super::flow_entry::FlowEntry;
use super::leases::{Inner, Leases};
use crate::connection::Connection;
use crate::pot::Places;

/// A permit in the index. It is asked again whenever its answer could have changed. A drop ends the
/// flow.
#[must_use]
pub struct Lease {
    pub(super) key: u64,
    pub(super) entry: Arc<FlowEntry>,
    pub(super) leases: Leases,
    /// Keeps the connection, and with it the session, as long as its flows.
    pub(super) connection: Arc<Connection>,
    /// The flow's slot among all flows.
    pub(super) _place: Places<SubjectId>,
}

/// A request that was decided and permitted, with its pending lease. It cannot be cloned, and
/// spending it consumes it, so each dial takes one of its own.
#[must_use]
pub struct Authorized {
    pub(super) permit: Permit,
    pub(super) lease: Lease,
}

impl Authorized {
    /// Returns the permit.
    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    /// Returns the connection over which the session asked.
    pub fn connection(&self) -> &Connection {
        &self.lease.connection
    }

    /// Returns the id of the flow.
    #[must_use]
    pub fn id(&self) -> FlowId {
        self.lease.entry.id
    }

    /// Returns the lease while it is pending.
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Spends the permit: returns it with its lease.
    pub fn spend(self) -> (Permit, Lease) {
        (self.permit, self.lease)
    }

    /// Returns a record of the kind `event` with the permit's grounds.
    #[must_use]
    pub fn record(&self, event: Event) -> Record {
        let at = self.lease.leases.0.clock.now();
        let mut record = self.lease.entry.record(at, event);
        record = record.judged(self.permit.opinion());
        record
    }
}

impl fmt::Debug for Authorized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authorized({})", self.permit)
    }
}

impl Lease {
    /// Asks the question again, and returns whether the answer is still yes; if not, the flow has
    /// been cut. Callers ask this right before an action that takes no time itself.
    #[must_use]
    pub fn still_stands(&self) -> bool {
        self.lives() && self.leases.ask_again(&self.entry, &self.leases.snapshot())
    }

    /// Returns whether a datagram may pass now. As long as the epoch, the connection's address and the
    /// time have not changed the answer, this costs three comparisons. Otherwise the question is
    /// asked again.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.connection.check_address();
        if !self.lives() {
            return false;
        }
        let (snapshot, now) = (self.leases.snapshot(), self.leases.0.clock.now());
        self.entry.is_noted(snapshot.epoch(), now) || self.leases.ask_again(&self.entry, &snapshot)
    }

    /// Returns whether the lease lives. Callers ask this after the dial and before the first byte.
    #[must_use]
    pub fn lives(&self) -> bool {
        self.cause().is_none()
    }

    /// Returns why the lease was cut, if it was.
    #[must_use]
    pub fn cause(&self) -> Option<Cause> {
        self.entry.cut.cause().or_else(|| self.connection.entry.cause())
    }

    /// Counts bytes from the client to the backend.
    pub fn moved_up(&self, bytes: usize) {
        self.entry.traffic.up(bytes);
    }

    /// Counts bytes from the backend to the client.
    pub fn moved_down(&self, bytes: usize) {
        self.entry.traffic.down(bytes);
    }

    /// Returns how many bytes have moved up and down.
    #[must_use]
    pub fn moved(&self) -> (u64, u64) {
        self.entry.traffic.totals()
    }

    /// Returns when the flow began.
    #[must_use]
    pub fn began(&self) -> Timestamp {
        self.entry.began
    }

    /// Waits until the flow must end, and returns the cause. The flow ends when it, its connection
    /// or its session is cut, when its question has another answer at the instant to ask again, when it has been
    /// silent for too long, or when it has lived too long.
    pub async fn over(&self) -> Cause {
        /// The longest sleep: the wall clock can be set, so it is read at least this often.
        const GLANCE: Duration = Duration::from_secs(30);
        let inner = &self.leases.0;
        let begin = tokio::time::Instant::now();
        loop {
            if let Some(cause) = self.cause() {
                return cause;
            }
            let now = inner.clock.now();
            let mut wait = GLANCE;
            match self.entry.ask_again_at() {
                Some(at) if at <= now => {
                    if !self.leases.ask_again(&self.entry, &self.leases.snapshot()) {
                        continue;
                    }
                    // The lease stands, and the next round reads the next instant. This short sleep
                    // keeps the loop from spinning while the clock stands still.
                    wait = Duration::from_millis(5);
                }
                Some(at) => {
                    wait = wait.min(at.duration_since(now).unsigned_abs());
                }
                None => {}
            }
            let silent = self.entry.traffic.silent_for();
            match inner.limits.idle.checked_sub(silent) {
                None => return self.cut(Cause::Idle),
                Some(left) => wait = wait.min(left + Duration::from_millis(1)),
            }
            if let Some(life) = inner.limits.life {
                match life.checked_sub(begin.elapsed()) {
                    None => return self.cut(Cause::Lifetime),
                    Some(left) => wait = wait.min(left + Duration::from_millis(1)),
                }
            }
            tokio::select! {
                _ = self.entry.cut.wait() => {}
                () = self.entry.sooner.notified() => {}
                _ = self.connection.ended() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    fn cut(&self, cause: Cause) -> Cause {
        self.entry.cut.cut(cause);
        self.entry.cut.cause().unwrap_or(cause)
    }

    /// Counts a backend that was dialed for this flow, and that takes these files. The caller keeps
    /// the value with the connection.
    pub fn dialed(&self, files: Places<Party>) -> Tracked {
        let inner = &self.leases.0;
        if !self.entry.dialed.swap(true, Ordering::SeqCst) {
            inner.dialed.fetch_add(1, Ordering::SeqCst);
        }
        inner.backends.fetch_add(1, Ordering::SeqCst);
        Tracked { leases: Arc::clone(inner), _files: files }
    }

    /// Returns a record of this flow, of the kind `event`.
    #[must_use]
    pub fn record(&self, event: Event) -> Record {
        self.entry.record(self.leases.0.clock.now(), event)
    }

    /// Returns a record of how this flow ended.
    #[must_use]
    pub fn ending(&self, event: Event, outcome: Outcome, reason: &str) -> Record {
        let now = self.leases.0.clock.now();
        let mut record = self.entry.record(now, event);
        if let Some(grounds) = self.entry.grounds(reason) {
            record = record.judged(grounds);
        }
        record = record.ended(outcome, reason);
        let (up, down) = self.moved();
        (record.bytes_up, record.bytes_down) = (Some(up), Some(down));
        let lasted = now.duration_since(self.entry.began).as_millis();
        record.millis = u64::try_from(lasted).ok();
        record
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let inner = &self.leases.0;
        inner.flows.leave(self.key);
        if self.entry.dialed.load(Ordering::SeqCst) {
            inner.dialed.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// A connection to a backend, for the gauge of untracked flows.
#[must_use]
pub struct Tracked {
    leases: Arc<Inner>,
    _files: Places<Party>,
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.leases.backends.fetch_sub(1, Ordering::SeqCst);
    }
}

impl fmt::Debug for Tracked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tracked")
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lease({})", self.entry.id)
    }
}
