//! The error of a command.

use std::fmt;

use doorward_agent::ErrorReport;

/// The error of a command that ends with status 1: what happened, and the next step.
#[derive(Debug)]
pub(crate) struct CommandFailure(ErrorReport);

impl CommandFailure {
    /// Creates a failure on this machine from one sentence.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self::of("failed", message)
    }

    /// Creates a failure of a kind from one sentence.
    pub(crate) fn of(kind: impl Into<String>, message: impl Into<String>) -> Self {
        Self(ErrorReport::new(kind, message))
    }

    /// Adds the next step.
    pub(crate) fn with_next(self, next: impl Into<String>) -> Self {
        Self(self.0.with_next(next))
    }

    /// Returns the report that the command prints.
    pub(crate) fn report(&self) -> &ErrorReport {
        &self.0
    }
}

impl fmt::Display for CommandFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<doorward_sdk::Error> for CommandFailure {
    fn from(error: doorward_sdk::Error) -> Self {
        Self(error.into())
    }
}

impl From<doorward_agent::Failure> for CommandFailure {
    fn from(error: doorward_agent::Failure) -> Self {
        Self(error.into())
    }
}

/// Converts errors whose text already says what happened and what to do next.
macro_rules! explains_itself {
    ($($error:ty),+ $(,)?) => {$(
        impl From<$error> for CommandFailure {
            fn from(error: $error) -> Self {
                Self::new(error.to_string())
            }
        }
    )+};
}

explains_itself! {
    doorward_agent::SettingsError,
    doorward_ca::AuthorityError,
    doorward_ca::ImportError,
    doorward_ca::IssueError,
    doorward_ca::KeyError,
    doorward_session::TrustError,
    doorward_store::OpenError,
    doorward_store::RecoverError,
    doorward_store::StoreError,
}
