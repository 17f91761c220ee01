//! Changes of interfaces.

use doorward_model::{Device, DoorName, InterfaceId, Kind, Name, Subject, SubjectId, Target};
use doorward_policies::{Interface, Touched};

use crate::change::{Actor, Committed, change};
use crate::error::StoreError;
use crate::port::{Reading, values};
use crate::rows::interfaces::{is_remembered_off, of_device, remember_off, was_off};
use crate::rows::subjects::known;
use crate::store::Store;

/// An interface to be declared.
#[derive(Clone, Debug)]
pub struct NewInterface {
    /// The device and the interface's name.
    pub door: DoorName,
    /// How the interface is reached.
    pub target: Target,
    /// The network of the interface, if it is reached over a network.
    pub network: Option<Name>,
}

/// An interface that was declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Declared {
    /// The number of this declaration.
    pub id: InterfaceId,
    /// Whether the interface is on. An interface that was off when it was removed is off when it is
    /// declared again.
    pub enabled: bool,
}

async fn owner(reading: &mut Reading, door: &DoorName) -> Result<(SubjectId, Name), StoreError> {
    match &door.device {
        Device::Named(name) => {
            let id = known(reading, &Subject::new(Kind::Device, name.clone())).await?;
            Ok((id, name.clone()))
        }
        Device::Gateway => Err(StoreError::NoInterface(door.clone())),
    }
}

async fn find(
    reading: &mut Reading,
    device: &Name,
    door: &DoorName,
) -> Result<Option<Interface>, StoreError> {
    let all = of_device(reading, device).await?;
    Ok(all.into_iter().find(|interface| interface.name == door.interface))
}

/// Returns the text of a target as it is stored.
fn url_of(target: &Target) -> Result<String, StoreError> {
    let url = serde_json::to_value(target).ok();
    let url = url.and_then(|url| url.as_str().map(str::to_owned));
    url.ok_or_else(|| StoreError::Row(target.to_string()))
}

fn touching(device: Name) -> Touched {
    Touched { devices: vec![device], ..Touched::default() }
}

impl Store {
    /// Declares an interface of a device. It is on, unless it was off when it was last removed.
    /// Nobody reaches it until a rule allows that.
    ///
    /// # Errors
    /// When there is no such device, the name is taken, or the database refuses.
    pub async fn add_interface(
        &self,
        actor: Actor,
        new: NewInterface,
    ) -> Result<Committed<Declared>, StoreError> {
        let NewInterface { door, target, network } = new;
        let what = format!("add interface {door}");
        let url = url_of(&target)?;
        let change = change!((door, url, network), |tx| {
            let (device, name) = owner(tx, door).await?;
            if find(tx, &name, door).await?.is_some() {
                return Err(StoreError::InterfaceExists(door.clone()));
            }
            let enabled = !was_off(tx, &name, &door.interface).await?;
            let network = network.as_ref().map(Name::as_str);
            let row = tx
                .one(
                    "INSERT INTO interfaces (device, name, url, network, enabled) \
                     VALUES ($1, $2, $3, $4, $5) RETURNING id",
                    values![device.0, door.interface.as_str(), url.as_str(), network, enabled],
                )
                .await
                .map_err(|error| error.or_taken(|| StoreError::InterfaceExists(door.clone())))?;
            Ok((Declared { id: InterfaceId(row.get("id")?), enabled }, touching(name)))
        });
        self.commit(actor, what, change).await
    }

    /// Returns whether an interface would be off if it were declared now: the last one of that name
    /// was off when it was removed.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn interface_would_be_off(
        &self,
        device: &Name,
        name: &Name,
    ) -> Result<bool, StoreError> {
        is_remembered_off(&mut self.read().await?, device, name).await
    }

    /// Changes an interface in place: `next` has its new URL and network, and whether it is on. Its
    /// number and its name stay. Without a difference, nothing is touched. `seen` is the interface as it was when the asker's rights were
    /// checked.
    ///
    /// # Errors
    /// When there is no such interface, it differs from `seen`, or the database refuses.
    pub async fn change_interface(
        &self,
        actor: Actor,
        door: DoorName,
        seen: Interface,
        next: Interface,
    ) -> Result<Committed<()>, StoreError> {
        let only_off = next == Interface { enabled: false, ..seen.clone() };
        let what = match (next.target == seen.target, next.enabled) {
            (false, _) => format!("change interface {door}"),
            (true, true) => format!("enable interface {door}"),
            (true, false) => format!("disable interface {door}"),
        };
        let url = url_of(&next.target)?;
        let change = change!((door, seen, next, url), |tx| {
            let (_, name) = owner(tx, door).await?;
            match find(tx, &name, door).await? {
                None => return Err(StoreError::NoInterface(door.clone())),
                Some(found) if found != *seen => {
                    return Err(StoreError::InterfaceChanged(door.clone()));
                }
                Some(_) if next == seen => return Ok(((), Touched::default())),
                Some(_) => {}
            }
            let network = next.network.as_ref().map(Name::as_str);
            tx.run(
                "UPDATE interfaces SET url = $1, network = $2, enabled = $3 WHERE id = $4",
                values![url.as_str(), network, next.enabled, seen.id.0],
            )
            .await?;
            Ok(((), touching(name)))
        });
        match only_off {
            true => self.commit_urgently(actor, what, change).await,
            false => self.commit(actor, what, change).await,
        }
    }

    /// Removes the declaration of an interface.
    ///
    /// # Errors
    /// When there is no such interface, or the database refuses.
    pub async fn remove_interface(
        &self,
        actor: Actor,
        door: DoorName,
    ) -> Result<Committed<()>, StoreError> {
        let what = format!("remove interface {door}");
        let change = change!((door), |tx| {
            let (_, name) = owner(tx, door).await?;
            let found = find(tx, &name, door).await?;
            let found = found.ok_or_else(|| StoreError::NoInterface(door.clone()))?;
            if !found.enabled {
                remember_off(tx, &name, &door.interface).await?;
            }
            tx.run("DELETE FROM interfaces WHERE id = $1", values![found.id.0]).await?;
            Ok(((), touching(name)))
        });
        self.commit_urgently(actor, what, change).await
    }
}
