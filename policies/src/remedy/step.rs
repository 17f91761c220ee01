//! One step of a remedy.

use std::fmt;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::Serialize;

/// One step of a [`Remedy`](super::Remedy).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Step {
    /// Ask again at this instant: the rules permit it then.
    Wait {
        /// The instant.
        until: Timestamp,
        /// The line of `policy.csv` that allows it then.
        line: usize,
    },
    /// Connect again, by a full handshake.
    Handshake {
        /// The line of `policy.csv` that asks for a recent one.
        line: usize,
        /// Whether the question said how old the last handshake is.
        known: bool,
    },
    /// Ask from one of these networks.
    AskFrom {
        /// The networks, as the rule writes them.
        networks: String,
        /// An address of them from which it is permitted. Other rules may deny it from others.
        address: IpAddr,
        /// The line of `policy.csv` that asks for them.
        line: usize,
    },
    /// Run a command.
    Run {
        /// The command.
        command: String,
    },
    /// Add a rule to `policy.csv`.
    AddRule {
        /// The rule.
        rule: String,
    },
}

impl Step {
    pub(super) fn run(command: String) -> Self {
        Self::Run { command }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wait { until, line } => {
                write!(f, "wait until {until}: policy.csv:{line} allows it then")
            }
            Self::Handshake { line, known: true } => {
                write!(f, "connect again: the last full handshake is too old for policy.csv:{line}")
            }
            Self::Handshake { line, known: false } => write!(
                f,
                "say how old the last full handshake is, by --attr auth-age=TIME: \
                 policy.csv:{line} asks for it"
            ),
            Self::AskFrom { networks, address, line } => write!(
                f,
                "ask from {networks}, such as {address}: policy.csv:{line} allows it only from \
                 there"
            ),
            Self::Run { command } => f.write_str(command),
            Self::AddRule { rule } => write!(f, "add to policy.csv: {rule}"),
        }
    }
}
