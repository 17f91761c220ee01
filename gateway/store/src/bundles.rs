//! Bundles and their revisions in the state.

use std::sync::Arc;

use doorward_model::Revision;
use doorward_policies::{Bundle, BundleText, Touched};
use jiff::Timestamp;

use crate::change::{Actor, Committed, change};
use crate::confirmation;
use crate::error::{OpenError, StoreError};
use crate::load::revision;
use crate::open::Store;
use crate::pieces;
use crate::port::{Reading, StoredRow, Tx, values};

/// A stored bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleInForce {
    /// The bundle's revision.
    pub revision: Revision,
    /// When it came into force.
    pub at: Timestamp,
    /// Who applied it.
    pub author: String,
    /// The bundle's files.
    pub text: BundleText,
}

impl BundleInForce {
    /// Parses the bundle.
    pub(crate) fn parse(&self) -> Result<Bundle, OpenError> {
        let revision = self.revision.0;
        Bundle::parse(self.text.clone()).map_err(|errors| OpenError::Bundle { revision, errors })
    }
}

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

/// What is stored about a bundle besides its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applying {
    /// The revision that the author looked at. If another revision is in force now, the bundle is
    /// not applied.
    pub upon: Option<Revision>,
    /// Why the bundle is applied, in the author's words.
    pub reason: String,
    /// How many tests of its own it has passed.
    pub passed: usize,
    /// Until when the bundle must be confirmed. After that the former bundle comes back into force.
    pub confirm_by: Option<Timestamp>,
}

pub(crate) async fn in_force(reading: &mut Reading) -> Result<BundleInForce, StoreError> {
    let row =
        reading.one("SELECT * FROM bundles ORDER BY revision DESC LIMIT 1", values![]).await?;
    read(reading, &row).await
}

/// Returns the number of the bundle in force.
pub(crate) async fn last(reading: &mut Reading) -> Result<Revision, StoreError> {
    let row = reading.one("SELECT max(revision) AS last FROM bundles", values![]).await?;
    Ok(Revision(row.get("last")?))
}

async fn read(reading: &mut Reading, row: &StoredRow) -> Result<BundleInForce, StoreError> {
    let revision = revision(row)?;
    Ok(BundleInForce {
        revision,
        at: row.get("at")?,
        author: row.get("author")?,
        text: pieces::read(reading, revision).await?,
    })
}

pub(crate) async fn insert(
    tx: &mut Tx,
    author: &Actor,
    bundle: &Bundle,
    applying: &Applying,
    now: Timestamp,
) -> Result<Revision, StoreError> {
    let row = tx.one("SELECT coalesce(max(revision), 0) AS last FROM bundles", values![]).await?;
    let revision = Revision(row.get::<i64>("last")? + 1);
    tx.run(
        "INSERT INTO bundles (revision, at, author, reason, rules, passed) \
         VALUES ($1, $2, $3, $4, $5, $6)",
        values![
            revision.0,
            now,
            author.to_string(),
            applying.reason.as_str(),
            i64::try_from(bundle.len()).unwrap_or(i64::MAX),
            i64::try_from(applying.passed).unwrap_or(i64::MAX),
        ],
    )
    .await?;
    pieces::insert(tx, revision, bundle.text()).await?;
    Ok(revision)
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
