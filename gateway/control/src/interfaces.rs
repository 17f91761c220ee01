//! Requests about interfaces.

use doorward_api::{
    InterfaceAddition, InterfaceChange, InterfaceChanged, InterfaceDeclared, InterfaceView,
    Nothing, endpoint,
};
use doorward_inspect::http::may_be_kept;
use doorward_model::{Action, Device, DoorName, FieldName, Inspection, Name, Target};
use doorward_policies::Interface;
use doorward_store::{NewInterface, StoreError};

use crate::gate::{Denied, Gate};
use crate::request::AdminRequest;
use crate::response::{EndpointResult, actor, changed, refused, sentence, wrong};

/// Returns a warning if a raw target has the usual port of a protocol that Doorward can inspect.
fn raw_port_warning(target: &Target) -> Option<String> {
    let (raw, protocol) = (target.protocol(), target.overlooked()?);
    let declared = target.to_string().replacen(raw.as_str(), protocol.as_str(), 1);
    Some(format!(
        "this is the usual port of {protocol}; with {raw}:// the policy decides each connection only. \
         Declare it as {declared}, and the policy decides each operation"
    ))
}

/// Returns a field that `keep=` names without effect.
fn useless_keep(target: &Target) -> Option<&FieldName> {
    let Inspection::Http(options) = &target.inspected()?.spoken else { return None };
    options.keep.as_ref()?.iter().find(|name| !may_be_kept(name.as_str()))
}

