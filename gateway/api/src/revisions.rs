//! Proposed and former bundles.

use doorward_model::{Epoch, Revision};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::grants::{FirstOf, GrantChangesView};
use crate::problem::PolicyProblem;
use crate::sessions::EndingView;

/// A bundle that is proposed: files, or the number of a former revision. A file that is absent stays
/// as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BundleProposal {
    /// `model.conf`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// `policy.csv`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// `roles.csv`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles: Option<String>,
    /// `groups.csv`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<String>,
    /// `tests.toml`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tests: Option<String>,
    /// A former revision, in the place of files.
    pub revision: Option<Revision>,
    /// Why it is proposed, in the proposer's words; at most 256 bytes.
    pub reason: String,
    /// Within how many seconds it must be confirmed; otherwise the gateway goes back to the former.
    pub confirm_within: Option<u32>,
    /// From when on a replay looks at recorded decisions.
    pub since: Option<Timestamp>,
    /// Only says what would change.
    pub dry_run: bool,
    /// Applies it even if nobody could change the policy afterwards.
    pub force_lockout: bool,
}

impl BundleProposal {
    /// Returns whether it has a file, or the number of a former revision.
    #[must_use]
    pub fn proposes(&self) -> bool {
        let Self { model, policy, roles, groups, tests, revision, .. } = self;
        let files = [model, policy, roles, groups, tests];
        revision.is_some() || files.into_iter().any(Option::is_some)
    }
}

/// A bundle that reads and whose tests pass, and what it changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleApplied {
    /// Its number once it is in force; `None` for a dry run.
    pub revision: Option<Revision>,
    /// How many rules it has.
    pub rules: usize,
    /// How many tests of its own it passed: all.
    pub passed: usize,
    /// How many questions, made from its words, both judges have decided alike: all.
    pub examined: usize,
    /// Rules and links that it adds.
    pub added: FirstOf<String>,
    /// Rules and links that it removes.
    pub removed: FirstOf<String>,
    /// What subjects may do under it, and may not.
    #[serde(flatten)]
    pub changes: GrantChangesView,
    /// The live flows that it ends.
    pub ending: Vec<EndingView>,
    /// Rules that match nothing at the interfaces that they name.
    #[serde(default = "FirstOf::none")]
    pub warnings: FirstOf<PolicyProblem>,
    /// The number of the commit; absent for a dry run.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub epoch: Option<Epoch>,
    /// How many live flows the commit ended; absent for a dry run.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ended: Option<usize>,
}

/// The outcome of a bundle's tests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleTested {
    /// How many tests it has.
    pub tests: usize,
    /// Those that fail.
    pub failing: Vec<FailingTest>,
    /// Rules that match nothing at the interfaces that they name.
    #[serde(default = "FirstOf::none")]
    pub warnings: FirstOf<PolicyProblem>,
}

/// A test whose answer is not the expected one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailingTest {
    /// Its line in `tests.toml`.
    pub line: usize,
    /// Its question, in words.
    pub question: String,
    /// The expected answer and the answer.
    pub why: String,
    /// The lines of `policy.csv` that decided.
    pub rules: Vec<usize>,
}

/// A bundle that is or was in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionView {
    /// Its number.
    pub revision: Revision,
    /// When it came into force.
    pub at: Timestamp,
    /// Who put it in force.
    pub author: String,
    /// Why, in their words.
    pub reason: String,
    /// How many rules it has.
    pub rules: i64,
    /// How many tests it passed.
    pub passed: i64,
}

/// The text of a bundle that is or was in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionText {
    /// Its number.
    pub revision: Revision,
    /// When it came into force.
    pub at: Timestamp,
    /// Who put it in force.
    pub author: String,
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

/// A bundle that is undone unless somebody confirms it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnconfirmedView {
    /// The bundle in force.
    pub revision: Revision,
    /// The bundle that comes back.
    pub former: Revision,
    /// Until when it can be confirmed.
    pub until: Timestamp,
}
