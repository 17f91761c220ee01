//! Stores private keys in files, sealed with AES-256-GCM under a key file.
//!
//! Invariants
//! - A private key is made and used in this crate, and leaves it only sealed.
//! - A sealed key can be opened only in the slot it was sealed for.
//! - Files have mode 0600 and are written anew, synced and renamed. The directory has mode 0700.
//! - A sealed key without its key file is an error, never a new key.
//!
//! This crate must never know: what is signed, sockets, the database.

mod file;
mod key;
mod sealed;

pub use sealed::{ImportedKey, SealedKeys};