impl AdminRequest<'_> {
    fn door(&self) -> Result<DoorName, Denied> {
        Ok(DoorName { device: Device::Named(self.name(0)?), interface: self.name(1)? })
    }

    /// Asks for the right to declare or enable interfaces in a network.
    async fn ask_for_network(&self, gate: &mut Gate, network: &Name) -> Result<(), Denied> {
        gate.ask(Action::Create, &format!("networks/{network}"), self.now()).await
    }

    /// Returns the network of a target, or refuses a target outside the bounds of the local
    /// configuration.
    async fn network_of(
        &self,
        target: &Target,
        wanted: Option<&Name>,
    ) -> Result<Option<Name>, Denied> {
        let found = self.parts.bounds.declare(target, wanted).await;
        found.map_err(|why| wrong(sentence(&why)))
    }

    /// Returns the interfaces of a device, with warnings.
    pub(crate) fn interfaces_of(&self, device: &Device) -> Vec<InterfaceView> {
        let Device::Named(name) = device else { return vec![] };
        let snapshot = self.parts.leases.snapshot();
        let warnings = |Interface { target, network, .. }: &Interface| {
            let doubts = self.parts.bounds.doubts(target, network.as_ref());
            raw_port_warning(target).into_iter().chain(doubts).collect()
        };
        let view = |interface: &Interface| InterfaceView {
            device: device.clone(),
            name: interface.name.clone(),
            protocol: interface.target.protocol().to_string(),
            url: interface.target.to_string(),
            network: interface.network.clone(),
            enabled: interface.enabled,
            warnings: warnings(interface),
            host: snapshot
                .domain()
                .door(&DoorName { interface: interface.name.clone(), device: device.clone() }),
        };
        snapshot.interfaces(name).iter().map(view).collect()
    }

    pub(crate) async fn list_interfaces(
        self,
        gate: &mut Gate,
    ) -> EndpointResult<endpoint::ListInterfaces> {
        gate.record(None).await?;
        let snapshot = self.parts.leases.snapshot();
        let devices: std::collections::BTreeSet<&Name> =
            snapshot.all_interfaces().map(|(device, _)| device).collect();
        let all = devices.into_iter().map(|name| self.interfaces_of(&Device::Named(name.clone())));
        let all: Vec<InterfaceView> = all.flatten().collect();
        self.page(all, |view| format!("{}/{}", view.device, view.name))
    }

    pub(crate) async fn add_interface(
        mut self,
        gate: &mut Gate,
    ) -> EndpointResult<endpoint::AddInterface> {
        let door = self.door()?;
        let InterfaceAddition { url, network } = self.read().await?;
        let target: Target = url
            .parse()
            .map_err(|error: doorward_model::TargetError| wrong(sentence(&error.to_string())))?;
        if let Some(why) = target.objection() {
            return Err(wrong(sentence(&why.to_string())));
        }
        if let Some(name) = useless_keep(&target) {
            return Err(wrong(format!(
                "keep={name} changes nothing: Doorward always forwards this field, or never does \
                 because the field belongs to the connection or changes what a backend does. keep= is \
                 for fields with which a client could claim an identity, such as Remote-User."
            )));
        }
        let network = self.network_of(&target, network.as_ref()).await?;
        let mut detail = format!("add {door} {target}");
        if let Some(network) = &network {
            self.ask_for_network(gate, network).await?;
            detail.push_str(&format!(" in {network}"));
        }
        gate.record(Some(&detail)).await?;
        gate.check_permits()?;
        let host = self.parts.domain.door(&door);
        let mut warnings: Vec<String> = raw_port_warning(&target).into_iter().collect();
        let new = NewInterface { door: door.clone(), target, network: network.clone() };
        let added = self.parts.store.add_interface(actor(gate), new).await;
        let added = added.map_err(refused)?;
        if !added.value.enabled {
            warnings.push(format!(
                "{0} was off when it was removed, so it is off now; turn it on with \
                 `doorward interface enable {0}`",
                door.path()
            ));
        }
        warnings.extend(self.rule_warnings(&door).await);
        Ok(changed(&added, InterfaceDeclared { host, network, warnings }))
    }

    pub(crate) async fn change_interface(
        mut self,
        gate: &mut Gate,
    ) -> EndpointResult<endpoint::ChangeInterface> {
        let door = self.door()?;
        let InterfaceChange { enabled } = self.read().await?;
        let snapshot = self.parts.leases.snapshot();
        let seen = match &door.device {
            Device::Named(device) => snapshot.interface(device, &door.interface).cloned(),
            Device::Gateway => None,
        };
        let seen = seen.ok_or_else(|| refused(StoreError::NoInterface(door.clone())))?;
        let mut network = seen.network.clone();
        if enabled {
            // Enabling an interface opens its backend. An interface that was declared before
            // networks had names gets the network that contains its target now.
            if network.is_none() {
                network = self.network_of(&seen.target, None).await?;
            }
            if let Some(network) = &network {
                self.ask_for_network(gate, network).await?;
            }
        }
        match (enabled, seen.enabled) {
            (true, _) => gate.record(Some("enable")).await?,
            (false, true) => gate.record_urgently("disable").await?,
            // The interface is already off, so this takes nothing away.
            (false, false) => gate.record(Some("disable")).await?,
        }
        gate.check_permits()?;
        let store = &self.parts.store;
        let done = store.enable_interface(actor(gate), door.clone(), seen, network, enabled).await;
        let done = done.map_err(refused)?;
        let warnings = if enabled { self.rule_warnings(&door).await } else { vec![] };
        Ok(changed(&done, InterfaceChanged { warnings }))
    }

    pub(crate) async fn remove_interface(
        self,
        gate: &mut Gate,
    ) -> EndpointResult<endpoint::RemoveInterface> {
        let door = self.door()?;
        let snapshot = self.parts.leases.snapshot();
        let is_there = match &door.device {
            Device::Named(device) => snapshot.interface(device, &door.interface).is_some(),
            Device::Gateway => false,
        };
        if !is_there {
            return Err(refused(StoreError::NoInterface(door)));
        }
        gate.record_urgently("remove").await?;
        gate.check_permits()?;
        let done = self.parts.store.remove_interface(actor(gate), door).await;
        Ok(changed(&done.map_err(refused)?, Nothing {}))
    }
}
