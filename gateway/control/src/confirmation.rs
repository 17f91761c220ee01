//! Confirms bundles that were applied with `--confirm-within`, and undoes them after their time.

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

/// How often to read the clock while a bundle waits. The clock may be set, and the machine may
/// sleep.
const LOOK: Duration = Duration::from_secs(1);

impl AdminRequest<'_> {
    /// Confirms the bundle in force, so that the gateway does not undo it.
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

/// Puts the former bundle back in force if the present one was not confirmed in time. Returns how
/// long to wait before the next call, if a bundle waits for its confirmation.
///
/// # Errors
/// Fails if the store refuses; then the present bundle stays in force.
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
        // The former bundle was in force, so the store has it and it parses. If not, there is
        // nothing to go back to, and the present bundle stays.
        store.confirm(Actor::Gateway).await?;
        tracing::error!(
            revision = former.0,
            "the former policy cannot be put back, so the unconfirmed one stays"
        );
        return Ok(None);
    };
    let reason = format!("revision {} was not confirmed: back to {}", waiting.revision.0, former.0);
    let undone = store.undo(waiting, Arc::new(bundle), reason.clone()).await?;
    if undone.value.is_none() {
        // In the meantime somebody confirmed the bundle or applied another one.
        return Ok(Some(Duration::ZERO));
    }
    tracing::warn!(
        revision = waiting.revision.0,
        former = former.0,
        "the policy was not confirmed in time, so the former one is in force again"
    );
    let record = Record::new(clock.now(), Event::Alarm).ended(Outcome::Done, "policy-undone");
    note(&**journal, record.detail(&reason)).await;
    Ok(None)
}
