//! The row of the bundle that waits for its confirmation.

use doorward_model::Revision;
use jiff::Timestamp;

use crate::error::StoreError;
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

pub(crate) async fn pending(reading: &mut Reading) -> Result<Option<Unconfirmed>, StoreError> {
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
