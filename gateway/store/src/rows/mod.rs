//! The rows of the state, by noun: how they are read, and how a transaction writes them.

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
