//! The state of the gateway: one SQLite database for what decisions rest on, another for the
//! audit log.
//!
//! Every change is one transaction, with the next epoch in it. The snapshot of the new epoch
//! is assembled before the commit, by reading again what the change touched, so a change whose
//! snapshot cannot be built is not made; after the commit it is published, then the
//! [`Observer`](doorward_policies::Observer)s hear of it, then the change is acknowledged. A
//! follower that knows only the epoch log would read the same rows in the same way.
//!
//! Invariants
//! - What was acknowledged survives `kill -9`: WAL, `synchronous=FULL`, answers after commit.
//! - A snapshot is a pure function of its epoch.
//! - No change is lost when its caller goes away: one task makes them all, in order.
//! - Private keys are never in here.
//!
//! This crate must never know: TLS, HTTP, sockets, who may do what.

mod allowance;
mod audit;
mod ballast;
mod bundles;
mod change;
mod codes;
mod confirmation;
mod database;
mod error;
mod expiry;
mod facts;
mod interfaces;
mod issuances;
mod load;
mod open;
mod pieces;
mod recover;
mod roster;
mod subjects;
mod suspension;
#[cfg(test)]
mod tests;
mod writer;

pub use allowance::Allowance;
pub use audit::{AuditLog, AuditSettings, Numbered};
pub use bundles::{Applying, BundleInForce, RevisionRow};
pub use change::{Actor, Committed};
pub use codes::{FoundCode, NewCode, Redeemed, Sign};
pub use confirmation::Unconfirmed;
pub use error::{OpenError, StoreError};
pub use facts::Facts;
pub use interfaces::{Declared, NewInterface};
pub use issuances::{FoundCertificate, IssuanceRow};
pub use open::{Founding, Opened, Store};
pub use recover::{RecoverError, Recovered, recover};
pub use roster::SubjectRow;
pub use subjects::{Added, NewSubject, SubjectChanges};
