//! Why a review cannot begin.

use doorward_model::{Action, Name, PathError, Protocol, SubjectError, escape};
use thiserror::Error;

use crate::pattern::PatternError;

/// Why a review cannot begin: the reviewer names something that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReviewError {
    /// The device's name is no name.
    #[error(transparent)]
    Name(#[from] SubjectError),
    /// There is no such device.
    #[error("there is no device {0}")]
    UnknownDevice(Name),
    /// The device has no such interface.
    #[error("{device} has no interface {}; it has {}", escape(.interface), or_none(.others))]
    UnknownInterface {
        /// The device.
        device: Name,
        /// The name that was asked for.
        interface: String,
        /// The interfaces of the device.
        others: Vec<Name>,
    },
    /// The protocol of the interface, or of each interface of the device, does not have the action.
    #[error("{place} has no action {action}: {}", each_protocol(.has))]
    NotAnAction {
        /// The device or interface.
        place: String,
        /// The action that was asked for.
        action: Action,
        /// The protocols there.
        has: Vec<Protocol>,
    },
    /// The path does not have the protocol's form.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Nothing can be done that such a pattern names.
    #[error("no operation there has a path like {}", escape(.0))]
    Nowhere(String),
    /// No request has such a path.
    #[error("{0}")]
    Never(String),
    /// The path has wildcards, but is no pattern.
    #[error(transparent)]
    Pattern(#[from] PatternError),
}

fn or_none(names: &[Name]) -> String {
    if names.is_empty() { "none".to_owned() } else { joined(names) }
}

fn each_protocol(protocols: &[Protocol]) -> String {
    if protocols.is_empty() {
        return "it has no interface".to_owned();
    }
    let one = |protocol: &Protocol| format!("{protocol} has {}", joined(protocol.actions()));
    protocols.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn joined<T: ToString>(all: &[T]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
