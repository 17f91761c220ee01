//! The bundle that waits for its confirmation, in the state.

use std::sync::Arc;

use doorward_model::Revision;
use doorward_policies::{Bundle, Touched};
use jiff::Timestamp;

use crate::bundles::{self, Applying};
use crate::change::{Actor, Committed, change};
use crate::error::StoreError;
use crate::open::Store;
use crate::port::{Reading, StoredRow, Tx, values};

/// A bundle in force that is replaced by a former one unless somebody confirms it in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unconfirmed {
    /// The bundle in force.
    pub revision: Revision,
    /// The bundle that comes back.
    pub former: Revision,
    /// When it comes back.
    pub until: Timestamp,
}

fn read(row: &StoredRow) -> Result<Unconfirmed, StoreError> {
    Ok(Unconfirmed {
        revision: Revision(row.get("revision")?),
        former: Revision(row.get("former")?),
        until: row.get("until_time")?,
    })
}

async fn pending(reading: &mut Reading) -> Result<Option<Unconfirmed>, StoreError> {
    let row = reading.optional("SELECT * FROM unconfirmed", values![]).await?;
    row.as_ref().map(read).transpose()
}

/// Stores until when a bundle that comes into force must be confirmed; `None` means that it needs
/// no confirmation. If the bundle before it is not confirmed either, the one before both comes
/// back.
pub(crate) async fn note(
    tx: &mut Tx,
    revision: Revision,
    until: Option<Timestamp>,
) -> Result<(), StoreError> {
    let earlier = pending(tx).await?;
    tx.run("DELETE FROM unconfirmed", values![]).await?;
    let Some(until) = until else { return Ok(()) };
    let former = earlier.map_or(revision.0 - 1, |earlier| earlier.former.0);
    tx.run(
        "INSERT INTO unconfirmed (revision, former, until_time) VALUES ($1, $2, $3)",
        values![revision.0, former, until],
    )
    .await?;
    Ok(())
}

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
