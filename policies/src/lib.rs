//! The policy engine: what a bundle says, and what follows from it for one question.
//!
//! A bundle of Casbin text is read into types of our own ([`Bundle::parse`]) and refused with
//! file, line and reason before Casbin sees it. A [`Snapshot`] is the immutable state of one
//! epoch: a bundle, the subjects, devices, interfaces and certificates. From it follows a
//! [`Decision`], by a compiled form of its rules (which also knows why, and until when) and by
//! casbin-rs itself on the candidate rules; both must permit.
//!
//! Invariants
//! - A [`Permit`] is made in this crate only, by [`Snapshot::decide`] and, for what that has
//!   admitted before, [`Snapshot::decide_again`].
//! - `decide` is pure: no clock, no I/O, and it waits for nobody (what threads remember of
//!   Casbin's slices and of `time=` changes no answer, and is left alone where another has it).
//!   The same snapshot, request and instant give the same answer.
//! - Nothing granted is nothing allowed; deny overrides; every error, and every panic caught,
//!   is a denial.
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
mod judge;
mod lines;
mod lint;
mod membership;
mod pattern;
mod preview;
mod question;
mod reach;
mod recent;
mod record;
mod replay;
mod rule;
mod sets;
mod shape;
mod shared;
mod snapshot;
mod supposed;
mod trial;
mod when;

pub use attributes::{AttributeError, Attributes};
pub use bench::Bench;
pub use bundle::{Asker, Bundle, BundleText, Difference, Expectation};
pub use cache::Cache;
pub use commit::{Commit, Observer, Touched};
pub use decision::{Decision, Denial, Opinion, Permit, Refusal};
pub use examine::{Differ, Examined};
pub use explain::{Explanation, Holder, Holding, Weighed};
pub use lines::Lines;
pub use lint::Finding;
pub use membership::Membership;
pub use pattern::{Pattern, PatternError};
pub use preview::{Listed, Pair, Preview};
pub use question::{Context, Question, Request};
pub use record::{
    Bound, Class, Closing, Door, Event, Journal, JournalError, Opening, Outcome, Party, Record,
    WithoutRoom, Written,
};
pub use replay::{Differing, Replay, Replayed};
pub use rule::{Acts, BundleError, BundleErrors, Effect, On, Reason, Rule, TestError, Who};
pub use sets::{SetBench, SetShape};
pub use shape::Shape;
pub use snapshot::{Certificate, Interface, Member, Snapshot};
pub use supposed::Supposed;
pub use trial::Failing;
pub use when::{Seen, Truth, When, WhenError};
