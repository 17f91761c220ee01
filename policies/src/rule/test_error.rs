//! Why a test of `tests.toml` cannot be read.

use doorward_model::{Action, Protocol};
use thiserror::Error;

use crate::attributes::AttributeError;

/// Why a `[[test]]` cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TestError {
    /// The file is no TOML, or has a key that no test has.
    #[error("{0}")]
    Toml(String),
    /// `expect` is neither `permit` nor `deny`.
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
    /// `attrs` has a name that no condition asks for.
    #[error("attrs: {0}")]
    Attributes(#[from] AttributeError),
    /// `protocol` is no protocol.
    #[error("protocol: {0}")]
    Protocol(String),
    /// `protocol` is `administration` for a device, or another protocol for the gateway.
    #[error("protocol: administration is spoken by the gateway alone, and nothing else is")]
    Administration,
    /// The interface's protocol has no such action.
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
