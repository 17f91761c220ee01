//! The administration: claim, enrolment, renewal, and the API that commands use.
//!
//! A request to the administration passes the same checks as a flow to a device. It belongs to a
//! session, and the same policy decides it: `gateway` is a device, its parts are paths, and the
//! actions are `create read update delete`. The request holds a lease until it is answered, and
//! the audit log records it before the operation begins. [`doorward_api::Route`] lists every
//! request, and the few that need no identity.
//!
//! Invariants
//! - Until an owner has claimed the gateway, it answers only the claim.
//! - The gateway reads a body only after the policy has permitted the request.
//! - The store compares a code's secret by its digest. No record, log line or error contains it.
//!
//! This crate must never know: the proxy, backends, TLS.

mod admin;
mod blocking;
mod codes;
mod confirmation;
mod enrol;
mod gate;
mod health;
mod json_body;
mod mismatches;
mod parts;
mod request;
mod response;
mod route;
mod status;

mod audit;
mod authority;
mod devices;
mod explain;
mod grants;
mod hindsight;
mod interfaces;
mod lockout;
mod policy;
mod posture;
mod preview;
mod renewals;
mod revisions;
mod sessions;
mod subjects;
mod users;
mod wrong_codes;

pub use admin::Administration;
pub use codes::{CodeMaker, OwnerCode, owner_code};
pub use confirmation::undo_unconfirmed;
pub use health::Health;
pub use parts::{AdministrationParts, TargetBounds};
pub use renewals::Renewals;
pub use wrong_codes::WrongCodes;
