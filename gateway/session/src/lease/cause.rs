//! Why a flow or a session was cut.

use std::fmt;

use doorward_policies::Refusal;
use tokio::sync::watch;

/// Why a flow or session was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Its question has another answer now.
    Refused(Refusal),
    /// An administrator cut it.
    Administrator,
    /// Nothing moved for too long.
    Idle,
    /// It lived as long as a flow may.
    Lifetime,
    /// Its connection is over.
    Gone,
    /// The gateway stops.
    Stopping,
}

impl Cause {
    /// The word for records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.as_str(),
            Self::Administrator => "cut-by-administrator",
            Self::Idle => "idle",
            Self::Lifetime => "lifetime",
            Self::Gone => "client-gone",
            Self::Stopping => "gateway-stopping",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Cuts once, and tells everyone who waits for it.
#[derive(Debug)]
pub(crate) struct Switch(watch::Sender<Option<Cause>>);

impl Switch {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// Cuts. The first cause stays.
    pub(crate) fn cut(&self, cause: Cause) {
        self.0.send_if_modified(|state| {
            let first = state.is_none();
            state.get_or_insert(cause);
            first
        });
    }

    pub(crate) fn cause(&self) -> Option<Cause> {
        *self.0.borrow()
    }

    /// Answers when it is cut.
    pub(crate) async fn wait(&self) -> Cause {
        let mut state = self.0.subscribe();
        match state.wait_for(Option::is_some).await.map(|cause| *cause) {
            Ok(Some(cause)) => cause,
            // The sender is `self`, so it cannot be gone.
            _ => std::future::pending().await,
        }
    }
}
