//! The rows of bundles: one for each revision.

use doorward_model::Revision;
use doorward_policies::{Bundle, BundleText};
use jiff::Timestamp;

use crate::change::Actor;
use crate::error::StoreError;
use crate::port::{Reading, StoredRow, Tx, values};
use crate::rows::pieces;

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
    pub(crate) fn parse(&self) -> Result<Bundle, StoreError> {
        Bundle::parse(self.text.clone()).map_err(|errors| {
            let revision = self.revision.0;
            StoreError::Row(format!(
                "the bundle in force (revision {revision}) cannot be read:\n{errors}"
            ))
        })
    }
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

pub(crate) fn revision(row: &StoredRow) -> Result<Revision, StoreError> {
    Ok(Revision(row.get("revision")?))
}

pub(crate) async fn read(
    reading: &mut Reading,
    row: &StoredRow,
) -> Result<BundleInForce, StoreError> {
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
