//! Connects to backends. No other module does.
//!
//! A new kind of target has its file in this directory, a variant of [`Way`], a row for its
//! [`Scheme`], and lines in this file: in [`Dialer::files`], in [`Dialer::dial`], and in
//! [`BackendDatagrams`] if it takes datagrams, in [`BackendStream`] if it takes bytes.

mod agent;
mod backend;
mod bounds;
mod declare;
mod embedded;
mod error;
mod glob;
mod messages;
mod messenger;
mod networks;
mod process;
mod rtu;
mod serial;
mod stream;
mod tcp;
mod udp;
mod unix;

use std::collections::BTreeMap;
use std::io;
use std::task::{Context, Poll};

use doorward_local::{Line, Remote, Tty};
use doorward_model::{Action, Inspected, LineSettings, Name, Scheme, Spoken, Target, Telnet, Way};
use doorward_policies::Permit;
use doorward_session::DeviceFlow;
use doorward_wire::FlowKind;
use tokio::io::ReadBuf;

pub use agent::{OnlineAgents, Twice};
pub(crate) use agent::{Rivals, kind_of};
pub(crate) use backend::BackendConnection;
pub use bounds::{Bounds, Paths};
pub use declare::DeclareError;
use error::DIAL_TIMEOUT;
pub use error::DialError;
pub use glob::{Glob, GlobError};
pub(crate) use messages::Messages;
use messenger::Messenger;
pub use networks::{Networks, NetworksError};
use rtu::RtuLines;
use serial::SerialLines;
pub use serial::Wants;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use serial::fuzzing;
pub(crate) use stream::{BackendStream, ConnectedStream};

/// A connection to a backend, for bytes or datagrams.
pub(crate) enum DialedTarget {
    Stream { stream: BackendStream, address: String },
    Datagrams { messenger: BackendDatagrams, address: String },
}

impl From<ConnectedStream> for DialedTarget {
    fn from(ConnectedStream { stream, address }: ConnectedStream) -> Self {
        Self::Stream { stream, address }
    }
}

/// What carries datagrams to a backend.
#[derive(Debug)]
pub(crate) enum BackendDatagrams {
    Udp(udp::ConnectedSocket),
    Agent(Box<agent::AgentDatagrams>),
}

impl Messenger for BackendDatagrams {
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<bool>> {
        match self {
            Self::Udp(socket) => socket.poll_receive(cx, into),
            Self::Agent(flow) => flow.poll_receive(cx, into),
        }
    }

    fn send(&mut self, datagram: &[u8]) {
        match self {
            Self::Udp(socket) => socket.send(datagram),
            Self::Agent(flow) => flow.send(datagram),
        }
    }

    fn close(self) {
        match self {
            Self::Udp(socket) => socket.close(),
            Self::Agent(flow) => flow.close(),
        }
    }
}

/// Connects to targets, within bounds.
#[derive(Clone)]
pub struct Dialer {
    bounds: Bounds,
    lines: SerialLines,
    buses: RtuLines,
    agents: OnlineAgents,
}

impl Dialer {
    /// Returns a dialer within `bounds` that reaches devices through `agents`.
    #[must_use]
    pub fn new(bounds: Bounds, agents: OnlineAgents) -> Self {
        Self { bounds, lines: SerialLines::default(), buses: RtuLines::default(), agents }
    }

    /// Returns the connections of the devices that offer interfaces.
    pub(crate) fn agents(&self) -> &OnlineAgents {
        &self.agents
    }

    /// Returns how many files of the process a dial of the target takes.
    pub(crate) fn files(target: &Target) -> u64 {
        match target.way() {
            Way::Tcp { .. } | Way::Udp { .. } | Way::Unix { .. } | Way::Serial { .. } => 1,
            // The program's input, its output, and the program itself.
            Way::Process { .. } => 3,
            // A stream of an existing connection.
            Way::Agent { .. } => 0,
        }
    }

