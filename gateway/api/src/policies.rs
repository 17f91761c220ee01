//! The bundle in force, and single questions to it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use doorward_model::{Action, Epoch, Revision, Subject};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The bundle in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleView {
    /// Its number.
    pub revision: Revision,
    /// Since when it is in force.
    pub at: Timestamp,
    /// Who put it in force.
    pub author: String,
    /// How many rules it has.
    pub rules: usize,
    /// `model.conf`.
    pub model: String,
    /// `policy.csv`.
    pub policy: String,
    /// `roles.csv`.
    pub roles: String,
    /// `groups.csv`.
    pub groups: String,
    /// `tests.toml`.
    pub tests: String,
}

/// A question to the policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckRequest {
    /// Who asks.
    pub subject: Subject,
    /// What they want to do.
    pub action: Action,
    /// On what: the device, a slash, and the path.
    pub resource: String,
    /// The instant of the question; the present unless given.
    #[serde(default)]
    pub at: Option<Timestamp>,
    /// The address that they ask from.
    #[serde(default)]
    pub from: Option<IpAddr>,
    /// Attributes that conditions look at, such as `auth-age`.
    #[serde(default)]
    pub attrs: BTreeMap<String, String>,
}

/// The grounds of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedOpinion {
    /// Why it is denied, in a word; `None` for a permit.
    pub refusal: Option<String>,
    /// Lines of `policy.csv` that decided. Of very many, some.
    pub rules: Vec<usize>,
    /// The bundle that decided.
    pub revision: Revision,
    /// The state that decided.
    pub epoch: Epoch,
    /// The first instant after the present at which time alone could change the answer.
    pub ask_again_at: Option<Timestamp>,
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckAnswer {
    /// Whether the policy permits it.
    pub permit: bool,
    /// The grounds.
    #[serde(flatten)]
    pub opinion: CheckedOpinion,
    /// The reason in words.
    pub why: String,
    /// The rules that decided, as they stand in `policy.csv`.
    pub text: Vec<String>,
}
