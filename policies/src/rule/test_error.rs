//! Why a test of `tests.toml` cannot be read.

use doorward_model::{Action, Protocol};
use thiserror::Error;

use crate::attributes::AttributeError;

/// Why a `[[test]]` does not read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TestError {
    /// Not TOML, or a key that no test has.
    #[error("{0}")]
    Toml(String),
    /// `expect` says something else.
    #[error("expect is \"permit\" or \"deny\"")]
    Expect,
    /// `resource` is no `DEVICE/PATH`.
    #[error("resource: {0}")]
    Resource(String),
    /// `at` is no instant.
    #[error("at: an instant is RFC 3339 with an offset, such as 2027-01-01T18:00:00+01:00")]
    At,
    /// `from` is no address.
    #[error("from: an address is written like 192.168.1.20 or fd00::20")]
    From,
    /// `attrs` supposes what no condition asks about.
    #[error("attrs: {0}")]
    Attributes(#[from] AttributeError),
    /// `protocol` is the name of none.
    #[error("protocol: {0}")]
    Protocol(String),
    /// `protocol` on the wrong side of the line between devices and the administration.
    #[error("protocol: administration is spoken by the gateway alone, and nothing else is")]
    Administration,
    /// `action` cannot be asked for at such an interface, so the answer would mean nothing.
    #[error("'{action}' is no action of {protocol}; its actions are {}", listed(protocol.actions()))]
    Foreign {
        /// The action.
        action: Action,
        /// The protocol.
        protocol: Protocol,
    },
    /// `rule` is no line number.
    #[error("rule is the number of a line of policy.csv")]
    Rule,
}

fn listed(actions: &[Action]) -> String {
    actions.iter().map(|action| action.as_str()).collect::<Vec<_>>().join(" ")
}
