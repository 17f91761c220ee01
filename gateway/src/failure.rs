//! Why the program ends with status 1.

use std::fmt;

/// Why the program ends with status 1: one clear sentence, with the next step in it.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    /// That sentence.
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whatever explains itself is a failure by its own words.
macro_rules! explains_itself {
    ($($error:ty),+ $(,)?) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self(error.to_string())
            }
        }
    )+};
}

explains_itself! {
    doorward_agent::Failure,
    doorward_ca::AuthorityError,
    doorward_ca::ImportError,
    doorward_ca::IssueError,
    doorward_ca::KeyError,
    doorward_sdk::Error,
    doorward_session::TrustError,
    doorward_store::OpenError,
    doorward_store::RecoverError,
    doorward_store::StoreError,
}
