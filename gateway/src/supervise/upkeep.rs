//! What must be done from time to time, and what must be watched.

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

pub(super) struct Upkeep {
    store: Store,
    audit: AuditLog,
    leases: Leases,
    health: Health,
    clock: Arc<dyn Clock>,
    keep: Option<Duration>,
    recovery: Duration,
}

/// How often the clock is watched.
const GLANCE: Duration = Duration::from_secs(1);
/// How often what has expired is swept out.
const SWEEP: u64 = 3600;
/// How often it is tried whether changes can be written again.
const PROBE: u64 = 5;
/// By how much the wall clock may leave the monotonic one before everything is asked again.
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

pub(super) async fn keep(upkeep: Upkeep) -> Result<(), CommandFailure> {
    let mut glance = interval(GLANCE);
    glance.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut trouble, mut refusing) = (upkeep.audit.trouble(), upkeep.store.trouble());
    let (mut wall, mut steady) = (upkeep.clock.now(), Instant::now());
    let mut swept = wall;
    for round in 1_u64.. {
        tokio::select! {
            _ = glance.tick() => {}
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
            // Success clears the trouble; failure has been told.
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
    /// A clock that was set may have passed an instant at which answers change.
    async fn watch_clock(&self, before: Timestamp, now: Timestamp, elapsed: Duration) {
        let expected = before.saturating_add(elapsed).unwrap_or(before);
        let jumped = now.duration_since(expected);
        if jumped.abs() > JUMP {
            let ended = match self.store.reload().await {
                Ok(ended) => ended,
                Err(error) => {
                    tracing::error!(%error, "the state was not read anew");
                    self.leases.ask_all_again()
                }
            };
            tracing::warn!(by = %jumped, ended, "the clock was set: every flow was asked again");
        }
    }

    fn watch_disk(&self) {
        let short = !self.store.keeps_room();
        let detail = "the disk is nearly full; make room, or run `doorward audit prune`";
        self.health.set("disk", short.then(|| detail.to_owned()));
    }

    async fn sweep(&self, since: Timestamp, now: Timestamp) {
        // A clock that was set back must not hide what expired.
        let since = since.min(now).saturating_sub(SignedDuration::from_hours(1)).unwrap_or(since);
        if let Err(error) = self.store.forget_expired(since).await {
            tracing::warn!(%error, "expired certificates were not swept out");
        }
        // Until then a key can still bring its holder back, and a code is still told again.
        let worthless = SignedDuration::try_from(self.recovery)
            .map(|recovery| recovery.saturating_add(SignedDuration::from_hours(24)))
            .and_then(|since| now.checked_sub(since));
        match worthless {
            Ok(ended) => match self.store.forget_ended(ended).await {
                Ok(0) => {}
                Ok(rows) => tracing::debug!(rows, "certificates and codes that ended are gone"),
                Err(error) => tracing::warn!(%error, "ended certificates were not deleted"),
            },
            Err(error) => tracing::debug!(%error, "nothing can have ended so long ago"),
        }
        let Some(keep) = self.keep else { return };
        let Ok(before) = now.saturating_sub(keep) else { return };
        match self.audit.prune(before).await {
            Ok(0) => {}
            Ok(deleted) => tracing::info!(deleted, %before, "old audit records were pruned"),
            Err(error) => tracing::warn!(%error, "old audit records were not pruned"),
        }
    }
}
