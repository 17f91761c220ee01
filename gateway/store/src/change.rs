//! Changes of the state: who makes one, and what it touches.

use std::fmt;
use std::pin::Pin;

use doorward_model::{Epoch, Subject};
use doorward_policies::Touched;

use crate::error::StoreError;
use crate::port::Tx;

/// The actor of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A subject, through the administration or an enrolment.
    Subject(Subject),
    /// The gateway itself, such as for its own certificates.
    Gateway,
    /// The owner of the data directory, on the machine itself.
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

/// A change that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed<T> {
    /// The outcome of the change.
    pub value: T,
    /// The epoch of the change; the present epoch if the change touched nothing.
    pub epoch: Epoch,
    /// How many live flows the change ended.
    pub ended: usize,
}

/// The result of a change inside its transaction: its outcome, and what it touched. A change that
/// touches nothing makes no epoch.
pub(crate) type Changing<'t, T> =
    Pin<Box<dyn Future<Output = Result<(T, Touched), StoreError>> + Send + 't>>;

/// A change that is still to be made. A database may discard a change and ask for it again, so a
/// change can be made more than once: it takes nothing out of what it captures, and writes only
/// through its transaction.
pub(crate) type Change<T> = Box<dyn for<'t> Fn(&'t mut Tx) -> Changing<'t, T> + Send + Sync>;

pub(crate) fn boxed<T, F>(change: F) -> Change<T>
where
    F: for<'t> Fn(&'t mut Tx) -> Changing<'t, T> + Send + Sync + 'static,
{
    Box::new(change)
}

/// Makes a [`Change`] of the values that it captures and an async block, which sees references to
/// them.
macro_rules! change {
    (($($captured:ident),* $(,)?), |$tx:ident| $body:block) => {{
        let captured = std::sync::Arc::new(($($captured,)*));
        $crate::change::boxed(move |$tx| {
            let captured = std::sync::Arc::clone(&captured);
            Box::pin(async move {
                let ($($captured,)*) = &*captured;
                $body
            })
        })
    }};
}
pub(crate) use change;
