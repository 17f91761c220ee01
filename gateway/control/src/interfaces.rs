use doorward_inspect::http::may_be_kept;
use doorward_model::{Device, DoorName, FieldName, Inspection, Name, Protocol, Target};
use doorward_session::json;
use serde::{Deserialize, Serialize};

use crate::admin::{Answer, Call, Changed, Nothing, actor, refused, sentence, wrong};
use crate::gate::{Denied, Gate};

/// An interface as commands show it.
#[derive(Serialize)]
pub(crate) struct InterfaceView {
    device: Device,
    name: Name,
    url: Target,
    protocol: Protocol,
    enabled: bool,
    /// The host name that it is reached by.
    host: String,
    /// What may have been overlooked when it was declared.
    warnings: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Add {
    url: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    enabled: bool,
}

/// What an administrator is told who declares a protocol's port as a raw one.
fn overlooked(target: &Target) -> Option<String> {
    let (raw, protocol) = (target.protocol(), target.overlooked()?);
    let declared = target.to_string().replacen(raw.as_str(), protocol.as_str(), 1);
    Some(format!(
        "this is the usual port of {protocol}, and as {raw}:// whoever may connect may do everything \
         there; declare it as {declared} and each operation is decided"
    ))
}

/// A field that an interface keeps, and that is no claim.
fn kept_in_vain(target: &Target) -> Option<&FieldName> {
    let Inspection::Http(options) = &target.inspected()?.spoken else { return None };
    options.keep.as_ref()?.iter().find(|name| !may_be_kept(name.as_str()))
}

impl Call<'_> {
    fn door(&self) -> Result<DoorName, Denied> {
        Ok(DoorName { device: Device::Named(self.name(0)?), interface: self.name(1)? })
    }

    pub(crate) fn interfaces_of(&self, device: &Device) -> Vec<InterfaceView> {
        let Device::Named(name) = device else { return vec![] };
        let snapshot = self.parts.leases.snapshot();
        let view = |interface: &doorward_policies::Interface| InterfaceView {
            device: device.clone(),
            name: interface.name.clone(),
            protocol: interface.target.protocol(),
            url: interface.target.clone(),
            enabled: interface.enabled,
            warnings: overlooked(&interface.target).into_iter().collect(),
            host: snapshot
                .domain()
                .door(&DoorName { interface: interface.name.clone(), device: device.clone() }),
        };
        snapshot.interfaces(name).iter().map(view).collect()
    }

    pub(crate) async fn list_interfaces(self, gate: &mut Gate) -> Answer {
        gate.record(None).await?;
        let snapshot = self.parts.leases.snapshot();
        let devices: std::collections::BTreeSet<&Name> =
            snapshot.all_interfaces().map(|(device, _)| device).collect();
        let all = devices.into_iter().map(|name| self.interfaces_of(&Device::Named(name.clone())));
        Ok(json(&all.flatten().collect::<Vec<_>>()))
    }

    pub(crate) async fn add_interface(mut self, gate: &mut Gate) -> Answer {
        #[derive(Serialize)]
        struct Added {
            host: String,
            warnings: Vec<String>,
        }
        let door = self.door()?;
        let Add { url } = self.read().await?;
        let target: Target = url
            .parse()
            .map_err(|error: doorward_model::TargetError| wrong(sentence(&error.to_string())))?;
        if let Some(why) = target.objection() {
            return Err(wrong(sentence(&why.to_string())));
        }
        if let Some(name) = kept_in_vain(&target) {
            return Err(wrong(format!(
                "keep={name} changes nothing: the field is forwarded anyway, or never, since it \
                 belongs to the connection or makes a backend do something else. keep= names fields by \
                 which clients could claim who they are, such as Remote-User."
            )));
        }
        self.parts.reach.check(&target).map_err(|why| wrong(sentence(&why)))?;
        gate.record(Some(&format!("add {door} {target}"))).await?;
        gate.stands()?;
        let host = self.parts.domain.door(&door);
        let warnings = overlooked(&target).into_iter().collect();
        let added = self.parts.store.add_interface(actor(gate), door, target).await;
        let added = added.map_err(refused)?;
        Ok(Changed::of(&added, Added { host, warnings }))
    }

    pub(crate) async fn change_interface(mut self, gate: &mut Gate) -> Answer {
        let door = self.door()?;
        let Change { enabled } = self.read().await?;
        gate.record(Some(&format!("enabled {enabled}"))).await?;
        gate.stands()?;
        let done = self.parts.store.enable_interface(actor(gate), door, enabled).await;
        Ok(Changed::of(&done.map_err(refused)?, Nothing {}))
    }

    pub(crate) async fn remove_interface(self, gate: &mut Gate) -> Answer {
        let door = self.door()?;
        gate.record(Some("remove")).await?;
        gate.stands()?;
        let done = self.parts.store.remove_interface(actor(gate), door).await;
        Ok(Changed::of(&done.map_err(refused)?, Nothing {}))
    }
}
