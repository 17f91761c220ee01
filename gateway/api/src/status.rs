//! The state of the gateway.

use doorward_model::{Domain, Epoch, Fingerprint, Revision, Subject};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The state of the gateway at one instant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusView {
    /// The gateway.
    pub gateway: Subject,
    /// Its domain.
    pub domain: Domain,
    /// The version of its program.
    pub version: String,
    /// `ok`, or `degraded` while there is a condition.
    pub state: String,
    /// What needs a person.
    pub conditions: Vec<ConditionReport>,
    /// The instant of this answer.
    pub time: Timestamp,
    /// Whether it has an owner.
    pub claimed: bool,
    /// The number of the last commit.
    pub epoch: Epoch,
    /// The bundle in force.
    pub revision: Revision,
    /// How many rules that bundle has.
    pub rules: usize,
    /// How many sessions are live.
    pub sessions: usize,
    /// How many flows are live.
    pub flows: usize,
    /// How many connections to backends have no lease: always 0.
    pub untracked: usize,
    /// What the referee of decisions has done.
    pub referee: RefereeView,
    /// Lines of `policy.csv` that permit nothing, because the judges differed about them.
    pub suspended: Vec<usize>,
    /// The number of the last audit record.
    pub audit_records: i64,
    /// How many bytes the audit log takes.
    pub audit_bytes: u64,
    /// The SHA-256 of the trust anchor.
    pub anchor: Fingerprint,
    /// When the issuing certificate ends.
    pub authority_until: Timestamp,
    /// Every limit.
    pub limits: Vec<LimitView>,
}

/// One thing that needs a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConditionReport {
    /// What it is about, in a word.
    pub about: String,
    /// What is wrong, and what to do.
    pub detail: String,
}

/// What the referee has done since the gateway started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefereeView {
    /// Decisions that it has made again.
    pub decided: u64,
    /// Decisions about which it differs.
    pub differed: u64,
    /// Decisions that it had no time for, or that too many rules bear on.
    pub skipped: u64,
}

/// One limit, and how much of it is in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitView {
    /// What is limited.
    pub what: String,
    /// The unit: `places`, `bytes` or `in a second`.
    pub unit: String,
    /// The total.
    pub total: u64,
    /// The most that one party may have.
    pub share: u64,
    /// Who a party is: `network`, `subject`, or `party`, which is either.
    pub each: String,
    /// What is kept for parties that hold few, or for networks that known subjects came from.
    pub kept: u64,
    /// What is kept for administration.
    pub administration: u64,
    /// How much is in use; `None` for rates.
    pub in_use: Option<u64>,
    /// The setting of the configuration that changes it, if there is one.
    pub setting: Option<String>,
    /// Where the total comes from: `configuration`, `usual` or `machine`.
    pub from: String,
}
