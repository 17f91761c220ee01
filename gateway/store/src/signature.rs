//! A signature that is made once, however often the change that stores it is made.

use std::sync::{Arc, Mutex, PoisonError};

use doorward_ca::{IssueError, Issued};

use crate::error::StoreError;

/// Makes the one signature, inside the transaction that stores the certificate's row.
pub type Sign = Box<dyn FnOnce() -> Result<Issued, IssueError> + Send>;

/// A signature that is made when it is first asked for, and then kept.
pub(crate) struct OneSignature(Mutex<State>);

enum State {
    Waiting(Sign),
    Made(Arc<Issued>),
    /// It could not be made. The change has failed, and is not made again.
    Failed,
}

impl OneSignature {
    pub(crate) fn new(sign: Sign) -> Self {
        Self(Mutex::new(State::Waiting(sign)))
    }

    /// Returns the signed certificate, which is signed the first time.
    pub(crate) fn issued(&self) -> Result<Arc<Issued>, StoreError> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *state, State::Failed) {
            State::Waiting(sign) => {
                let issued = Arc::new(sign()?);
                *state = State::Made(Arc::clone(&issued));
                Ok(issued)
            }
            State::Made(issued) => {
                *state = State::Made(Arc::clone(&issued));
                Ok(issued)
            }
            State::Failed => Err(StoreError::Refused("the signature has failed".to_owned())),
        }
    }
}
