//! What a review is about.

use std::collections::BTreeMap;

use doorward_model::{Action, Device, Kind, Name, Protocol, Subject};
use jiff::Timestamp;

use super::asked::AskedOperand;
use super::error::ReviewError;
use super::place::Place;
use crate::question::{Circumstances, Context, Evidence};
use crate::snapshot::Snapshot;

/// What a review is about. By default it is about everything.
#[derive(Clone, Debug, Default)]
pub struct ReviewScope {
    /// One action; `None` for all.
    pub(super) action: Option<Action>,
    /// One device, or the gateway; `None` for all.
    pub(super) device: Option<Device>,
    /// One interface of the device; `None` for all.
    pub(super) interface: Option<Name>,
    /// What follows the device's name; `None` for everything.
    pub(super) path: Option<String>,
    /// How subjects ask. Grants whose conditions then fail are left out.
    circumstances: Circumstances,
    /// The instant at which they ask, if conditions of time are to be looked at.
    at: Option<Timestamp>,
}

impl ReviewScope {
    /// Returns a scope of one action, or all, and of what `resource` names: a device (`plc-3`), an
    /// interface of it (`plc-3/modbus`), a path or pattern below that (`plc-3/modbus/1/**`), or the
    /// administration (`gateway`, `gateway/devices/**`); `None` for everything.
    ///
    /// # Errors
    /// When there is no such device, interface or action, or the path is none of that interface.
    pub fn read(
        snapshot: &Snapshot,
        action: Option<Action>,
        resource: Option<&str>,
    ) -> Result<Self, ReviewError> {
        let mut scope = Self { action, ..Self::default() };
        let Some(resource) = resource else { return Ok(scope) };
        let (device, path) = match resource.split_once('/') {
            Some((device, path)) => (device.parse()?, Some(path.to_owned())),
            None => (resource.parse()?, None),
        };
        if let Device::Named(name) = &device {
            let subject = Subject::new(Kind::Device, name.clone());
            if snapshot.member(&subject).is_none() {
                return Err(ReviewError::UnknownDevice(name.clone()));
            }
            let first = path.as_deref().and_then(|path| path.split('/').next());
            if let Some(first) = first.filter(|first| !first.contains('*')) {
                scope.interface = Some(declared(snapshot, name, first)?);
            }
        }
        (scope.device, scope.path) = (Some(device), path);
        scope.check(snapshot)?;
        Ok(scope)
    }

    /// Returns the scope with the supposition that subjects ask in these circumstances, and at that
    /// instant, if one is given. A grant whose conditions then fail is left out. Conditions that this
    /// does not decide are listed.
    #[must_use]
    pub fn supposing(mut self, circumstances: Circumstances, at: Option<Timestamp>) -> Self {
        (self.circumstances, self.at) = (circumstances, at);
        self
    }

    /// Refuses an action or a path that no interface of the scope has.
    fn check(&self, snapshot: &Snapshot) -> Result<(), ReviewError> {
        let places = self.places(snapshot);
        let mut has: Vec<Protocol> = places.iter().map(Place::protocol).collect();
        has.sort();
        has.dedup();
        if let Some(action) = self.action
            && !has.iter().any(|protocol| protocol.actions().contains(&action))
        {
            let device = self.device.iter().map(ToString::to_string);
            let place: Vec<_> = device.chain(self.interface.iter().map(Name::to_string)).collect();
            return Err(ReviewError::NotAnAction { place: place.join("/"), action, has });
        }
        // The path must be one of some interface, for some action.
        let path = self.path.as_deref();
        let mut wrong =
            path.filter(|_| !places.is_empty()).map(|path| ReviewError::Nowhere(path.to_owned()));
        for (place, action) in
            places.iter().flat_map(|place| self.actions(place).map(move |action| (place, action)))
        {
            match AskedOperand::at(place, action, path) {
                Ok(Some(_)) => return Ok(()),
                Ok(None) => {}
                Err(error) => wrong = Some(error),
            }
        }
        wrong.map_or(Ok(()), Err)
    }

    /// Returns the interfaces of the scope, whether they are on or not, or the administration.
    fn places<'a>(&'a self, snapshot: &'a Snapshot) -> Vec<Place<'a>> {
        match &self.device {
            None => vec![],
            Some(Device::Gateway) => vec![Place::administration()],
            Some(Device::Named(name)) => {
                let one = |name: &Name| self.interface.as_ref().is_none_or(|only| only == name);
                let those = snapshot.interfaces(name).iter().filter(|found| one(&found.name));
                those.map(|found| Place::interface(name, found, BTreeMap::new())).collect()
            }
        }
    }

    /// Yields the actions of the scope that a place has.
    pub(super) fn actions(&self, place: &Place<'_>) -> impl Iterator<Item = Action> + use<> {
        let (only, all) = (self.action, place.protocol().actions());
        all.iter().copied().filter(move |action| only.is_none_or(|only| only == *action))
    }

    /// Returns the context by which conditions are checked, and whether conditions of time are, too.
    pub(super) fn context(&self, now: Timestamp) -> (Context, bool) {
        let mut circumstances = self.circumstances.clone();
        circumstances.source = circumstances.source.map(|source| source.to_canonical());
        let evidence = Evidence::default();
        (Context { now: self.at.unwrap_or(now), circumstances, evidence }, self.at.is_some())
    }
}

/// Returns the name of a declared interface.
fn declared(snapshot: &Snapshot, device: &Name, interface: &str) -> Result<Name, ReviewError> {
    let exact = interface.parse::<Name>().ok();
    exact.filter(|one| snapshot.interface(device, one).is_some()).ok_or_else(|| {
        let others = snapshot.interfaces(device).iter().map(|one| one.name.clone()).collect();
        let (device, interface) = (device.clone(), interface.to_owned());
        ReviewError::UnknownInterface { device, interface, others }
    })
}
