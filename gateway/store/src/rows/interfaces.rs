//! The rows of interfaces.

use doorward_model::{InterfaceId, Name, Target};
use doorward_policies::Interface;

use crate::error::StoreError;
use crate::port::{Reading, StoredRow, Tx, readable, values};

/// Returns the interfaces of a present device, by name, without those that cannot be read.
pub(crate) async fn of_device(
    reading: &mut Reading,
    device: &Name,
) -> Result<Vec<Interface>, StoreError> {
    let rows = reading
        .all(
            "SELECT i.id, i.name, i.url, i.enabled, i.network FROM interfaces i \
         JOIN subjects s ON s.id = i.device \
         WHERE s.kind = 'device' AND s.name = $1 AND s.removed IS NULL ORDER BY i.name",
            values![device.as_str()],
        )
        .await?;
    let read = |row: &StoredRow| {
        let target: Target = row.parse("url")?;
        let network: Option<String> = row.get("network")?;
        let network = network.map(|_| row.parse("network")).transpose()?;
        Ok(Interface {
            id: InterfaceId(row.get("id")?),
            name: row.parse("name")?,
            target,
            network,
            enabled: row.get("enabled")?,
        })
    };
    let mut found = Vec::new();
    for row in &rows {
        found.extend(readable(read(row), || format!("an interface of device/{device}"))?);
    }
    Ok(found)
}

/// Stores that an interface was off when it was removed.
pub(crate) async fn remember_off(
    tx: &mut Tx,
    device: &Name,
    name: &Name,
) -> Result<(), StoreError> {
    tx.run(
        "INSERT INTO interfaces_off (device, name) VALUES ($1, $2) \
         ON CONFLICT (device, name) DO NOTHING",
        values![device.as_str(), name.as_str()],
    )
    .await?;
    Ok(())
}

/// Returns whether it is stored that an interface of that name was off when it was removed.
pub(crate) async fn is_remembered_off(
    reading: &mut Reading,
    device: &Name,
    name: &Name,
) -> Result<bool, StoreError> {
    let noted = reading
        .optional(
            "SELECT name FROM interfaces_off WHERE device = $1 AND name = $2",
            values![device.as_str(), name.as_str()],
        )
        .await?;
    Ok(noted.is_some())
}

/// Returns whether an interface of that name was off when it was last removed. Deletes the note,
/// because the row of the new declaration has the answer from now on.
pub(crate) async fn was_off(tx: &mut Tx, device: &Name, name: &Name) -> Result<bool, StoreError> {
    let noted = tx
        .run(
            "DELETE FROM interfaces_off WHERE device = $1 AND name = $2",
            values![device.as_str(), name.as_str()],
        )
        .await?;
    Ok(noted > 0)
}
