//! What would make the policy permit a refused question.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::grants::{FirstOf, GrantView};

/// A way to make the policy permit a refused question. The gateway has tried it on a copy of its
/// state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemedyView {
    /// All of it in one line of words.
    pub text: String,
    /// What to do, in order.
    pub steps: Vec<StepView>,
    /// What subjects may do after the steps and not before.
    pub opens: FirstOf<GrantView>,
    /// Whether the steps open more than what was asked.
    pub opens_more: bool,
    /// Whether all subjects were compared for `opens`. Of very many, only the first are.
    pub complete: bool,
    /// Whether the question is permitted after the steps. Otherwise, ask again after them.
    pub enough: bool,
}

/// One step of a remedy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum StepView {
    /// Ask again at an instant.
    Wait {
        /// The instant.
        until: Timestamp,
    },
    /// Connect again, by a full handshake.
    Handshake,
    /// Ask from one of these networks.
    AskFrom {
        /// The networks.
        networks: String,
        /// An address of them from which it is permitted. Other rules may deny it from others.
        address: IpAddr,
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
