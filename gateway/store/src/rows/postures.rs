//! The rows of what devices report about themselves.

use doorward_model::{Posture, Subject, SubjectId};

use crate::error::StoreError;
use crate::port::{Reading, StoredRow, Tx, readable, values};

/// Stores a report in the place of the device's former one.
pub(crate) async fn put(
    tx: &mut Tx,
    device: SubjectId,
    posture: &Posture,
) -> Result<(), StoreError> {
    let report = serde_json::to_string(&posture.report)
        .map_err(|error| StoreError::Row(error.to_string()))?;
    tx.run(
        "INSERT INTO postures (subject, at, report) VALUES ($1, $2, $3) \
         ON CONFLICT (subject) DO UPDATE SET at = excluded.at, report = excluded.report",
        values![device.0, posture.at, report],
    )
    .await?;
    Ok(())
}

fn read(row: &StoredRow) -> Result<Posture, StoreError> {
    let report: String = row.get("report")?;
    let report = serde_json::from_str(&report)
        .map_err(|error| StoreError::Row(format!("report: {error}")))?;
    Ok(Posture { at: row.get("at")?, report })
}

/// Returns the last report of a device. One that cannot be read counts as none, until the next one
/// replaces it.
pub(crate) async fn of(
    reading: &mut Reading,
    device: &Subject,
    number: SubjectId,
) -> Result<Option<Posture>, StoreError> {
    let found = reading
        .optional("SELECT at, report FROM postures WHERE subject = $1", values![number.0])
        .await?;
    let Some(row) = found else { return Ok(None) };
    readable(read(&row), || format!("the last report of {device}"))
}
