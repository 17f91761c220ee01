//! The two judges of a question.
//!
//! [`verdict`] asks the compiled form what the answer is, why, and until when. [`casbin`] asks
//! casbin-rs itself, with the model of `model.conf` and the rules that bear on the question. An
//! admission needs a permit of both. The [`referee`] checks a sample of what the compiled form
//! decides alone, later.

mod casbin;
mod case;
mod referee;
mod verdict;

pub(crate) use casbin::permits as casbin_permits;
#[cfg(test)]
pub(crate) use case::searches;
pub(crate) use case::{Case, SearchEnd};
pub(crate) use referee::rulings;
pub(crate) use verdict::{RulesVerdict, Search, verdict_of};
