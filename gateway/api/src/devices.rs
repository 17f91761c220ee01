//! Requests about devices.

use doorward_model::{Group, Role, Title};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::few::few;
use crate::users::RoleGrant;

/// What a new device is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeviceAddition {
    /// Whether the gateway fronts it: it has no agent, so it gets no code.
    pub agentless: bool,
    /// What people call it.
    pub title: Option<Title>,
    /// The groups that it is put into.
    #[serde(deserialize_with = "few")]
    pub groups: Vec<Group>,
    /// The roles that it gets.
    #[serde(deserialize_with = "few")]
    pub roles: Vec<Role>,
    /// The instant at which these roles end; `None` for roles without an end.
    pub until: Option<Timestamp>,
    /// For how many seconds its code is good; an hour unless given.
    pub ttl_seconds: Option<u64>,
    /// Only says what would change.
    pub dry_run: bool,
}

/// What changes about a device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeviceChange {
    /// Enables or disables it.
    pub enabled: Option<bool>,
    /// The groups that it is put into.
    #[serde(deserialize_with = "few")]
    pub join: Vec<Group>,
    /// The groups that it is taken out of.
    #[serde(deserialize_with = "few")]
    pub leave: Vec<Group>,
    /// The roles that it gets.
    #[serde(deserialize_with = "few")]
    pub grant: Vec<RoleGrant>,
    /// The roles that it loses.
    #[serde(deserialize_with = "few")]
    pub take: Vec<Role>,
    /// What people call it from then on.
    pub title: Option<Title>,
    /// Takes the title away.
    pub remove_title: bool,
    /// Only says what would change.
    pub dry_run: bool,
}
