//! The embedded certificate authority: decides what is issued, to whom and for how long.
//!
//! A request becomes a [`VerifiedCsr`] only after proof of possession, and only its public key is
//! used. [`Authority::prepare`] builds the certificate, signs it with a throwaway key and lints the
//! result. [`Authority::redeem`] consumes that preparation for one real signature over the same
//! bytes. Identification relies on stored issuance rows, so a certificate that was signed but never
//! stored identifies nobody.
//!
//! [`Assertions`] tell backends which subject a request is from. They are signed with a key of
//! their own, which signs nothing else.
//!
//! Invariants
//! - Only prepared certificates are signed, each at most once.
//! - A leaf has exactly one URI name, its SPIFFE ID, and CA:FALSE.
//! - A code is consumed by the transaction that stores its certificate, and by one public key only.
//!   [`enrolment::judge`] is called inside that transaction.
//! - Private keys stay behind the [`Keys`] port.
//!
//! This crate must never know: files, sockets, the database, HTTP, the wire protocol.

mod assertion;
mod authority;
mod csr;
pub mod enrolment;
mod import;
mod issue;
mod jwk;
mod lint;
mod ports;
mod profile;
mod random;
pub mod recovery;
mod signature;
mod x509;

pub use assertion::{Assertion, Assertions};
pub use authority::{Authority, AuthorityError, IssuingCa, found};
pub use csr::{CsrError, VerifiedCsr};
pub use import::{ImportError, import};
pub use issue::{IssueError, Issued, Prepared};
pub use jwk::KeySet;
pub use lint::LintError;
pub use ports::{Algorithm, KeyError, Keys, Signer, Slot};
pub use profile::{Profile, ProfileError, Profiles};
pub use random::random;
pub use x509::{
    Description, certificate_fingerprint, describe, key_fingerprint, pem_certificate, served_names,
};
