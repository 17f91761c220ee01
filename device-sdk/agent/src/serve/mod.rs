//! What is behind the interfaces that a device offers.
//!
//! Invariants
//! - Only what the owner's file names is dialed, opened or started. What the gateway says chooses
//!   among those names, and how a serial line is set; nothing else.
//! - A local end is there before a flow is admitted, so a refusal can say why it is not.
//! - A flow that was cut does not look complete to the local end, nor the other way round.

mod process;
mod serial;
mod tcp;
mod udp;
mod unix;

use std::io;
use std::time::Duration;

use doorward_model::{Action, Way};
use doorward_wire::{Asked, Datagrams, Kind, Pipe, Why};

pub(crate) use serial::Lines;

use crate::failure::Failure;

/// How long a local end may take to be there.
const PATIENCE: Duration = Duration::from_secs(10);

/// A flow that waits for its answer.
pub(crate) trait Waiting: Send {
    /// Admits it as bytes, and says which of the wanted actions they serve where that is told.
    fn stream(self, granted: &[Action]) -> impl Future<Output = io::Result<Pipe>> + Send;

    /// Admits it as datagrams.
    fn datagrams(self) -> impl Future<Output = io::Result<Datagrams>> + Send;

    /// Refuses it.
    fn refuse(self, why: Why, detail: &str) -> impl Future<Output = ()> + Send;
}

/// Why a local end is not there.
#[derive(Debug)]
struct Absent {
    why: Why,
    detail: String,
}

impl Absent {
    fn new(why: Why, detail: impl Into<String>) -> Self {
        Self { why, detail: detail.into() }
    }
}

/// The gateway is told the kind of it: paths and addresses are the owner's.
impl From<io::Error> for Absent {
    fn from(error: io::Error) -> Self {
        let why = match error.kind() {
            io::ErrorKind::TimedOut => Why::NoAnswer,
            io::ErrorKind::ResourceBusy => Why::Taken,
            _ => Why::Unreachable,
        };
        Self::new(why, error.kind().to_string())
    }
}

/// One offered interface.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    way: Way,
    lines: Lines,
}

impl Service {
    pub(crate) fn new(way: Way, lines: Lines) -> Self {
        Self { way, lines }
    }

    /// How its flows travel.
    pub(crate) fn kind(&self) -> Kind {
        match self.way {
            Way::Udp { .. } => Kind::Datagrams,
            _ => Kind::Stream,
        }
    }

    /// Serves one flow until it has ended. Answers why it did not end properly; a refusal is
    /// told to the gateway and is a proper end here.
    pub(crate) async fn serve(&self, asked: &Asked, flow: impl Waiting) -> Result<(), Failure> {
        if asked.kind.is_some_and(|kind| kind != self.kind()) {
            flow.refuse(Why::Wrong, "the interface does not speak so").await;
            return Ok(());
        }
        match &self.way {
            Way::Tcp { host, port } => match within(tcp::dial(host, *port)).await {
                Ok(local) => {
                    let pipe = flow.stream(&[]).await.map_err(Failure::Cut)?;
                    local.carry(pipe, Vec::new()).await
                }
                Err(absent) => refuse(flow, absent).await,
            },
            Way::Unix { path } => match within(unix::dial(path)).await {
                Ok(local) => {
                    let pipe = flow.stream(&[]).await.map_err(Failure::Cut)?;
                    local.carry(pipe, Vec::new()).await
                }
                Err(absent) => refuse(flow, absent).await,
            },
            Way::Udp { host, port } => match within(udp::dial(host, *port)).await {
                Ok(socket) => {
                    let datagrams = flow.datagrams().await.map_err(Failure::Cut)?;
                    udp::carry(datagrams, socket, udp::IDLE).await
                }
                Err(absent) => refuse(flow, absent).await,
            },
            Way::Serial { path, settings } => {
                match within(self.lines.open(path, *settings, &asked.parameters)).await {
                    Ok(line) if asked.actions.iter().any(|one| one == Action::Control.as_str()) => {
                        let all = [Action::Read, Action::Write, Action::Control];
                        let pipe = flow.stream(&all).await.map_err(Failure::Cut)?;
                        serial::govern(pipe, line).await
                    }
                    Ok(line) => {
                        let pipe = flow.stream(&[]).await.map_err(Failure::Cut)?;
                        serial::carry(pipe, line).await
                    }
                    Err(absent) => refuse(flow, absent).await,
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
            // The file is refused where it says so.
            Way::Agent { .. } => {
                refuse(flow, Absent::new(Why::Unreachable, "nothing is behind it")).await
            }
        }
    }
}

async fn refuse(flow: impl Waiting, absent: Absent) -> Result<(), Failure> {
    flow.refuse(absent.why, &absent.detail).await;
    Ok(())
}

async fn within<T>(dial: impl Future<Output = Result<T, Absent>>) -> Result<T, Absent> {
    match tokio::time::timeout(PATIENCE, dial).await {
        Ok(dialed) => dialed,
        Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
    }
}

#[cfg(test)]
mod tests;
