//! The rows of suspended rules: these permit nothing until the next bundle.

use std::collections::BTreeSet;

use doorward_model::Revision;

use crate::error::StoreError;
use crate::port::{Reading, Tx, values};

/// Stores that lines of a revision are suspended.
pub(crate) async fn insert(
    tx: &mut Tx,
    revision: Revision,
    lines: &[usize],
) -> Result<(), StoreError> {
    for line in lines {
        tx.run(
            "INSERT INTO suspended (revision, line) VALUES ($1, $2) \
             ON CONFLICT (revision, line) DO NOTHING",
            values![revision.0, i64::try_from(*line).unwrap_or(i64::MAX)],
        )
        .await?;
    }
    Ok(())
}

/// Returns the suspended lines of a revision.
pub(crate) async fn of(
    reading: &mut Reading,
    revision: Revision,
) -> Result<BTreeSet<usize>, StoreError> {
    let rows =
        reading.all("SELECT line FROM suspended WHERE revision = $1", values![revision.0]).await?;
    let mut lines = BTreeSet::new();
    for row in &rows {
        let line: i64 = row.get("line")?;
        let line = usize::try_from(line).map_err(|error| StoreError::Row(error.to_string()))?;
        lines.insert(line);
    }
    Ok(lines)
}
