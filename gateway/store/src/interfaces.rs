use doorward_model::{Device, DoorName, InterfaceId, Kind, Name, Subject, SubjectId, Target};
use doorward_policies::Touched;
use sqlx::sqlite::SqliteConnection;

use crate::change::{Actor, Committed, change};
use crate::error::StoreError;
use crate::open::Store;
use crate::subjects::known;

async fn owner(
    connection: &mut SqliteConnection,
    door: &DoorName,
) -> Result<(SubjectId, Name), StoreError> {
    match &door.device {
        Device::Named(name) => {
            let id = known(connection, &Subject::new(Kind::Device, name.clone())).await?;
            Ok((id, name.clone()))
        }
        Device::Gateway => Err(StoreError::NoInterface(door.clone())),
    }
}

async fn declared(
    connection: &mut SqliteConnection,
    device: SubjectId,
    door: &DoorName,
) -> Result<InterfaceId, StoreError> {
    let id: Option<i64> =
        sqlx::query_scalar("SELECT id FROM interfaces WHERE device = ? AND name = ?")
            .bind(device.0)
            .bind(door.interface.as_str())
            .fetch_optional(connection)
            .await?;
    id.map(InterfaceId).ok_or_else(|| StoreError::NoInterface(door.clone()))
}

fn touching(device: Name) -> Touched {
    Touched { devices: vec![device], ..Touched::default() }
}

impl Store {
    /// Declares an interface of a device, turned on. Until a rule says otherwise nobody
    /// reaches it.
    ///
    /// # Errors
    /// When there is no such device, the name is taken, or the database refuses.
    pub async fn add_interface(
        &self,
        actor: Actor,
        door: DoorName,
        target: Target,
    ) -> Result<Committed<InterfaceId>, StoreError> {
        let what = format!("add interface {door}");
        let url = serde_json::to_value(&target)
            .ok()
            .and_then(|url| url.as_str().map(str::to_owned))
            .ok_or_else(|| StoreError::Row(target.to_string()))?;
        let change = change!(|connection| {
            let (device, name) = owner(connection, &door).await?;
            if declared(connection, device, &door).await.is_ok() {
                return Err(StoreError::InterfaceExists(door));
            }
            let id: i64 = sqlx::query_scalar(
                "INSERT INTO interfaces (device, name, url) VALUES (?, ?, ?) RETURNING id",
            )
            .bind(device.0)
            .bind(door.interface.as_str())
            .bind(url)
            .fetch_one(&mut *connection)
            .await?;
            Ok((InterfaceId(id), touching(name)))
        });
        self.commit(actor, what, change).await
    }

    /// Turns an interface on or off.
    ///
    /// # Errors
    /// When there is no such interface, or the database refuses.
    pub async fn enable_interface(
        &self,
        actor: Actor,
        door: DoorName,
        enabled: bool,
    ) -> Result<Committed<()>, StoreError> {
        let what = format!("{} interface {door}", if enabled { "enable" } else { "disable" });
        let change = change!(|connection| {
            let (device, name) = owner(connection, &door).await?;
            let id = declared(connection, device, &door).await?;
            sqlx::query("UPDATE interfaces SET enabled = ? WHERE id = ?")
                .bind(enabled)
                .bind(id.0)
                .execute(&mut *connection)
                .await?;
            Ok(((), touching(name)))
        });
        match enabled {
            true => self.commit(actor, what, change).await,
            false => self.commit_urgently(actor, what, change).await,
        }
    }

    /// Takes the declaration of an interface back.
    ///
    /// # Errors
    /// When there is no such interface, or the database refuses.
    pub async fn remove_interface(
        &self,
        actor: Actor,
        door: DoorName,
    ) -> Result<Committed<()>, StoreError> {
        let what = format!("remove interface {door}");
        let change = change!(|connection| {
            let (device, name) = owner(connection, &door).await?;
            let id = declared(connection, device, &door).await?;
            sqlx::query("DELETE FROM interfaces WHERE id = ?")
                .bind(id.0)
                .execute(&mut *connection)
                .await?;
            Ok(((), touching(name)))
        });
        self.commit_urgently(actor, what, change).await
    }
}
