//! The administration's API as data: which requests there are, what each takes and answers, and
//! how it refuses. The gateway serves these types, and the commands speak them, so that the two
//! cannot disagree about a name: one that is renamed on one side does not compile on the other.
//!
//! Invariants
//! - Every request is one row of [`Route::ALL`], made by one macro together with its
//!   [`Endpoint`]: method, path, listeners, access, operation, types and summary stand in one place.
//! - Requests of administrators refuse members that they do not know. Answers, and what devices send
//!   to enrol and renew, may grow: readers skip such members.
//! - A list is a [`List`], and a refusal is a [`ProblemDocument`] whose type is one of [`ProblemKind`].
//!
//! This crate must never know: how a request is served, sockets, the database, the policy engine.

pub mod endpoint;

mod authority;
mod change;
mod devices;
mod enrolment;
mod few;
mod grants;
mod interfaces;
mod list;
mod policies;
mod problem;
mod questions;
mod revisions;
mod route;
mod sessions;
mod status;
mod subjects;
mod users;

pub use authority::{AuthorityCertificate, AuthorityView};
pub use change::{Changed, Nothing};
pub use devices::{DeviceAddition, DeviceChange};
pub use enrolment::{IssuedIdentity, LiveIdentity, RecoverRequest, RedeemRequest, RenewRequest};
pub use grants::{ExclusionView, FirstOf, GrantChangesView, GrantView, NarrowedView};
pub use interfaces::{
    InterfaceAddition, InterfaceChange, InterfaceChanged, InterfaceDeclared, InterfaceView,
};
pub use list::{LARGEST_PAGE, List, PageError, PageRequest};
pub use policies::{BundleView, CheckAnswer, CheckRequest, CheckedOpinion};
pub use problem::{PolicyProblem, ProblemDocument, ProblemKind};
pub use questions::{
    ConditionView, DifferingView, ExplanationView, FindingView, ReplayView, WeighedRule,
    WhatCanRequest, WhoCanRequest,
};
pub use revisions::{
    BundleApplied, BundleProposal, BundleTested, FailingTest, RevisionText, RevisionView,
    UnconfirmedView,
};
pub use route::{Access, Endpoint, Listeners, Operation, Route};
pub use sessions::{CutAnswer, EndingView, FlowView, PrunedAnswer, SessionView};
pub use status::{ConditionReport, LimitView, RefereeView, StatusView};
pub use subjects::{
    CertificateView, CodeRequest, IssuedCode, RevokedAnswer, RoleView, SubjectView, WarnedAnswer,
};
pub use users::{RoleGrant, UserAddition, UserChange};
