//! The policy engine: reads bundles, and decides questions by them.
//!
//! [`Bundle::parse`] reads a bundle of Casbin text into Doorward's own types. It refuses a wrong
//! bundle with file, line and reason before Casbin sees it. A [`Snapshot`] is the immutable state
//! of one epoch: a bundle, the subjects, devices, interfaces and certificates. A [`Decision`]
//! follows from it by two judges. The compiled form of the rules also knows why, and until when;
//! casbin-rs gets only the rules that bear on the question. Both must permit.
//!
//! Invariants
//! - Only this crate makes a [`Permit`]: in [`Snapshot::decide`] and, for requests that were
//!   admitted before, in [`Snapshot::decide_again`].
//! - `decide` is pure: it uses no clock and no I/O, and waits for nobody. Threads remember Casbin's
//!   slices and results of `time=`; that changes no answer, and a thread skips what another one is
//!   using. The same snapshot, request and instant give the same answer.
//! - Nothing is allowed unless a rule allows it, and a deny rule overrides. Every error, and every
//!   panic that is caught, is a denial.
//! - Casbin's `Enforcer` never leaves `judge`.
//!
//! This crate must never know: sockets, files, the database, TLS, HTTP.

mod answer;
mod attributes;
mod bench;
mod bundle;
mod cache;
mod commit;
mod compiled;
mod decision;
mod examine;
mod explain;
#[cfg(test)]
mod fixture;
mod generate;
mod grants;
mod judge;
mod later;
mod lines;
mod lint;
mod listed;
mod membership;
mod mismatch;
mod operations;
mod pattern;
mod preview;
mod proof;
mod question;
mod reach;
mod recent;
mod record;
mod remedy;
mod replay;
mod request;
mod resolved;
mod rule;
mod rule_use;
mod sets;
mod shape;
mod shared;
mod snapshot;
mod supposed;
mod trial;
mod weigh;
mod when;
#[cfg(test)]
mod worlds;

pub use attributes::{AttributeError, Attributes};
pub use bench::Bench;
pub use bundle::{Asker, Bundle, BundleText, Difference, Expectation};
pub use cache::Cache;
pub use commit::{Commit, Observer, Touched};
pub use decision::{Decision, Denial, Opinion, Permit, PermittedTarget, Refusal};
pub use examine::{Differ, Examined};
pub use explain::Explanation;
pub use grants::{Exclusion, Grant, GrantChanges, Narrowed, Review, ReviewError, ReviewScope};
pub use lines::RuleLines;
pub use lint::Finding;
pub use listed::Listed;
pub use membership::{Member, Membership};
pub use mismatch::Mismatches;
pub use pattern::{Pattern, PatternError};
pub use preview::Preview;
pub use proof::{Proof, Standing};
pub use question::{Circumstances, Context, Evidence, Question};
pub use record::{
    Bound, Class, Closing, Door, Event, Journal, JournalError, Opening, Outcome, Party, Record,
    WithoutRoom, Written,
};
pub use remedy::{Remedy, Step};
pub use replay::{Differing, Replay, Replayed};
pub use request::Request;
pub use rule::{Acts, BundleError, BundleErrors, Effect, On, Reason, Rule, TestError, Who};
pub use rule_use::RuleUse;
pub use sets::{SetBench, SetShape};
pub use shape::Shape;
pub use snapshot::{Certificate, Interface, Snapshot};
pub use supposed::Supposed;
pub use trial::Failing;
pub use weigh::Weighed;
pub use when::{Seen, Truth, When, WhenError};
