//! Periodic tasks: watches the clock, the disk and the databases, and deletes expired data.

use std::sync::Arc;
use std::time::Duration;

use doorward_control::Health;
use doorward_model::Clock;
use doorward_session::Leases;
use doorward_store::{AuditLog, Store};
use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::assemble::Gateway;
use crate::failure::CommandFailure;

/// The rooms that need periodic work.
pub(super) struct Upkeep {
    store: Store,
    audit: AuditLog,
    leases: Leases,
    health: Health,
    clock: Arc<dyn Clock>,
    keep: Option<Duration>,
    recovery: Duration,
}

/// The period of a round, in which the clock is compared.
const ROUND: Duration = Duration::from_secs(1);
/// How many rounds pass between deletions of expired data.
const SWEEP: u64 = 3600;
/// How many rounds pass between probes whether the store can write again.
const PROBE: u64 = 5;
/// The difference between the wall clock and the monotonic clock from which on every flow is decided
/// again.
const JUMP: SignedDuration = SignedDuration::from_secs(2);

impl Upkeep {
    pub(super) fn of(gateway: &Gateway) -> Self {
        Self {
            store: gateway.store.clone(),
            audit: gateway.audit.clone(),
            leases: gateway.leases.clone(),
            health: gateway.health.clone(),
            clock: Arc::clone(&gateway.clock),
            keep: gateway.config.keep,
            recovery: gateway.config.recovery,
        }
    }
}

/// Runs the rounds until the stores close.
pub(super) async fn keep(upkeep: Upkeep) -> Result<(), CommandFailure> {
    let mut ticks = interval(ROUND);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut trouble, mut refusing) = (upkeep.audit.trouble(), upkeep.store.trouble());
    let (mut wall, mut steady) = (upkeep.clock.now(), Instant::now());
    let mut swept = wall;
    for round in 1_u64.. {
        tokio::select! {
            _ = ticks.tick() => {}
            changed = trouble.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                let now = trouble.borrow_and_update().clone();
                upkeep.health.set("audit log", now.map(|error| error.to_string()));
                continue;
            }
            changed = refusing.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                upkeep.health.set("state", refusing.borrow_and_update().clone());
                continue;
            }
        }
        let (now, instant) = (upkeep.clock.now(), Instant::now());
        upkeep.watch_clock(wall, now, instant.duration_since(steady)).await;
        if upkeep.store.trouble().borrow().is_some() && round % PROBE == 0 {
            // A success clears the trouble. The store has already reported the failure.
            drop(upkeep.store.probe().await);
        }
        (wall, steady) = (now, instant);
        upkeep.watch_disk();
        if round % SWEEP == 0 {
            upkeep.sweep(swept, now).await;
            swept = now;
        }
    }
    Ok(())
}

impl Upkeep {
    /// Decides every flow again if the clock was set: it may have passed the beginning or the end of
    /// a rule or a role.
    async fn watch_clock(&self, before: Timestamp, now: Timestamp, elapsed: Duration) {
        let expected = before.saturating_add(elapsed).unwrap_or(before);
        let jumped = now.duration_since(expected);
        if jumped.abs() > JUMP {
            let ended = match self.store.reload().await {
                Ok(ended) => ended,
                Err(error) => {
                    tracing::error!(%error, "the state could not be read again after the clock was set");
                    self.leases.ask_all_again()
                }
            };
            tracing::warn!(by = %jumped, ended, "the clock was set, so every flow was decided again");
        }
    }

    fn watch_disk(&self) {
        let short = !self.store.keeps_room();
        let detail = "the disk is nearly full; make room, or run `doorward audit prune`";
        self.health.set("disk", short.then(|| detail.to_owned()));
    }

    async fn sweep(&self, since: Timestamp, now: Timestamp) {
        // Go back one hour, so that a clock that was set back hides no expired certificate.
        let since = since.min(now).saturating_sub(SignedDuration::from_hours(1)).unwrap_or(since);
        if let Err(error) = self.store.forget_expired(since).await {
            tracing::warn!(%error, "expired certificates could not be removed from the snapshot");
        }
        // Keep ended certificates and codes while a key can still recover its identity and a code's
        // answer can still be repeated.
        let worthless = SignedDuration::try_from(self.recovery)
            .map(|recovery| recovery.saturating_add(SignedDuration::from_hours(24)))
            .and_then(|since| now.checked_sub(since));
        match worthless {
            Ok(ended) => match self.store.forget_ended(ended).await {
                Ok(0) => {}
                Ok(rows) => {
                    tracing::debug!(rows, "deleted certificates and codes that ended long ago")
                }
                Err(error) => tracing::warn!(%error, "ended certificates could not be deleted"),
            },
            Err(error) => {
                tracing::debug!(%error, "the recovery time reaches back before the first possible instant")
            }
        }
        let Some(keep) = self.keep else { return };
        let Ok(before) = now.saturating_sub(keep) else { return };
        match self.audit.prune(before).await {
            Ok(0) => {}
            Ok(deleted) => tracing::info!(deleted, %before, "old audit records were pruned"),
            Err(error) => tracing::warn!(%error, "old audit records could not be pruned"),
        }
    }
}
