//! Interfaces of devices.

use doorward_model::{Device, Name};
use serde::{Deserialize, Serialize};

use crate::few::few;

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
    /// Only says what would change.
    #[serde(default)]
    pub dry_run: bool,
}

/// What changes about an interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InterfaceChange {
    /// Enables or disables it.
    pub enabled: Option<bool>,
    /// Where it leads from then on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The network that it is declared in from then on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<Name>,
    /// Options of the URL, as `KEY=VALUE`. They replace the values that these options have.
    #[serde(deserialize_with = "few", skip_serializing_if = "Vec::is_empty")]
    pub set_options: Vec<String>,
    /// Options that the URL has no more.
    #[serde(deserialize_with = "few", skip_serializing_if = "Vec::is_empty")]
    pub remove_options: Vec<String>,
    /// Only says what would change.
    pub dry_run: bool,
}

/// What changing an interface answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceChanged {
    /// Whether anything is different now.
    pub changed: bool,
    /// Where it leads now.
    pub url: String,
    /// The network that it is declared in now.
    pub network: Option<Name>,
    /// What may have been overlooked.
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
