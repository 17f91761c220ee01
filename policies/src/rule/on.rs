//! The device or group that a rule speaks of: the second column.

use std::fmt;

use doorward_model::{Device, Group};

use super::error::Reason;

/// The device or group that a rule speaks of.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum On {
    /// Every device of the group.
    Group(Group),
    /// One device, or the gateway itself.
    Device(Device),
}

impl On {
    /// Returns the group, if it is one.
    #[must_use]
    pub fn group(&self) -> Option<&Group> {
        match self {
            Self::Group(group) => Some(group),
            Self::Device(_) => None,
        }
    }
}

pub(super) fn read_on(text: &str) -> Result<On, Reason> {
    if text == "*" || text == "**" {
        return Err(Reason::EveryDevice);
    }
    if text.starts_with("group/") {
        return Ok(On::Group(text.parse()?));
    }
    match text.strip_prefix("device/") {
        Some(bare) => Err(Reason::DevicePrefix(bare.to_owned())),
        None => Ok(On::Device(text.parse()?)),
    }
}

impl fmt::Display for On {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(group) => group.fmt(f),
            Self::Device(device) => device.fmt(f),
        }
    }
}

impl fmt::Debug for On {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
