//! Subjects, roles, groups and devices, and their immutable numbers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::name::{Name, NameError};
use crate::text::escape;

/// The kind of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A person.
    User,
    /// A device with interfaces; it may have a key of its own.
    Device,
    /// A Doorward gateway.
    Gateway,
}

impl Kind {
    /// Returns the word before the slash of a subject.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Device => "device",
            Self::Gateway => "gateway",
        }
    }
}

impl Kind {
    /// Returns the word and the slash before a subject's name.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::User => "user/",
            Self::Device => "device/",
            Self::Gateway => "gateway/",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A subject: `user/alice`, `device/thermostat-7`, `gateway/main`. The kind is part of it, so a
/// user and a device of the same name are two subjects.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject {
    kind: Kind,
    name: Name,
}

impl Subject {
    /// Returns the subject of that kind and name.
    #[must_use]
    pub fn new(kind: Kind, name: Name) -> Self {
        Self { kind, name }
    }

    /// Returns the kind of the subject.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the name without its kind.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }
}

/// Why a text is no subject, role, group or device.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SubjectError {
    /// The part before the slash is not expected here.
    #[error("'{}' does not begin with {expected}", escape(.text))]
    Kind {
        /// The text.
        text: String,
        /// What it may begin with.
        expected: &'static str,
    },
    /// The part after the slash is no name.
    #[error("'{}': {source}", escape(.text))]
    Name {
        /// The text.
        text: String,
        /// What is wrong with the name.
        source: NameError,
    },
}

fn name_of(whole: &str, name: &str) -> Result<Name, SubjectError> {
    name.parse().map_err(|source| SubjectError::Name { text: whole.to_owned(), source })
}

impl FromStr for Subject {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, SubjectError> {
        let kind = match text.split_once('/') {
            Some(("user", name)) => (Kind::User, name),
            Some(("device", name)) => (Kind::Device, name),
            Some(("gateway", name)) => (Kind::Gateway, name),
            _ => {
                return Err(SubjectError::Kind {
                    text: text.to_owned(),
                    expected: "user/, device/ or gateway/",
                });
            }
        };
        Ok(Self { kind: kind.0, name: name_of(text, kind.1)? })
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! prefixed_name {
    ($(#[$doc:meta])* $ty:ident, $prefix:literal, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $ty(Name);

        impl $ty {
            #[doc = concat!("The ", $expected, "… of that name.")]
            #[must_use]
            pub fn new(name: Name) -> Self {
                Self(name)
            }

            /// Returns the name without its prefix.
            #[must_use]
            pub fn name(&self) -> &Name {
                &self.0
            }

            #[doc = concat!("Reads `NAME` or `", $prefix, "NAME`, as commands take it.")]
            ///
            /// # Errors
            /// When what is left is no [`Name`].
            pub fn from_argument(text: &str) -> Result<Self, SubjectError> {
                let name = text.strip_prefix($prefix).unwrap_or(text);
                name_of(text, name).map(Self)
            }
        }

        impl FromStr for $ty {
            type Err = SubjectError;

            fn from_str(text: &str) -> Result<Self, SubjectError> {
                match text.strip_prefix($prefix) {
                    Some(name) => name_of(text, name).map(Self),
                    None => Err(SubjectError::Kind { text: text.to_owned(), expected: $expected }),
                }
            }
        }

        impl fmt::Display for $ty {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl fmt::Debug for $ty {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        crate::serde_as_text!($ty);
    };
}

prefixed_name! {
    /// A role: a named set of rights that subjects are members of, such as `role/operator`.
    Role, "role/", "role/"
}
prefixed_name! {
    /// A group: a named set of devices, such as `group/plant-a`.
    Group, "group/", "group/"
}

/// The device of a question: a device by its bare name, or the gateway itself with its
/// administration.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Device {
    /// The gateway's administration, written `gateway`.
    Gateway,
    /// A device, written by its bare name.
    Named(Name),
}

impl Device {
    /// Returns the device as rules write it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Gateway => "gateway",
            Self::Named(name) => name.as_str(),
        }
    }
}

impl FromStr for Device {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, SubjectError> {
        match text {
            "gateway" => Ok(Self::Gateway),
            name => name_of(text, name).map(Self::Named),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

crate::serde_as_text!(Subject, Device);

macro_rules! number {
    ($(#[$doc:meta])* $ty:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $ty(pub i64);

        impl fmt::Display for $ty {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// The immutable number of a subject's name. A name that is used again gets a new number.
    SubjectId
}
number! {
    /// The immutable number of a device's name, which is its subject's number.
    DeviceId
}
number! {
    /// The immutable number of a declaration of an interface. A new declaration gets a new number.
    InterfaceId
}

impl From<SubjectId> for DeviceId {
    fn from(subject: SubjectId) -> Self {
        Self(subject.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_its_kind_and_name() {
        let alice: Subject = "user/alice".parse().unwrap();
        assert_eq!((alice.kind(), alice.name().as_str()), (Kind::User, "alice"));
        assert_eq!(alice.to_string(), "user/alice");
        for no in ["alice", "role/owner", "user/", "user/a/b", "User/alice", "user/gateway", ""] {
            assert!(no.parse::<Subject>().is_err(), "{no}");
        }
    }

    #[test]
    fn roles_are_taken_with_or_without_prefix_on_the_command_line_only() {
        assert_eq!(Role::from_argument("operator").unwrap().to_string(), "role/operator");
        assert_eq!(Role::from_argument("role/operator").unwrap().to_string(), "role/operator");
        assert!("operator".parse::<Role>().is_err());
        assert!(Role::from_argument("group/plant").is_err());
    }
}
