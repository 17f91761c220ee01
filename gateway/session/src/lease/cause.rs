//! Why a flow or a session was cut.

use std::fmt;

use doorward_policies::Refusal;
use tokio::sync::watch;

/// Why a flow or session was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The flow's question now has another answer.
    Refused(Refusal),
    /// The URL or the network of the flow's interface was changed.
    InterfaceChanged,
    /// An administrator cut it.
    Administrator,
    /// No byte moved for too long.
    Idle,
    /// The flow reached the longest lifetime of a flow.
    Lifetime,
    /// The connection has ended.
    Gone,
    /// The gateway stops.
    Stopping,
}

impl Cause {
    /// Returns the word for records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.as_str(),
            Self::InterfaceChanged => "interface-changed",
            Self::Administrator => "cut-by-administrator",
            Self::Idle => "idle",
            Self::Lifetime => "lifetime",
            Self::Gone => "client-gone",
            Self::Stopping => "gateway-stopping",
        }
    }

    /// Returns the word for the record of a cut; `None` if the gateway cut nothing, because the
    /// connection had ended.
    #[must_use]
    pub fn reason_of_cut(self) -> Option<&'static str> {
        match self {
            Self::Gone => None,
            Self::Refused(_)
            | Self::InterfaceChanged
            | Self::Administrator
            | Self::Idle
            | Self::Lifetime
            | Self::Stopping => Some(self.as_str()),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A switch that is cut once, and wakes everyone who waits for the cut.
#[derive(Debug)]
pub(crate) struct Switch(watch::Sender<Option<Cause>>);

impl Switch {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// Cuts. A later cause does not replace the first.
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

    /// Waits until the switch is cut, and returns the cause.
    pub(crate) async fn wait(&self) -> Cause {
        let mut state = self.0.subscribe();
        match state.wait_for(Option::is_some).await.map(|cause| *cause) {
            Ok(Some(cause)) => cause,
            // `self` owns the sender, so the wait cannot fail.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }
}
