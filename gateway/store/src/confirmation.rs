//! The bundle that waits for its confirmation, in the state.

use std::sync::Arc;

use doorward_model::Revision;
use doorward_policies::{Bundle, Touched};
use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::bundles::{self, Applying};
use crate::change::{Actor, Committed, change};
use crate::database::{micros, timestamp};
use crate::error::StoreError;
use crate::open::Store;

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

fn read(row: &SqliteRow) -> Result<Unconfirmed, StoreError> {
    Ok(Unconfirmed {
        revision: Revision(row.try_get("revision")?),
        former: Revision(row.try_get("former")?),
        until: timestamp(row.try_get("until_time")?)?,
    })
}

async fn pending(connection: &mut SqliteConnection) -> Result<Option<Unconfirmed>, StoreError> {
    let row = sqlx::query("SELECT * FROM unconfirmed").fetch_optional(connection).await?;
    row.as_ref().map(read).transpose()
}

/// Stores until when a bundle that comes into force must be confirmed; `None` means that it needs
/// no confirmation. If the bundle before it is not confirmed either, the one before both comes
/// back.
pub(crate) async fn note(
    connection: &mut SqliteConnection,
    revision: Revision,
    until: Option<Timestamp>,
) -> Result<(), StoreError> {
    let earlier = pending(connection).await?;
    sqlx::query("DELETE FROM unconfirmed").execute(&mut *connection).await?;
    let Some(until) = until else { return Ok(()) };
    let former = earlier.map_or(revision.0 - 1, |earlier| earlier.former.0);
    sqlx::query("INSERT INTO unconfirmed (revision, former, until_time) VALUES (?, ?, ?)")
        .bind(revision.0)
        .bind(former)
        .bind(micros(until))
        .execute(connection)
        .await?;
    Ok(())
}

impl Store {
    /// Returns the bundle that waits for its confirmation, if the bundle in force does.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn unconfirmed(&self) -> Result<Option<Unconfirmed>, StoreError> {
        pending(&mut *self.read().await?).await
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
        let change = change!(|connection| {
            let found = pending(connection).await?;
            sqlx::query("DELETE FROM unconfirmed").execute(connection).await?;
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
        let change = change!(|connection| {
            if pending(connection).await? != Some(waiting) {
                return Ok((None, Touched::default()));
            }
            let applying = Applying { reason, ..Applying::default() };
            let revision =
                bundles::insert(connection, &Actor::Gateway, &former, &applying, now).await?;
            note(connection, revision, None).await?;
            Ok((Some(revision), Touched { bundle: true, ..Touched::default() }))
        });
        self.commit_bundle(Actor::Gateway, "policy undo", in_force, change).await
    }
}
