//! The store: one database for the state that decisions rest on, and an SQLite file for the audit
//! log.
//!
//! Four layers, each of which knows only those before it:
//! - `port` is what the store asks of a database. Only the folder of a database knows its driver, its
//!   tables' migrations and its errors; `sqlite` is the only one so far.
//! - `rows` reads and writes the rows of each noun (subjects, codes, bundles, ...).
//! - `load` makes a snapshot of rows; `writer` makes changes, one after the other, and publishes the
//!   snapshot of each.
//! - The file of each noun has the methods of [`Store`] that read it or change it.
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

mod attempt;
mod ballast;
mod bundles;
mod change;
mod codes;
mod confirmation;
mod error;
mod expiry;
mod follow;
mod interfaces;
mod issuances;
mod load;
mod open;
mod port;
mod postures;
mod recover;
mod roster;
/// The rows of the state, by noun: how they are read, and how a transaction writes them.
mod rows {
    pub(crate) mod allowance;
    pub(crate) mod bundles;
    pub(crate) mod codes;
    pub(crate) mod confirmation;
    pub(crate) mod epochs;
    pub(crate) mod facts;
    pub(crate) mod interfaces;
    pub(crate) mod issuances;
    pub(crate) mod pieces;
    pub(crate) mod postures;
    pub(crate) mod subjects;
    pub(crate) mod suspension;
}
mod signature;
mod sqlite;
mod store;
mod subjects;
#[cfg(test)]
mod tests;
mod writer;

pub use bundles::{ListedRevisions, RevisionRow};
pub use change::{Actor, Committed};
pub use codes::FoundCode;
pub use error::{OpenError, StoreError};
pub use interfaces::{Declared, NewInterface};
pub use issuances::{FoundCertificate, IssuanceRow};
pub use open::{Founding, OpenedStore};
pub use port::StatePlace;
pub use recover::{RecoverError, Recovered, recover};
pub use roster::SubjectRow;
pub use rows::allowance::Allowance;
pub use rows::bundles::{Applying, BundleInForce};
pub use rows::codes::NewCode;
pub use rows::confirmation::Unconfirmed;
pub use rows::facts::Facts;
pub use rows::issuances::Redeemed;
pub use rows::subjects::Added;
pub use signature::Sign;
pub use sqlite::audit::{AuditLog, AuditSettings, Numbered};
pub use store::Store;
pub use subjects::{NewSubject, SubjectChanges, TitleChange};
