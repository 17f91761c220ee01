//! Bundles that are undone unless somebody confirms them in time.

use std::sync::Arc;
use std::time::Duration;

use doorward_api::{ProblemKind, UnconfirmedView, endpoint};
use doorward_model::Clock;
use doorward_policies::{Bundle, Event, Journal, Outcome, Record};
use doorward_session::{Problem, note};
use doorward_store::{Actor, Store, StoreError, Unconfirmed};

use crate::gate::Gate;
use crate::request::AdminRequest;
use crate::response::{EndpointResult, actor, denied, refused};

/// How often the clock is looked at while a bundle waits: it can be set, and machines sleep.
const LOOK: Duration = Duration::from_secs(1);

impl AdminRequest<'_> {
    /// Keeps the bundle in force, which would otherwise undo itself.
    pub(crate) async fn confirm_policy(
        self,
        gate: &mut Gate,
    ) -> EndpointResult<endpoint::ConfirmPolicy> {
        gate.record(Some("confirm")).await?;
        gate.check_permits()?;
        let confirmed = self.parts.store.confirm(actor(gate)).await.map_err(refused)?;
        match confirmed.value {
            Some(Unconfirmed { revision, former, until }) => {
                Ok(UnconfirmedView { revision, former, until })
            }
            None => Err(denied(Problem::new(
                ProblemKind::NothingToConfirm,
                "The bundle in force waits for no confirmation; it may have gone back already: \
                 see `doorward policy history`.",
            ))),
        }
    }
}

/// Puts the former bundle back in force if the present one was not confirmed in time. Returns
/// when to look again, if one waits.
///
/// # Errors
/// When the store refuses; then the present bundle stays.
pub async fn undo_unconfirmed(
    store: &Store,
    journal: &Arc<dyn Journal>,
    clock: &dyn Clock,
) -> Result<Option<Duration>, StoreError> {
    let Some(waiting) = store.unconfirmed().await? else { return Ok(None) };
    let left = waiting.until.duration_since(clock.now());
    if left.is_positive() {
        return Ok(Some(left.unsigned_abs().min(LOOK)));
    }
    let former = waiting.former;
    let found = store.revision(former).await?;
    let bundle = found.and_then(|found| Bundle::parse(found.text).ok());
    let Some(bundle) = bundle else {
        // It was in force once, so it is there and reads; if not, the present one must stay.
        store.confirm(Actor::Gateway).await?;
        tracing::error!(revision = former.0, "the former bundle cannot be put back");
        return Ok(None);
    };
    let reason = format!("revision {} was not confirmed: back to {}", waiting.revision.0, former.0);
    let undone = store.undo(waiting, Arc::new(bundle), reason.clone()).await?;
    if undone.value.is_none() {
        // It was confirmed, or followed by another, in this very moment.
        return Ok(Some(Duration::ZERO));
    }
    tracing::warn!(revision = waiting.revision.0, former = former.0, "not confirmed, and undone");
    let record = Record::new(clock.now(), Event::Alarm).ended(Outcome::Done, "policy-undone");
    note(&**journal, record.detail(&reason)).await;
    Ok(None)
}
