//! The gateway's domain, and the host names of interfaces.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

use crate::name::Name;
use crate::subject::Device;
use crate::text::escape;

/// The gateway's domain: the DNS suffix of every interface's host name, and the trust domain of
/// every SPIFFE ID. It has at least two labels in lower case, and never changes after the first
/// start.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Domain(Arc<str>);

/// Why a text is no [`Domain`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DomainError {
    /// It has fewer than two labels.
    #[error("'{}' has one label; a domain needs two, such as home.arpa", escape(.0))]
    OneLabel(String),
    /// It is too long to follow an interface's label.
    #[error("the domain is longer than {} characters", Domain::LIMIT)]
    TooLong,
    /// A label is no label of a host name (RFC 1123 section 2.1).
    #[error("'{}' is no label: 1 to 63 of a-z, 0-9 and inner hyphens", escape(.0))]
    Label(String),
}

impl Domain {
    /// The longest domain, in bytes. A host name has at most 253, of which an interface's label and
    /// dot take 64.
    pub const LIMIT: usize = 189;

    /// Returns the domain as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the host name of an interface: `<interface>--<device>.<domain>`.
    #[must_use]
    pub fn door(&self, door: &DoorName) -> String {
        format!("{door}.{}", self.0)
    }

    /// Returns the name that one certificate carries for all interfaces: `*.<domain>`.
    #[must_use]
    pub fn wildcard(&self) -> String {
        format!("*.{}", self.0)
    }

    /// Reads a host name of this domain, or its first label alone. DNS names are compared without
    /// regard to case (RFC 4343).
    #[must_use]
    pub fn read_door(&self, host: &str) -> Option<DoorName> {
        let host = host.to_ascii_lowercase();
        let label = match host.strip_suffix(self.as_str()) {
            Some(front) => front.strip_suffix('.')?,
            None => &host,
        };
        label.parse().ok()
    }
}

impl FromStr for Domain {
    type Err = DomainError;

    fn from_str(text: &str) -> Result<Self, DomainError> {
        if text.len() > Self::LIMIT {
            return Err(DomainError::TooLong);
        }
        for label in text.split('.') {
            let letters = label.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
            let hyphen = label.starts_with('-') || label.ends_with('-');
            if label.is_empty() || label.len() > 63 || !letters || hyphen {
                return Err(DomainError::Label(label.to_owned()));
            }
        }
        if !text.contains('.') {
            return Err(DomainError::OneLabel(text.to_owned()));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

crate::serde_as_text!(Domain);

/// The DNS label of one interface: `<interface>--<device>`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DoorName {
    /// The interface's name.
    pub interface: Name,
    /// The device that has it.
    pub device: Device,
}

impl FromStr for DoorName {
    type Err = ();

    fn from_str(label: &str) -> Result<Self, ()> {
        // Names contain no `--`, so there is only one.
        let (interface, device) = label.split_once("--").ok_or(())?;
        Ok(Self {
            interface: interface.parse().map_err(|_| ())?,
            device: device.parse().map_err(|_| ())?,
        })
    }
}

impl DoorName {
    /// Reads `DEVICE/INTERFACE`, the form that people and the SDK use.
    #[must_use]
    pub fn of_path(text: &str) -> Option<Self> {
        let (device, interface) = text.split_once('/')?;
        Some(Self { interface: interface.parse().ok()?, device: device.parse().ok()? })
    }

    /// Returns `DEVICE/INTERFACE`, as [`of_path`](Self::of_path) reads it.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/{}", self.device, self.interface)
    }
}

impl fmt::Display for DoorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}--{}", self.interface, self.device)
    }
}

impl fmt::Debug for DoorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_door_is_one_label_of_the_domain() {
        let domain: Domain = "doorward.home.arpa".parse().unwrap();
        let door = domain.read_door("HTTP--thermostat-7.doorward.home.arpa").unwrap();
        assert_eq!(door.to_string(), "http--thermostat-7");
        assert_eq!(domain.door(&door), "http--thermostat-7.doorward.home.arpa");
        assert_eq!(domain.read_door("http--thermostat-7"), Some(door));
        for no in [
            "",
            "doorward.home.arpa",
            "http.doorward.home.arpa",
            "a.http--t.doorward.home.arpa",
            "http--tdoorward.home.arpa",
            "http--t.example.org",
            "http--t--u.doorward.home.arpa",
            "xn--t.doorward.home.arpa",
            "10.0.0.1",
        ] {
            assert_eq!(domain.read_door(no), None, "{no}");
        }
    }

    #[test]
    fn a_domain_has_two_labels_of_a_host_name() {
        for no in ["", "home", "home.", ".arpa", "Home.arpa", "a_b.arpa", "-a.arpa", "a b.arpa"] {
            assert!(no.parse::<Domain>().is_err(), "{no:?}");
        }
        assert!(format!("{}.arpa", "a".repeat(63)).parse::<Domain>().is_ok());
        assert!(format!("{}.arpa", "a".repeat(64)).parse::<Domain>().is_err());
    }
}
