//! Interfaces of devices.

use doorward_model::{Device, Name};
use serde::{Deserialize, Serialize};

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceView {
    /// Its device.
    pub device: Device,
    /// Its name.
    pub name: Name,
    /// Where it leads, as it was declared.
    pub url: String,
    /// The protocol that is decided on.
    pub protocol: String,
    /// The network that it was declared in. `None` if no network leads to it, or if it was declared
    /// before networks had names.
    pub network: Option<Name>,
    /// Whether it is enabled.
    pub enabled: bool,
    /// The host name that clients reach it by.
    pub host: String,
    /// What may have been overlooked when it was declared.
    pub warnings: Vec<String>,
}

/// A new interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InterfaceAddition {
    /// Where it leads, such as `tcp://192.168.1.7:22`.
    pub url: String,
    /// The network that it is declared in. The gateway finds it out if it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Name>,
}

/// What changes about an interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InterfaceChange {
    /// Enables or disables it.
    pub enabled: bool,
}

/// What changing an interface answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceChanged {
    /// What may have been overlooked.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// What declaring an interface answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceDeclared {
    /// The host name that clients reach it by.
    pub host: String,
    /// The network that it was declared in.
    pub network: Option<Name>,
    /// What may have been overlooked.
    pub warnings: Vec<String>,
}
