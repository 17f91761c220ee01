//! The signals that stop the agent.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

/// A receiver of SIGINT and SIGTERM, which stop the agent.
pub(crate) struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

pub(crate) fn listen(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::Local { what: "signals".to_owned(), error })
}

impl StopSignals {
    pub(crate) fn new() -> Result<Self, Failure> {
        let (interrupt, terminate) =
            (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
        Ok(Self { interrupt, terminate })
    }

    /// Waits for one of the signals.
    pub(crate) async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
