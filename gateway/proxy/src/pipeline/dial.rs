//! Connects to the backend that a permit names, and checks that the lease still lives.

use doorward_model::Action;
use doorward_policies::{Outcome, Party};
use doorward_session::Places;
use doorward_wire::FlowKind;

use super::held::{Granted, HeldLeases};
use super::open::Opened;
use super::record::{Ended, FlowEnding};
use crate::dial::{BackendConnection, DialError, DialedTarget, Dialer, Messages, Wants};

/// A flow whose backend is connected, under a lease that lived after the connection stood.
#[derive(Debug)]
#[must_use]
pub struct Dialed {
    pub(super) backend: DialedBackend,
    pub(super) address: String,
    pub(super) actions: Vec<Action>,
    pub(super) lease: HeldLeases,
    pub(super) ending: FlowEnding,
}

/// The backend's end of a flow.
#[derive(Debug)]
pub(super) enum DialedBackend {
    Stream(BackendConnection),
    Datagrams(Messages),
}

impl DialedBackend {
    pub(super) fn reset(self) {
        match self {
            Self::Stream(backend) => backend.reset(),
            Self::Datagrams(messages) => messages.close(),
        }
    }
}

/// A flow whose backend was not reached, or whose lease was cut before the first byte.
#[derive(Debug)]
#[must_use]
pub struct NotDialed {
    /// Why the backend was not reached; `None` if the lease was cut.
    pub error: Option<DialError>,
    /// The end of the flow, to be recorded.
    pub ended: Ended,
}

impl Dialed {
    /// Returns how the flow travels.
    #[must_use]
    pub fn kind(&self) -> FlowKind {
        match self.backend {
            DialedBackend::Stream(_) => FlowKind::Stream,
            DialedBackend::Datagrams(_) => FlowKind::Datagrams,
        }
    }

    /// Returns the granted actions.
    #[must_use]
    pub fn actions(&self) -> Vec<Action> {
        self.actions.clone()
    }

    /// Ends the flow before its first byte, because the client could not be told that it is open.
    pub fn give_up(self) -> Ended {
        let Self { backend, address, lease, ending, .. } = self;
        backend.reset();
        let (outcome, reason) = (Outcome::Failed, "client-gone");
        Ended { lease, ending, outcome, reason, backend: Some(address), detail: None }
    }
}

/// Reserves the files that the dial takes; `None` if the subject's share is used up.
fn permitted_files(granted: &Granted) -> Option<Places<Party>> {
    let count = granted.first.permit().target().map_or(0, Dialer::files);
    granted.first.connection().files(count)
}

/// Dials while the reservation of the files is held, if there is one.
async fn within<T>(
    files: Option<Places<Party>>,
    dial: impl Future<Output = Result<T, DialError>>,
) -> Result<(T, Places<Party>), DialError> {
    let files = files.ok_or(DialError::NoRoom)?;
    Ok((dial.await?, files))
}

/// Dials the backend that the permit names, then checks that the lease still lives: a commit during
/// the dial has found the lease.
///
/// # Errors
/// When the backend cannot be reached within the bounds, or the lease was cut.
pub async fn dial(dialer: &Dialer, opened: Opened) -> Result<Dialed, NotDialed> {
    let Opened { granted, ending } = opened;
    let kind = granted.kind;
    let files = permitted_files(&granted);
    let (permit, lease, actions) = granted.spend();
    let wants = Wants::of(&actions);
    let connected = tokio::select! {
        biased;
        cause = lease.over() => Err((None, Outcome::Cut, cause.as_str())),
        connected = within(files, dialer.dial(&permit, kind, wants)) => {
            connected.map_err(|error| {
                let reason = error.as_str();
                (Some(error), Outcome::Failed, reason)
            })
        }
    };
    let (connected, files) = match connected {
        Ok(connected) => connected,
        Err((error, outcome, reason)) => {
            let backend = permit.target().map(ToString::to_string);
            if let Some(error) = &error {
                let (by, at) = (permit.subject().0, permit.resource());
                let target = backend.as_deref();
                tracing::info!(%by, %at, target, %error, "a backend was not reached");
            }
            let ended = Ended { lease, ending, outcome, reason, backend, detail: None };
            return Err(NotDialed { error, ended });
        }
    };
    let tracked = lease.dialed(files);
    let (backend, address) = match connected {
        DialedTarget::Stream { stream, address } => {
            (DialedBackend::Stream(BackendConnection::new(stream, tracked)), address)
        }
        DialedTarget::Datagrams { messenger, address } => {
            (DialedBackend::Datagrams(Messages::new(messenger, tracked)), address)
        }
    };
    if let Some(cause) = lease.cause() {
        backend.reset();
        let (outcome, reason) = (Outcome::Cut, cause.as_str());
        let ended = Ended { lease, ending, outcome, reason, backend: Some(address), detail: None };
        return Err(NotDialed { error: None, ended });
    }
    Ok(Dialed { backend, address, actions, lease, ending })
}
