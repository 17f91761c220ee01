//! Where private keys are: files, sealed with AES-256-GCM under a key file.
//!
//! Invariants
//! - A private key is made here, used here, and leaves only sealed.
//! - A sealed key opens only in the slot that it was sealed for.
//! - Files are 0600, written new, synced and renamed; the directory is 0700.
//! - A sealed key without its key file is an error, never a new key.
//!
//! This crate must never know: what is signed, sockets, the database.

mod file;
mod key;
mod sealed;

pub use sealed::{ImportedKey, SealedKeys};