    /// Dials the target of a permit. `kind` is how the flow is to travel, if the caller needs one
    /// kind. `wants` is how the flow uses a serial line; other targets ignore it.
    pub(crate) async fn dial(
        &self,
        permit: &Permit,
        kind: Option<FlowKind>,
        wants: Wants,
    ) -> Result<DialedTarget, DialError> {
        let target = permit.target().ok_or(DialError::Nothing)?;
        let travels = agent::kind_of(target.way());
        if kind.is_some_and(|kind| kind != travels) {
            return Err(DialError::Kind(travels));
        }
        let (bounds, network) = (&self.bounds, permit.network());
        let dial = async {
            match target.way() {
                Way::Tcp { host, port } => {
                    tcp::dial(bounds, network, host, *port).await.map(DialedTarget::from)
                }
                Way::Unix { path } => unix::dial(bounds, path).await.map(DialedTarget::from),
                Way::Serial { path, settings } => {
                    let real = bounds.real_path(Scheme::Serial, path).await?;
                    let address = format!("serial:{}", real.display());
                    let open = Tty::open(real, *settings);
                    self.sit_at_line(target, address, *settings, wants, open).await
                }
                Way::Process { program, arguments } => {
                    process::dial(bounds, program, arguments).await.map(DialedTarget::from)
                }
                Way::Udp { host, port } => {
                    let (socket, address) = udp::dial(bounds, network, host, *port).await?;
                    let messenger = BackendDatagrams::Udp(socket);
                    Ok(DialedTarget::Datagrams { messenger, address })
                }
                Way::Agent { spoken, name } => {
                    self.dial_agent(permit, target, name, spoken, wants).await
                }
            }
        };
        tokio::time::timeout(DIAL_TIMEOUT, dial).await.unwrap_or(Err(DialError::Slow))
    }

    async fn dial_agent(
        &self,
        permit: &Permit,
        target: &Target,
        name: &Name,
        spoken: &Spoken,
        wants: Wants,
    ) -> Result<DialedTarget, DialError> {
        let address = agent::address(permit, name);
        let open = |kind, actions, parameters| {
            agent::dial(&self.agents, permit, name, kind, actions, parameters)
        };
        let one = &[permit.action()];
        match spoken {
            Spoken::Stream => match open(FlowKind::Stream, one, BTreeMap::new()).await? {
                DeviceFlow::Stream { pipe, .. } => Ok(DialedTarget::Stream {
                    stream: BackendStream::Agent(Box::new(pipe)),
                    address,
                }),
                DeviceFlow::Datagrams(_) => Err(DialError::Kind(FlowKind::Datagrams)),
            },
            Spoken::Datagrams => match open(FlowKind::Datagrams, one, BTreeMap::new()).await? {
                DeviceFlow::Datagrams(datagrams) => {
                    let flow = Box::new(agent::AgentDatagrams(datagrams));
                    let messenger = BackendDatagrams::Agent(flow);
                    Ok(DialedTarget::Datagrams { messenger, address })
                }
                DeviceFlow::Stream { .. } => Err(DialError::Kind(FlowKind::Stream)),
            },
            Spoken::Line(change) => {
                let settings = change.apply(LineSettings::default());
                let open = async {
                    // The agent opens the line for all flows that will share it, so the gateway
                    // asks for all actions.
                    let all = &[Action::Read, Action::Write, Action::Control];
                    match open(FlowKind::Stream, all, agent::parameters(change)).await {
                        Ok(DeviceFlow::Stream { pipe, granted }) => {
                            if granted.iter().any(|action| action == Action::Control.as_str()) {
                                Remote::open(pipe, settings).await
                            } else {
                                Ok(Remote::bare(pipe, settings))
                            }
                        }
                        Ok(DeviceFlow::Datagrams(_)) => {
                            Err(io::Error::other("the agent offers datagrams"))
                        }
                        Err(error) => Err(io::Error::other(error.to_string())),
                    }
                };
                self.sit_at_line(target, address, settings, wants, open).await
            }
        }
    }

    /// Takes a seat on a serial line, which `open` opens if it is closed. A Modbus flow joins the
    /// bus on the line instead.
    async fn sit_at_line<L: Line>(
        &self,
        target: &Target,
        address: String,
        settings: LineSettings,
        wants: Wants,
        open: impl Future<Output = io::Result<L>>,
    ) -> Result<DialedTarget, DialError> {
        let stream = match target.inspected().map(Inspected::modbus) {
            Some(Some(_)) => {
                // The bus exchanges requests itself, and speaks no telnet with a client.
                let settings = LineSettings { telnet: Telnet::Off, ..settings };
                let sit = self.lines.sit(address.clone(), settings, Wants::TALK, open);
                BackendStream::Rtu(self.buses.join(address.clone(), settings, sit).await?)
            }
            // No other inspected protocol is carried by a line.
            Some(None) => return Err(DialError::Nothing),
            None => {
                let seat = self.lines.sit(address.clone(), settings, wants, open).await?;
                BackendStream::Serial(seat.limited_to(target.lines())?)
            }
        };
        Ok(DialedTarget::Stream { stream, address })
    }
}
