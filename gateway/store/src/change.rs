//! Who makes a change, and what it touches.

use std::fmt;
use std::pin::Pin;

use doorward_model::{Epoch, Subject};
use doorward_policies::Touched;
use sqlx::sqlite::SqliteConnection;

use crate::error::StoreError;

/// Who makes a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A subject, through the administration or an enrolment.
    Subject(Subject),
    /// The gateway by itself, such as for its own certificates.
    Gateway,
    /// Whoever owns the data directory, at the machine.
    Local,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subject(subject) => subject.fmt(f),
            Self::Gateway => f.write_str("gateway"),
            Self::Local => f.write_str("local"),
        }
    }
}

/// A change that has been made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed<T> {
    /// What came of it.
    pub value: T,
    /// Its number; that of the last change if this one touched nothing.
    pub epoch: Epoch,
    /// How many live flows it ended.
    pub ended: usize,
}

/// What a change comes to, inside its transaction: its outcome, and what it touched. Touching
/// nothing is no epoch.
pub(crate) type Changing<'t, T> =
    Pin<Box<dyn Future<Output = Result<(T, Touched), StoreError>> + Send + 't>>;

/// A change that is still to be made.
pub(crate) type Change<T> =
    Box<dyn for<'t> FnOnce(&'t mut SqliteConnection) -> Changing<'t, T> + Send>;

pub(crate) fn boxed<T, F>(change: F) -> Change<T>
where
    F: for<'t> FnOnce(&'t mut SqliteConnection) -> Changing<'t, T> + Send + 'static,
{
    Box::new(change)
}

/// An async block as a [`Change`].
macro_rules! change {
    (|$connection:ident| $body:block) => {
        $crate::change::boxed(move |$connection| Box::pin(async move { $body }))
    };
}
pub(crate) use change;
