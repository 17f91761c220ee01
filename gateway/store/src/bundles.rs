//! Bundles and their revisions in the state.

use std::sync::Arc;

use doorward_model::Revision;
use doorward_policies::{Bundle, BundleText, Touched};
use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::change::{Actor, Committed, change};
use crate::confirmation;
use crate::database::{micros, timestamp};
use crate::error::{OpenError, StoreError};
use crate::load::revision;
use crate::open::Store;
use crate::pieces;

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

pub(crate) async fn in_force(
    connection: &mut SqliteConnection,
) -> Result<BundleInForce, StoreError> {
    let row = sqlx::query("SELECT * FROM bundles ORDER BY revision DESC LIMIT 1")
        .fetch_one(&mut *connection)
        .await?;
    read(connection, &row).await
}

/// Returns the number of the bundle in force.
pub(crate) async fn last(connection: &mut SqliteConnection) -> Result<Revision, StoreError> {
    let last = sqlx::query_scalar("SELECT max(revision) FROM bundles").fetch_one(connection);
    Ok(Revision(last.await?))
}

async fn read(
    connection: &mut SqliteConnection,
    row: &SqliteRow,
) -> Result<BundleInForce, StoreError> {
    let revision = revision(row)?;
    Ok(BundleInForce {
        revision,
        at: timestamp(row.try_get("at")?)?,
        author: row.try_get("author")?,
        text: pieces::read(connection, revision).await?,
    })
}

pub(crate) async fn insert(
    connection: &mut SqliteConnection,
    author: &Actor,
    bundle: &Bundle,
    applying: &Applying,
    now: Timestamp,
) -> Result<Revision, StoreError> {
    let last: i64 = sqlx::query_scalar("SELECT coalesce(max(revision), 0) FROM bundles")
        .fetch_one(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO bundles (revision, at, author, reason, rules, passed) \
         VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(last + 1)
    .bind(micros(now))
    .bind(author.to_string())
    .bind(applying.reason.clone())
    .bind(i64::try_from(bundle.len()).unwrap_or(i64::MAX))
    .bind(i64::try_from(applying.passed).unwrap_or(i64::MAX))
    .execute(&mut *connection)
    .await?;
    let revision = Revision(last + 1);
    pieces::insert(connection, revision, bundle.text()).await?;
    Ok(revision)
}

impl Store {
    /// Returns the bundle in force.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn bundle(&self) -> Result<BundleInForce, StoreError> {
        in_force(&mut *self.list().await?).await
    }

    /// Returns a bundle that is or was in force; `None` if no revision has that number.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn revision(&self, number: Revision) -> Result<Option<BundleInForce>, StoreError> {
        let mut connection = self.list().await?;
        let found = sqlx::query("SELECT * FROM bundles WHERE revision = ?")
            .bind(number.0)
            .fetch_optional(&mut *connection)
            .await?;
        match found {
            Some(row) => Ok(Some(read(&mut connection, &row).await?)),
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
        let mut connection = self.list().await?;
        let rows = sqlx::query(
            "SELECT revision, at, author, reason, rules, passed FROM bundles \
             WHERE revision < ? ORDER BY revision DESC LIMIT ?",
        )
        .bind(before.map_or(i64::MAX, |before| before.0))
        .bind(most)
        .fetch_all(&mut *connection)
        .await?;
        let total: i64 =
            sqlx::query_scalar("SELECT count(*) FROM bundles").fetch_one(&mut *connection).await?;
        let read = |row: &SqliteRow| {
            Ok(RevisionRow {
                revision: revision(row)?,
                at: timestamp(row.try_get("at")?)?,
                author: row.try_get("author")?,
                reason: row.try_get("reason")?,
                rules: row.try_get("rules")?,
                passed: row.try_get("passed")?,
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
        let touched = Touched { bundle: true, ..Touched::default() };
        self.commit_bundle(
            actor,
            "policy apply",
            Arc::clone(&bundle),
            change!(|connection| {
                let present = last(connection).await?;
                if applying.upon.is_some_and(|upon| upon != present) {
                    return Err(StoreError::BundleChanged);
                }
                let revision = insert(connection, &author, &bundle, &applying, now).await?;
                confirmation::note(connection, revision, applying.confirm_by).await?;
                Ok((revision, touched))
            }),
        )
        .await
    }
}
