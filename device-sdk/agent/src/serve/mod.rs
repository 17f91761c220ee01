//! Serves the interfaces that a device offers.
//!
//! Invariants
//! - Only targets that the owner's file names are dialed, opened or started. The gateway selects
//!   one of those names and a serial line's settings, and nothing else.
//! - The local end is open before a flow is admitted, so that a refusal can give the reason.
//! - A flow that was cut does not look complete to the local end, and a broken local end does not
//!   look complete to the flow.

mod process;
mod serial;
mod tcp;
mod udp;
mod unavailable;
mod unix;

use std::io;
use std::time::Duration;

use doorward_model::{Action, Way};
use doorward_wire::{Asked, FlowDatagrams, FlowKind, Pipe, Why};

pub(crate) use serial::LinesInUse;

use crate::failure::Failure;
use unavailable::Unavailable;

/// How long opening a local end may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A flow that has not been admitted or refused yet.
pub(crate) trait PendingFlow: Send {
    /// Admits the flow as bytes. `granted` are the wanted actions that it serves, where that
    /// matters.
    fn stream(self, granted: &[Action]) -> impl Future<Output = io::Result<Pipe>> + Send;

    /// Admits the flow as datagrams.
    fn datagrams(self) -> impl Future<Output = io::Result<FlowDatagrams>> + Send;

    /// Refuses the flow.
    fn refuse(self, why: Why, detail: &str) -> impl Future<Output = ()> + Send;
}

/// An offered interface.
#[derive(Clone, Debug)]
pub(crate) struct OfferedInterface {
    way: Way,
    lines: LinesInUse,
}

impl OfferedInterface {
    /// Returns whether an agent can offer such a target.
    pub(crate) fn serves(way: &Way) -> bool {
        match way {
            Way::Tcp { .. }
            | Way::Udp { .. }
            | Way::Unix { .. }
            | Way::Serial { .. }
            | Way::Process { .. } => true,
            Way::Agent { .. } => false,
        }
    }

    pub(crate) fn new(way: Way, lines: LinesInUse) -> Self {
        Self { way, lines }
    }

    /// Returns how the interface's flows travel.
    pub(crate) fn kind(&self) -> FlowKind {
        let datagrams = self.way.protocol().travels_as_datagrams();
        if datagrams { FlowKind::Datagrams } else { FlowKind::Stream }
    }

    /// Serves one flow until it has ended. Returns an error if it did not end properly. A refusal
    /// goes to the gateway and counts as a proper end.
    pub(crate) async fn serve(
        &self,
        request: &Asked,
        flow: impl PendingFlow,
    ) -> Result<(), Failure> {
        if request.kind.is_some_and(|kind| kind != self.kind()) {
            flow.refuse(Why::Wrong, "the interface does not support this kind of flow").await;
            return Ok(());
        }
        match &self.way {
            Way::Tcp { host, port } => match within(tcp::dial(host, *port)).await {
                Ok(local) => {
                    let mut pipe = flow.stream(&[]).await.map_err(Failure::Cut)?;
                    local.carry(&mut pipe, Vec::new()).await
                }
                Err(unavailable) => refuse(flow, unavailable).await,
            },
            Way::Unix { path } => match within(unix::dial(path)).await {
                Ok(local) => {
                    let mut pipe = flow.stream(&[]).await.map_err(Failure::Cut)?;
                    local.carry(&mut pipe, Vec::new()).await
                }
                Err(unavailable) => refuse(flow, unavailable).await,
            },
            Way::Udp { host, port } => match within(udp::dial(host, *port)).await {
                Ok(socket) => {
                    let datagrams = flow.datagrams().await.map_err(Failure::Cut)?;
                    udp::carry(datagrams, socket, udp::IDLE).await
                }
                Err(unavailable) => refuse(flow, unavailable).await,
            },
            Way::Serial { path, settings } => {
                match within(self.lines.open(path, *settings, &request.parameters)).await {
                    Ok(line)
                        if request.actions.iter().any(|one| one == Action::Control.as_str()) =>
                    {
                        let all = [Action::Read, Action::Write, Action::Control];
                        let pipe = flow.stream(&all).await.map_err(Failure::Cut)?;
                        serial::serve_rfc2217(pipe, line).await
                    }
                    Ok(line) => {
                        let pipe = flow.stream(&[]).await.map_err(Failure::Cut)?;
                        serial::carry(pipe, line).await
                    }
                    Err(unavailable) => refuse(flow, unavailable).await,
                }
            }
            Way::Process { program, arguments } => {
                match process::Process::start(program, arguments).await {
                    Ok(process) => {
                        let pipe = flow.stream(&[]).await.map_err(Failure::Cut)?;
                        process::carry(pipe, process).await
                    }
                    Err(error) => refuse(flow, error.into()).await,
                }
            }
            // The configuration refuses such a target.
            Way::Agent { .. } => {
                refuse(flow, Unavailable::new(Why::Unreachable, "the interface has no target"))
                    .await
            }
        }
    }
}

async fn refuse(flow: impl PendingFlow, unavailable: Unavailable) -> Result<(), Failure> {
    flow.refuse(unavailable.why, &unavailable.detail).await;
    Ok(())
}

async fn within<T>(dial: impl Future<Output = Result<T, Unavailable>>) -> Result<T, Unavailable> {
    match tokio::time::timeout(PATIENCE, dial).await {
        Ok(dialed) => dialed,
        Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
    }
}

#[cfg(test)]
mod tests;
