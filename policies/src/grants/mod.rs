//! The access review: what rules let subjects do, as patterns.
//!
//! A question is about one thing and gets one answer. A review answers for all things at once: it
//! lists what each rule grants, and what other rules take off again. [`GrantChanges`] compares two
//! reviews.

mod asked;
mod changes;
mod error;
mod grant;
mod naming;
mod place;
mod reached;
mod review;
mod scope;
#[cfg(test)]
mod tests;

pub use changes::{GrantChanges, Narrowed};
pub use error::ReviewError;
pub use grant::{Exclusion, Grant};
pub use review::Review;
pub use scope::ReviewScope;
