//! The list of ordered changes, and the number of the last one.

use aws_lc_rs::rand;
use doorward_model::Epoch;
use doorward_policies::Touched;
use jiff::Timestamp;

use crate::change::Actor;
use crate::error::StoreError;
use crate::port::{Reading, StoredRow, Tx, values};

/// A random id of a change. It finds the change again after its answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChangeId([u8; 16]);

impl ChangeId {
    pub(crate) fn random() -> Result<Self, StoreError> {
        let mut id = [0; 16];
        let filled = rand::fill(&mut id);
        filled.map_err(|_| StoreError::Refused("there is no random number".to_owned()))?;
        Ok(Self(id))
    }
}

/// What the list says about a change besides its number and what it touched.
#[derive(Clone, Debug)]
pub(crate) struct ChangeEntry {
    pub(crate) id: ChangeId,
    pub(crate) at: Timestamp,
    pub(crate) actor: Actor,
    pub(crate) what: String,
}

/// How many changes keep their row.
const KEPT: i64 = 100_000;

/// Gives a change the number after the head, in its own transaction, and deletes the rows of changes
/// that are too old. So the list does not grow, however fast the changes come.
pub(crate) async fn number(
    tx: &mut Tx,
    entry: &ChangeEntry,
    touched: &Touched,
) -> Result<Epoch, StoreError> {
    let head = tx.head()?;
    let epoch = Epoch(head.0 + 1);
    let listed =
        serde_json::to_string(touched).map_err(|error| StoreError::Row(error.to_string()))?;
    tx.run(
        "INSERT INTO epochs (epoch, id, at, actor, what, touched) VALUES ($1, $2, $3, $4, $5, $6)",
        values![
            epoch.0,
            entry.id.0.to_vec(),
            entry.at,
            entry.actor.to_string(),
            entry.what.as_str(),
            listed
        ],
    )
    .await?;
    // Two rows for each new one, so that a list that is too long becomes shorter.
    tx.run(
        "DELETE FROM epochs WHERE epoch IN \
             (SELECT epoch FROM epochs WHERE epoch <= $1 ORDER BY epoch LIMIT 2)",
        values![epoch.0 - KEPT],
    )
    .await?;
    let moved = tx
        .run("UPDATE heads SET epoch = $1 WHERE part = 0 AND epoch = $2", values![epoch.0, head.0])
        .await?;
    if moved == 1 {
        Ok(epoch)
    } else {
        Err(StoreError::Again("another change has taken the number".to_owned()))
    }
}

/// Returns the number of the last change.
pub(crate) async fn last(reading: &mut Reading) -> Result<Epoch, StoreError> {
    let row = reading.one("SELECT epoch FROM heads WHERE part = 0", values![]).await?;
    Ok(Epoch(row.get("epoch")?))
}

/// Returns whether a change with that id stands, among those after `before`.
pub(crate) async fn stands(
    reading: &mut Reading,
    id: ChangeId,
    before: Epoch,
) -> Result<bool, StoreError> {
    let found = reading
        .optional(
            "SELECT epoch FROM epochs WHERE epoch > $1 AND id = $2",
            values![before.0, id.0.to_vec()],
        )
        .await?;
    Ok(found.is_some())
}

/// Returns the union of what the changes after `before` up to `head` touched. Returns `None` if
/// their rows are not all there, because old rows are deleted.
pub(crate) async fn touched_since(
    reading: &mut Reading,
    before: Epoch,
    head: Epoch,
) -> Result<Option<Touched>, StoreError> {
    let rows = reading
        .all(
            "SELECT epoch, touched FROM epochs WHERE epoch > $1 AND epoch <= $2 ORDER BY epoch",
            values![before.0, head.0],
        )
        .await?;
    let mut union = Touched::default();
    let mut last = before.0;
    for row in &rows {
        let epoch: i64 = row.get("epoch")?;
        if epoch != last + 1 {
            return Ok(None);
        }
        last = epoch;
        union.join(touched(row)?);
    }
    Ok((last == head.0).then_some(union))
}

/// Reads what a change touched. A kind that this program does not know is an error: without it,
/// the snapshot would be wrong.
fn touched(row: &StoredRow) -> Result<Touched, StoreError> {
    let text: String = row.get("touched")?;
    serde_json::from_str(&text).map_err(|error| {
        let epoch: i64 = row.get("epoch").unwrap_or_default();
        StoreError::Row(format!("change {epoch} touches what this version does not know: {error}"))
    })
}
