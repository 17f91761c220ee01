use doorward_model::Revision;
use doorward_policies::{Bundle, BundleText, Touched};
use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;

use crate::change::{Actor, Committed, change};
use crate::database::{micros, timestamp};
use crate::error::{OpenError, StoreError};
use crate::load::revision;
use crate::open::Store;

/// A bundle as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleInForce {
    /// Its number.
    pub revision: Revision,
    /// Since when.
    pub at: Timestamp,
    /// Who applied it.
    pub author: String,
    /// Its files.
    pub text: BundleText,
}

impl BundleInForce {
    /// Reads it anew.
    pub(crate) fn parse(&self) -> Result<Bundle, OpenError> {
        let revision = self.revision.0;
        Bundle::parse(self.text.clone()).map_err(|errors| OpenError::Bundle { revision, errors })
    }
}

pub(crate) async fn in_force(
    connection: &mut SqliteConnection,
) -> Result<BundleInForce, StoreError> {
    let row = sqlx::query("SELECT * FROM bundles ORDER BY revision DESC LIMIT 1")
        .fetch_one(connection)
        .await?;
    Ok(BundleInForce {
        revision: revision(&row)?,
        at: timestamp(row.try_get("at")?)?,
        author: row.try_get("author")?,
        text: BundleText {
            model: row.try_get("model")?,
            policy: row.try_get("policy")?,
            roles: row.try_get("roles")?,
            groups: row.try_get("groups")?,
            tests: row.try_get("tests")?,
        },
    })
}

pub(crate) async fn insert(
    connection: &mut SqliteConnection,
    author: &Actor,
    text: &BundleText,
    now: Timestamp,
) -> Result<Revision, StoreError> {
    let last: i64 = sqlx::query_scalar("SELECT coalesce(max(revision), 0) FROM bundles")
        .fetch_one(&mut *connection)
        .await?;
    sqlx::query(
        "INSERT INTO bundles (revision, at, author, model, policy, roles, groups, tests) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(last + 1)
    .bind(micros(now))
    .bind(author.to_string())
    .bind(text.model.clone())
    .bind(text.policy.clone())
    .bind(text.roles.clone())
    .bind(text.groups.clone())
    .bind(text.tests.clone())
    .execute(connection)
    .await?;
    Ok(Revision(last + 1))
}

impl Store {
    /// The bundle in force.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn bundle(&self) -> Result<BundleInForce, StoreError> {
        in_force(&mut *self.read().await?).await
    }

    /// Puts `bundle` in force. Every live flow is asked again.
    ///
    /// # Errors
    /// When the database refuses; then the former bundle stays.
    pub async fn apply(
        &self,
        actor: Actor,
        bundle: &Bundle,
    ) -> Result<Committed<Revision>, StoreError> {
        let (text, author, now) = (bundle.text().as_ref().clone(), actor.clone(), self.now());
        let touched = Touched { bundle: true, ..Touched::default() };
        self.commit(
            actor,
            "policy apply",
            change!(|connection| { Ok((insert(connection, &author, &text, now).await?, touched)) }),
        )
        .await
    }
}
