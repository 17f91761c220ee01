//! The embedded certificate authority: what is issued, to whom, for how long.
//!
//! A request becomes a [`VerifiedCsr`] only after proof of possession, and only its public key
//! is used. [`Authority::prepare`] builds the certificate, signs it with a throwaway key and
//! lints the result; [`Authority::redeem`] spends that preparation on one real signature over
//! the same bytes. Identification rests on issuance rows, so a certificate that was signed but
//! never stored identifies nobody.
//!
//! What backends are told of who asks is signed with a key of its own ([`Assertions`]), with which
//! nothing else is.
//!
//! Invariants
//! - No certificate is signed that was not prepared, and none twice from one preparation.
//! - A leaf has exactly one URI name, its SPIFFE ID, and CA:FALSE.
//! - A code is consumed by the transaction that stores its certificate
//!   ([`enrolment::judge`] is asked inside it), and by one public key only.
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
