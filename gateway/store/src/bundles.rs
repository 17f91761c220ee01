//! Bundles: which is in force, which were, and how one comes into force.

use std::sync::Arc;

use doorward_model::Revision;
use doorward_policies::{Bundle, Touched};
use jiff::Timestamp;

use crate::change::{Actor, Committed, change};
use crate::error::StoreError;
use crate::port::{StoredRow, values};
use crate::rows::bundles::{Applying, BundleInForce, in_force, insert, last, read, revision};
use crate::rows::confirmation;
use crate::store::Store;

/// A part of the history of bundles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedRevisions {
    /// The part, the newest bundle first.
    pub rows: Vec<RevisionRow>,
    /// How many bundles the history has.
    pub total: u64,
}

/// A bundle that is or was in force, for the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevisionRow {
    /// The bundle's revision.
    pub revision: Revision,
    /// When it came into force.
    pub at: Timestamp,
    /// Who applied it.
    pub author: String,
    /// Why, in the author's words.
    pub reason: String,
    /// How many rules it has.
    pub rules: i64,
    /// How many tests of its own it passed, which is all that it had.
    pub passed: i64,
}

impl Store {
    /// Returns the bundle in force.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn bundle(&self) -> Result<BundleInForce, StoreError> {
        in_force(&mut self.list().await?).await
    }

    /// Returns a bundle that is or was in force; `None` if no revision has that number.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn revision(&self, number: Revision) -> Result<Option<BundleInForce>, StoreError> {
        let mut reading = self.list().await?;
        let found = reading
            .optional("SELECT * FROM bundles WHERE revision = $1", values![number.0])
            .await?;
        match found {
            Some(row) => Ok(Some(read(&mut reading, &row).await?)),
            None => Ok(None),
        }
    }

    /// Returns the newest revisions before `before`, or the newest of all, at most `most`, the newest
    /// first; and how many revisions there are.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn revisions(
        &self,
        before: Option<Revision>,
        most: u32,
    ) -> Result<ListedRevisions, StoreError> {
        let mut reading = self.list().await?;
        let rows = reading
            .all(
                "SELECT revision, at, author, reason, rules, passed FROM bundles \
                 WHERE revision < $1 ORDER BY revision DESC LIMIT $2",
                values![before.map_or(i64::MAX, |before| before.0), most],
            )
            .await?;
        let total = reading.one("SELECT count(*) AS total FROM bundles", values![]).await?;
        let total: i64 = total.get("total")?;
        let read = |row: &StoredRow| {
            Ok(RevisionRow {
                revision: revision(row)?,
                at: row.get("at")?,
                author: row.get("author")?,
                reason: row.get("reason")?,
                rules: row.get("rules")?,
                passed: row.get("passed")?,
            })
        };
        let rows = rows.iter().map(read).collect::<Result<_, StoreError>>()?;
        Ok(ListedRevisions { rows, total: u64::try_from(total).unwrap_or_default() })
    }

    /// Puts `bundle` into force. Every live flow is asked again.
    ///
    /// # Errors
    /// When the bundle in force is not `applying.upon`, or the database refuses. Then the present
    /// bundle stays in force.
    pub async fn apply(
        &self,
        actor: Actor,
        bundle: Arc<Bundle>,
        applying: Applying,
    ) -> Result<Committed<Revision>, StoreError> {
        let (author, now) = (actor.clone(), self.now());
        let in_force = Arc::clone(&bundle);
        let change = change!((author, bundle, applying, now), |tx| {
            let present = last(tx).await?;
            if applying.upon.is_some_and(|upon| upon != present) {
                return Err(StoreError::BundleChanged);
            }
            let revision = insert(tx, author, bundle, applying, *now).await?;
            confirmation::note(tx, revision, applying.confirm_by).await?;
            Ok((revision, Touched { bundle: true, ..Touched::default() }))
        });
        self.commit_bundle(actor, "policy apply", in_force, change).await
    }
}
