//! Requests about interfaces.

use doorward_api::{
    ChangeAnswer, ChangePreview, InterfaceAddition, InterfaceChange, InterfaceChanged,
    InterfaceDeclared, InterfaceView, Nothing, Removal, endpoint,
};
use doorward_inspect::http::may_be_kept;
use doorward_model::{
    Action, Device, DoorName, FieldName, Inspection, InterfaceId, Kind, Name, Subject, Target,
    TargetError,
};
use doorward_policies::{Interface, Snapshot};
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

/// Returns the device of an interface, and the interface as it is declared.
fn declared(snapshot: &Snapshot, door: &DoorName) -> Result<(Name, Interface), Denied> {
    let found = match &door.device {
        Device::Named(device) => {
            let interface = snapshot.interface(device, &door.interface).cloned();
            interface.map(|interface| (device.clone(), interface))
        }
        Device::Gateway => None,
    };
    found.ok_or_else(|| refused(StoreError::NoInterface(door.clone())))
}

/// Returns a warning for an interface that was off when it was removed, and is off again.
fn still_off_warning(door: &DoorName, enabled: bool) -> Option<String> {
    let path = door.path();
    (!enabled).then(|| {
        format!(
            "{path} was off when it was removed, so it is off now; turn it on with \
             `doorward interface enable {path}`"
        )
    })
}

/// Refuses a text that is no URL of an interface.
fn no_target(error: &TargetError) -> Denied {
    wrong(sentence(&error.to_string()))
}

/// Refuses a target that cannot be declared, or that has an option without effect.
fn fit_to_declare(target: &Target) -> Result<(), Denied> {
    if let Some(why) = target.objection() {
        return Err(no_target(&why));
    }
    if let Some(name) = useless_keep(target) {
        return Err(wrong(format!(
            "keep={name} changes nothing: Doorward always forwards this field, or never does \
             because the field belongs to the connection or changes what a backend does. keep= is \
             for fields with which a client could claim an identity, such as Remote-User."
        )));
    }
    Ok(())
}

