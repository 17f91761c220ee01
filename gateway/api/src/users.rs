//! Requests about people.

use doorward_model::{Role, Title};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::few::few;

/// What a new person is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UserAddition {
    /// What people call them.
    pub title: Option<Title>,
    /// The roles that they get.
    #[serde(deserialize_with = "few")]
    pub roles: Vec<Role>,
    /// The instant at which these roles end; `None` for roles without an end.
    pub until: Option<Timestamp>,
    /// For how many seconds their code is good; an hour unless given.
    pub ttl_seconds: Option<u64>,
    /// Only says what would change.
    pub dry_run: bool,
}

/// What changes about a person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UserChange {
    /// Enables or disables them.
    pub enabled: Option<bool>,
    /// The roles that they get.
    #[serde(deserialize_with = "few")]
    pub grant: Vec<RoleGrant>,
    /// The roles that they lose.
    #[serde(deserialize_with = "few")]
    pub take: Vec<Role>,
    /// What people call them from then on.
    pub title: Option<Title>,
    /// Takes the title away.
    pub remove_title: bool,
    /// Only says what would change.
    pub dry_run: bool,
    /// Makes the change even if nobody could change the policy afterwards.
    pub force_lockout: bool,
}

/// A role that a person or a device gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleGrant {
    /// The role.
    pub role: Role,
    /// The instant at which it ends; `None` for a role without an end.
    #[serde(default)]
    pub until: Option<Timestamp>,
}
