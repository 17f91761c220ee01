//! The store: one database for the state that decisions rest on, and an SQLite file for the audit
//! log.
//!
//! The nouns (subjects, codes, bundles, ...) are written over a port to the database, `port`. Only
//! the folder of a database knows its driver, its tables' migrations and its errors; `sqlite` is
//! the only one so far.
//!
//! Every change is one transaction. It locks the head, which has the number of the last change, and
//! takes the next number if it touches anything. Before the commit, the store reads the touched
//! rows again and builds the snapshot of the new number. So a change whose snapshot cannot be built
//! is not made. After the commit the store publishes the snapshot, then calls the
//! [`Observer`](doorward_policies::Observer)s, then acknowledges the change. A follower that knows
//! only the list of changes reads the same rows in the same way.
//!
//! Invariants
//! - An acknowledged change survives `kill -9`: the database has synced it before the
//!   acknowledgement.
//! - Each number belongs to one state, and each state has one number. Certificates that expire are
//!   the exception: the snapshot leaves them out, and no decision permits them.
//! - No change is lost when its caller goes away: one task makes all changes, in order.
//! - A change can be made twice, because a database may discard it and ask for it again.
//! - The store holds no private keys.
//!
//! This crate must never know: TLS, HTTP, sockets, who may do what.

mod allowance;
mod attempt;
mod ballast;
mod bundles;
mod change;
mod codes;
mod confirmation;
mod epochs;
mod error;
mod expiry;
mod facts;
mod follow;
mod interfaces;
mod issuances;
mod load;
mod open;
mod pieces;
mod port;
mod recover;
mod roster;
mod signature;
mod sqlite;
mod subjects;
mod suspension;
#[cfg(test)]
mod tests;
mod writer;

pub use allowance::Allowance;
pub use bundles::{Applying, BundleInForce, ListedRevisions, RevisionRow};
pub use change::{Actor, Committed};
pub use codes::{FoundCode, NewCode, Redeemed};
pub use confirmation::Unconfirmed;
pub use error::{OpenError, StoreError};
pub use facts::Facts;
pub use interfaces::{Declared, NewInterface};
pub use issuances::{FoundCertificate, IssuanceRow};
pub use open::{Founding, OpenedStore, Store};
pub use recover::{RecoverError, Recovered, recover};
pub use roster::SubjectRow;
pub use signature::Sign;
pub use sqlite::audit::{AuditLog, AuditSettings, Numbered};
pub use subjects::{Added, NewSubject, SubjectChanges};
