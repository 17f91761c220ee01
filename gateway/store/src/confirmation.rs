//! The bundle that waits for its confirmation: it is confirmed, or the former one comes back.

use std::sync::Arc;

use doorward_model::Revision;
use doorward_policies::{Bundle, Touched};

use crate::change::{Actor, Committed, change};
use crate::error::StoreError;
use crate::port::values;
use crate::rows::bundles::{self, Applying};
use crate::rows::confirmation::{Unconfirmed, note, pending};
use crate::store::Store;

impl Store {
    /// Returns the bundle that waits for its confirmation, if the bundle in force does.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn unconfirmed(&self) -> Result<Option<Unconfirmed>, StoreError> {
        pending(&mut self.read().await?).await
    }

    /// Confirms the bundle in force, so that it stays. Returns `None` if it did not wait for a
    /// confirmation.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn confirm(
        &self,
        actor: Actor,
    ) -> Result<Committed<Option<Unconfirmed>>, StoreError> {
        let change = change!((), |tx| {
            let found = pending(tx).await?;
            tx.run("DELETE FROM unconfirmed", values![]).await?;
            Ok((found, Touched::default()))
        });
        self.commit(actor, "policy confirm", change).await
    }

    /// Puts `former` into force in place of `waiting`, unless that was confirmed or replaced
    /// meanwhile. Returns the new revision.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn undo(
        &self,
        waiting: Unconfirmed,
        former: Arc<Bundle>,
        reason: String,
    ) -> Result<Committed<Option<Revision>>, StoreError> {
        let (now, in_force) = (self.now(), Arc::clone(&former));
        let change = change!((waiting, former, reason, now), |tx| {
            if pending(tx).await? != Some(*waiting) {
                return Ok((None, Touched::default()));
            }
            let applying = Applying { reason: reason.clone(), ..Applying::default() };
            let revision = bundles::insert(tx, &Actor::Gateway, former, &applying, *now).await?;
            note(tx, revision, None).await?;
            Ok((Some(revision), Touched { bundle: true, ..Touched::default() }))
        });
        self.commit_bundle(Actor::Gateway, "policy undo", in_force, change).await
    }
}
