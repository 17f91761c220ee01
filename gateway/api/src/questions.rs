//! Questions that look at the whole policy: explain, who-can, what-can, lint, replay.

use std::collections::BTreeMap;
use std::net::IpAddr;

use doorward_model::{Action, Group, Role, Subject};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::policies::CheckedOpinion;
use crate::remedies::RemedyView;

/// Asks who may do something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhoCanRequest {
    /// What is to be done; any action unless given.
    #[serde(default)]
    pub action: Option<Action>,
    /// On what: a device (`plc-3`), an interface of it (`plc-3/modbus`), an operation
    /// (`plc-3/modbus/1/holding/0-9`), a pattern (`plc-3/modbus/1/**`), or the same of `gateway`.
    pub resource: String,
    /// The instant at which they ask. Grants whose conditions of time then fail are left out.
    #[serde(default)]
    pub at: Option<Timestamp>,
    /// The address that they ask from. Grants whose conditions then fail are left out.
    #[serde(default)]
    pub from: Option<IpAddr>,
    /// Attributes that conditions look at, such as `auth-age`.
    #[serde(default)]
    pub attrs: BTreeMap<String, String>,
}

/// Asks what a subject may do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhatCanRequest {
    /// The subject.
    pub subject: Subject,
    /// One action; all unless given.
    #[serde(default)]
    pub action: Option<Action>,
    /// A device or a part of it, as in [`WhoCanRequest::resource`]; everything unless given.
    #[serde(default)]
    pub resource: Option<String>,
    /// The instant at which it asks. Grants whose conditions of time then fail are left out.
    #[serde(default)]
    pub at: Option<Timestamp>,
    /// The address that it asks from. Grants whose conditions then fail are left out.
    #[serde(default)]
    pub from: Option<IpAddr>,
    /// Attributes that conditions look at, such as `auth-age`.
    #[serde(default)]
    pub attrs: BTreeMap<String, String>,
}

/// Asks why the policy permits or refuses something, and what would change that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplainRequest {
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
    /// When the proposed rule or membership is to end; it does not end by itself unless given.
    #[serde(default)]
    pub until: Option<Timestamp>,
}

/// Why an answer is what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplanationView {
    /// Whether the policy permits it.
    pub permit: bool,
    /// The grounds.
    #[serde(flatten)]
    pub opinion: CheckedOpinion,
    /// The reason in words.
    pub why: String,
    /// The roles of the subject, with all that they lead to.
    pub roles: Vec<Role>,
    /// The groups of the device, with all that they lead to.
    pub groups: Vec<Group>,
    /// The rules that decided.
    pub decided: Vec<WeighedRule>,
    /// For a denial, the allow rules that come nearest, the nearest first.
    pub nearest: Vec<WeighedRule>,
    /// For a denial, the ways to permit it, the narrowest first.
    pub remedies: Vec<RemedyView>,
    /// For a denial, the first of `remedies` in words, or what else there is to do.
    pub change: Option<String>,
}

/// A rule, compared with a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeighedRule {
    /// Its line in `policy.csv`.
    pub line: usize,
    /// Its text.
    pub text: String,
    /// The parts that do not match the question: `who`, `device`, `path`, `action`, `when`.
    pub failed: Vec<String>,
    /// Its conditions.
    pub conditions: Vec<ConditionView>,
}

/// A condition of a rule, and what it was compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConditionView {
    /// The condition, as the rule writes it.
    pub condition: String,
    /// What it was compared with.
    pub saw: String,
    /// Whether it holds; `None` if that is not known.
    pub holds: Option<bool>,
}

/// A rule that deserves a look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingView {
    /// Its line in `policy.csv`.
    pub line: usize,
    /// The rule.
    pub rule: String,
    /// The kind of finding: `shadowed`, `never`, `unused`, `everyone`, `operand` or `alias`.
    pub kind: String,
    /// The finding in words.
    pub what: String,
}

/// Recorded decisions, decided again under a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayView {
    /// How many decisions were decided again.
    pub decisions: u64,
    /// How many were left out because they were not about the rules.
    pub left_out: u64,
    /// How many depend on the age of a handshake, which is not on record.
    pub unknown: u64,
    /// Decisions that come out differently, the most frequent first.
    pub differing: Vec<DifferingView>,
    /// How many kinds of them there are; `differing` has the first.
    pub kinds: usize,
}

/// Decisions of one kind that come out differently under a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DifferingView {
    /// Who asked.
    pub subject: Subject,
    /// What they wanted to do.
    pub action: Action,
    /// On what.
    pub resource: String,
    /// Whether it was permitted then.
    pub was_permitted: bool,
    /// Whether the bundle permits it.
    pub is_permitted: bool,
    /// The lines of the bundle's `policy.csv` that decide.
    pub rules: Vec<usize>,
    /// How often it was asked.
    pub count: u64,
    /// When it was asked last.
    pub last: Timestamp,
}