/// Describes a change of an interface for the audit log. `enabled` is whether it was asked to be
/// on.
fn difference(seen: &Interface, next: &Interface, enabled: Option<bool>) -> String {
    let mut words = Vec::new();
    if next.target != seen.target {
        words.push(format!("set {}", next.target));
    }
    if let Some(network) = next.network.as_ref().filter(|_| next.network != seen.network) {
        words.push(format!("in {network}"));
    }
    words.extend(enabled.map(|on| if on { "enable" } else { "disable" }.to_owned()));
    if words.is_empty() { "set the same".to_owned() } else { words.join(", ") }
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
        let InterfaceAddition { url, network, dry_run } = self.read().await?;
        let target: Target = url.parse().map_err(|error| no_target(&error))?;
        fit_to_declare(&target)?;
        let network = self.network_of(&target, network.as_ref()).await?;
        let mut detail = format!("add {door} {target}");
        if let Some(network) = &network {
            self.ask_for_network(gate, network).await?;
            detail.push_str(&format!(" in {network}"));
        }
        let mut warnings: Vec<String> = raw_port_warning(&target).into_iter().collect();
        if dry_run {
            let preview = self.preview_addition(gate, &door, (target, network), warnings, &detail);
            return Ok(ChangeAnswer::Previewed(preview.await?));
        }
        gate.record(Some(&detail)).await?;
        gate.check_permits()?;
        let host = self.parts.domain.door(&door);
        let new = NewInterface { door: door.clone(), target, network: network.clone() };
        let added = self.parts.store.add_interface(actor(gate), new).await;
        let added = added.map_err(refused)?;
        warnings.extend(still_off_warning(&door, added.value.enabled));
        warnings.extend(self.rule_warnings(&door).await);
        let declared = InterfaceDeclared { host, network, warnings };
        Ok(ChangeAnswer::Made(changed(&added, declared)))
    }

    /// Returns what the declaration of an interface would do.
    async fn preview_addition(
        &self,
        gate: &mut Gate,
        door: &DoorName,
        (target, network): (Target, Option<Name>),
        mut warnings: Vec<String>,
        detail: &str,
    ) -> Result<ChangePreview, Denied> {
        let present = self.parts.leases.snapshot();
        let device = match &door.device {
            Device::Named(name) => name,
            Device::Gateway => return Err(refused(StoreError::NoInterface(door.clone()))),
        };
        let subject = Subject::new(Kind::Device, device.clone());
        if present.member(&subject).is_none() {
            return Err(refused(StoreError::NoSubject(subject)));
        }
        if present.interface(device, &door.interface).is_some() {
            return Err(refused(StoreError::InterfaceExists(door.clone())));
        }
        let off = self.parts.store.interface_would_be_off(device, &door.interface).await;
        let (id, name, enabled) = (InterfaceId(0), door.interface.clone(), !off.map_err(refused)?);
        warnings.extend(still_off_warning(door, enabled));
        let mut all = present.interfaces(device).to_vec();
        all.push(Interface { id, name, target, network, enabled });
        let next = Snapshot::clone(&present).with_interfaces(device.clone(), all);
        self.preview(gate, detail, present, next, warnings).await
    }

    pub(crate) async fn change_interface(
        mut self,
        gate: &mut Gate,
    ) -> EndpointResult<endpoint::ChangeInterface> {
        let door = self.door()?;
        let mut change: InterfaceChange = self.read().await?;
        let dry_run = std::mem::take(&mut change.dry_run);
        if change == InterfaceChange::default() {
            return Err(wrong("Nothing to change was given."));
        }
        let snapshot = self.parts.leases.snapshot();
        let (device, seen) = declared(&snapshot, &door)?;
        let enabled = change.enabled;
        let only_switches = change == InterfaceChange { enabled, ..InterfaceChange::default() };
        if !only_switches {
            // A change of the URL opens another backend, like a new declaration. The right is asked
            // for before anything is said about the present URL.
            let part = format!("interfaces/{}/{}", door.device, door.interface);
            gate.ask(Action::Create, &part, self.now()).await?;
        }
        let next = self.changed_interface(&seen, change).await?;
        if (!only_switches || next.enabled)
            && let Some(network) = &next.network
        {
            self.ask_for_network(gate, network).await?;
        }
        let detail = difference(&seen, &next, enabled);
        let warnings = raw_port_warning(&next.target).into_iter().collect();
        if dry_run {
            let mut all = snapshot.interfaces(&device).to_vec();
            all.iter_mut().filter(|one| one.id == seen.id).for_each(|one| *one = next.clone());
            let next = Snapshot::clone(&snapshot).with_interfaces(device, all);
            let preview = self.preview(gate, &detail, snapshot, next, warnings).await?;
            return Ok(ChangeAnswer::Previewed(preview));
        }
        match seen.enabled && only_switches && !next.enabled {
            true => gate.record_urgently(&detail).await?,
            // This takes nothing away, or gives something besides.
            false => gate.record(Some(&detail)).await?,
        }
        gate.check_permits()?;
        let enabled = next.enabled;
        let mut answer = InterfaceChanged {
            changed: next != seen,
            url: next.target.to_string(),
            network: next.network.clone(),
            warnings,
        };
        let done = self.parts.store.change_interface(actor(gate), door.clone(), seen, next).await;
        let done = done.map_err(refused)?;
        if enabled {
            answer.warnings.extend(self.rule_warnings(&door).await);
        }
        Ok(ChangeAnswer::Made(changed(&done, answer)))
    }

    /// Returns the interface as a change makes it.
    async fn changed_interface(
        &self,
        seen: &Interface,
        change: InterfaceChange,
    ) -> Result<Interface, Denied> {
        let InterfaceChange { enabled, url, network, set_options, remove_options, .. } = change;
        let base: Target = match url {
            Some(url) => url.parse().map_err(|error| no_target(&error))?,
            None => seen.target.clone(),
        };
        let target = base.with_options(&set_options, &remove_options);
        let target = target.map_err(|error| wrong(sentence(&error.to_string())))?;
        if target != seen.target {
            fit_to_declare(&target)?;
        }
        let enabled = enabled.unwrap_or(seen.enabled);
        // An interface that was declared before networks had names gets the network that contains
        // its target when it is enabled or changed. Another option leads to the same backend.
        let stays = target.way() == seen.target.way();
        let network = match &network {
            None if stays && (seen.network.is_some() || !enabled) => seen.network.clone(),
            wanted => self.network_of(&target, wanted.as_ref()).await?,
        };
        Ok(Interface { target, network, enabled, ..seen.clone() })
    }

    pub(crate) async fn remove_interface(
        mut self,
        gate: &mut Gate,
    ) -> EndpointResult<endpoint::RemoveInterface> {
        let door = self.door()?;
        let Removal { dry_run, .. } = self.read().await?;
        let snapshot = self.parts.leases.snapshot();
        let (device, seen) = declared(&snapshot, &door)?;
        if dry_run {
            let others = snapshot.interfaces(&device).iter().filter(|one| one.id != seen.id);
            let others = others.cloned().collect();
            let next = Snapshot::clone(&snapshot).with_interfaces(device, others);
            let preview = self.preview(gate, "remove", snapshot, next, vec![]).await?;
            return Ok(ChangeAnswer::Previewed(preview));
        }
        gate.record_urgently("remove").await?;
        gate.check_permits()?;
        let done = self.parts.store.remove_interface(actor(gate), door).await;
        Ok(ChangeAnswer::Made(changed(&done.map_err(refused)?, Nothing {})))
    }
}
