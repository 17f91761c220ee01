//! Where rules grant something: an interface of a device, or the administration.

use std::collections::BTreeMap;

use doorward_model::{Action, Device, Group, Inspected, Name, OperandForm, Path, Protocol, Target};

use super::naming::{Naming, OtherNames};
use super::reached::Reached;
use crate::operations::{InterfaceOperations, Matched};
use crate::pattern::{Numbers, Pattern};
use crate::rule::Effect;
use crate::snapshot::Interface;

/// An interface that is on, or the administration.
pub(super) struct Place<'a> {
    pub(super) device: Device,
    /// `None` for the administration.
    pub(super) interface: Option<(&'a Name, &'a Target)>,
    /// The groups of the device, with the end of each.
    pub(super) groups: BTreeMap<Group, Reached<Group>>,
}

impl<'a> Place<'a> {
    /// Returns the administration.
    pub(super) fn administration() -> Self {
        Self { device: Device::Gateway, interface: None, groups: BTreeMap::new() }
    }

    /// Returns an interface of a device in these groups.
    pub(super) fn interface(
        device: &Name,
        interface: &'a Interface,
        groups: BTreeMap<Group, Reached<Group>>,
    ) -> Self {
        let interface = Some((&interface.name, &interface.target));
        Self { device: Device::Named(device.clone()), interface, groups }
    }

    /// Returns how the place is written: `plc-3/modbus`, or `gateway`.
    pub(super) fn name(&self) -> String {
        match self.interface {
            Some((name, _)) => format!("{}/{name}", self.device),
            None => self.device.to_string(),
        }
    }

    pub(super) fn protocol(&self) -> Protocol {
        self.operations().protocol()
    }

    /// Returns the pattern of what follows the interface's name, if a rule with this path speaks of
    /// this place.
    pub(super) fn operand(&self, path: &Pattern) -> Option<Pattern> {
        match self.interface {
            Some((name, _)) => path.names(name.as_str()).then(|| path.operand()),
            None => Some(path.clone()),
        }
    }

    /// Returns the pattern of what follows the interface's name, if an allow rule with this path can
    /// match a question with that action.
    pub(super) fn granted(&self, path: &Pattern, action: Action) -> Option<Pattern> {
        let operand = self.operand(path)?;
        if self.interface.is_none() {
            return Some(operand);
        }
        let fits = self.operations().matched(path, action, Effect::Allow) == Matched::Operations;
        fits.then(|| if self.is_whole(action) { Pattern::nothing() } else { operand })
    }

    /// Returns why no request has a path of these segments; `None` stands for `*`.
    pub(super) fn never(&self, path: &[Option<&str>]) -> Option<String> {
        self.operations().never(path)
    }

    fn operations(&self) -> InterfaceOperations<'a> {
        match self.interface {
            Some((_, target)) => InterfaceOperations::at(target),
            None => InterfaceOperations::administration(),
        }
    }

    /// Returns the other names under which the device may read a path.
    pub(super) fn aliases(&self, path: &Path) -> Vec<Path> {
        self.inspected().map_or_else(Vec::new, |inspected| inspected.aliases(path))
    }

    /// Returns how operations are named here.
    pub(super) fn naming(&self) -> Naming {
        let others = match self.inspected() {
            Some(one)
                if one.http().is_some_and(|http| !http.exact_paths && http.operand.is_none()) =>
            {
                OtherNames::Readings
            }
            Some(one) if one.has_aliases() => OtherNames::Any,
            Some(_) | None => OtherNames::None,
        };
        Naming { numbers: self.numbers(), others }
    }

    /// Returns how the protocol reads segments that are written as numbers.
    fn numbers(&self) -> Numbers {
        match self.protocol().operand() {
            OperandForm::Addresses => Numbers::Ranges,
            OperandForm::Nothing
            | OperandForm::Parts
            | OperandForm::HttpPath
            | OperandForm::CoapPath
            | OperandForm::Topic => Numbers::Text,
        }
    }

    /// Returns whether the same operations have the same names at both places.
    pub(super) fn names_like(&self, other: &Place<'_>) -> bool {
        let names = |operations: InterfaceOperations<'_>| {
            (operations.protocol(), operations.decided().cloned())
        };
        names(self.operations()) == names(other.operations())
    }

    /// Returns whether the devices at both places may read operations under the same other names.
    pub(super) fn reads_like(&self, other: &Place<'_>) -> bool {
        let reads = |place: &Place<'_>| {
            let inspected = place.inspected();
            let exact = inspected.and_then(Inspected::http).map(|http| http.exact_paths);
            let options = inspected.and_then(Inspected::modbus);
            (options.map(|options| (options.any_unit, options.aliased_tables)), exact)
        };
        reads(self) == reads(other)
    }

    fn inspected(&self) -> Option<&'a Inspected> {
        self.interface?.1.inspected()
    }

    /// Returns whether nothing follows the interface's name in a question with that action.
    pub(super) fn is_whole(&self, action: Action) -> bool {
        self.operations().is_whole(action)
    }

    /// Returns whether some operand of that action has the pattern's shape.
    pub(super) fn fits(&self, operand: &Pattern, action: Action) -> bool {
        self.operations().fit(operand, action, Effect::Allow) == Matched::Operations
    }
}
