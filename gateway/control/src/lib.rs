//! The administration: claim, enrolment, renewal, and the API that commands use.
//!
//! Administration takes the same path as everything else: a request carries a session, asks
//! the same question of the same policy (`gateway` is a device, its parts are paths, the
//! actions are `create read update delete`), holds a lease while it is answered, and is
//! recorded before it is done. See [`doorward_api::Route`] for every request that is answered, and which
//! few of them need no identity.
//!
//! Invariants
//! - Until an owner has claimed the gateway, only the claim is answered.
//! - A body is read after the caller has been found to be allowed, never before.
//! - A code's secret is compared by its digest, and stands in no record, log or error.
//!
//! This crate must never know: the proxy, backends, TLS.

mod admin;
mod codes;
mod confirmation;
mod enrol;
mod gate;
mod parts;
mod request;
mod response;
mod route;
mod status;

mod audit;
mod authority;
mod devices;
mod explain;
mod hindsight;
mod interfaces;
mod policy;
mod posture;
mod renewals;
mod revisions;
mod sessions;
mod subjects;
mod users;
mod wrong_codes;

pub use admin::Administration;
pub use codes::{CodeMaker, OwnerCode, owner_code};
pub use confirmation::undo_unconfirmed;
pub use parts::{AdministrationParts, TargetBounds};
pub use posture::Postures;
pub use renewals::Renewals;
pub use status::Health;
pub use wrong_codes::WrongCodes;
