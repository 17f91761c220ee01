//! Connects to backends. No other module does.
//!
//! A new kind of target needs one file in this directory, one variant of
//! [`Way`](doorward_model::Way), and one line in [`Dialer::dial`] and [`BackendStream`].

mod agent;
mod backend;
mod bounds;
mod declare;
mod glob;
mod messages;
mod networks;
mod process;
mod rtu;
mod serial;
mod tcp;
mod udp;
mod unix;

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use doorward_local::{Line, Remote, Tty};
use doorward_model::{Action, Inspected, LineSettings, Name, Spoken, Target, Telnet, Way};
use doorward_policies::Permit;
use doorward_session::{DeviceFlow, LinkError};
use doorward_wire::FlowKind;
use thiserror::Error;

pub use agent::{OnlineAgents, Twice};
pub(crate) use agent::{Rivals, kind_of};
pub(crate) use backend::BackendConnection;
pub use bounds::{Bounds, Paths};
pub use declare::DeclareError;
pub use glob::{Glob, GlobError};
pub(crate) use messages::{Messages, Messenger};
pub use networks::{Networks, NetworksError};
use rtu::{RtuLines, RtuSeat};
pub use serial::Wants;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use serial::fuzzing;
use serial::{Seat, SerialLines};

/// Connects to targets, within bounds.
#[derive(Clone)]
pub struct Dialer {
    bounds: Bounds,
    lines: SerialLines,
    buses: RtuLines,
    agents: OnlineAgents,
}

/// How long a dial may take, with name resolution.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a backend was not reached. The operator or the backend erred, never the peer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DialError {
    /// The permit names nothing that can be dialed. The gateway erred.
    #[error("there is nothing to dial")]
    Nothing,
    /// The name has no address.
    #[error("{0} has no address")]
    NoAddress(String),
    /// The address is outside what the configuration permits.
    #[error("{address} is outside the bounds: {why}")]
    Forbidden {
        /// The address that was refused.
        address: String,
        /// The bound that it violates.
        why: &'static str,
    },
    /// The address is in another network than the one that the interface was declared in.
    #[error(
        "{address} is in the network {found}, and the interface was declared in {declared}; if \
         that is right, remove the interface and add it again"
    )]
    OtherNetwork {
        /// The address that was refused.
        address: String,
        /// The network that it is in.
        found: Name,
        /// The network of the interface.
        declared: Name,
    },
    /// Another flow has the only seat for writing to the serial line.
    #[error("another flow writes to this line")]
    Taken,
    /// Another interface has opened the serial line with other settings.
    #[error("the line is in use by an interface with other settings")]
    OtherSettings,
    /// A permit for only some text lines, on a serial line that cannot carry their characters.
    #[error(
        "the line is set to fewer than seven data bits, of which lines cannot be told apart; set \
         bits=7 or bits=8 in the interface's URL or where the agent declares the line"
    )]
    Narrow,
    /// Flows to the interface travel as the other kind.
    #[error("the interface is reached by a flow of {}", match .0 {
        FlowKind::Stream => "bytes",
        FlowKind::Datagrams => "datagrams",
    })]
    Kind(FlowKind),
    /// The agent of the device is not connected.
    #[error("the device's agent is not connected, or offers nothing")]
    NoAgent,
    /// The agent of the device offers no such interface.
    #[error("the device's agent does not offer {0} that way")]
    NotOffered(Name),
    /// The agent of the device refused, or its connection was lost.
    #[error("{0}")]
    Agent(LinkError),
    /// There is no memory left for the bytes that the agent of the device could send.
    #[error("there is no room for one more stream (limits.buffers)")]
    NoRoom,
    /// The backend did not answer in time.
    #[error("the backend did not answer within {} seconds", DIAL_TIMEOUT.as_secs())]
    Slow,
    /// The backend, or the network before it, refuses.
    #[error("{0}")]
    Refused(#[from] io::Error),
}

impl DialError {
    /// Returns the word for records.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Nothing => "nothing-to-dial",
            Self::NoAddress(_) => "backend-has-no-address",
            Self::Forbidden { .. } => "backend-out-of-bounds",
            Self::OtherNetwork { .. } => "backend-in-other-network",
            Self::Taken => "serial-line-taken",
            Self::OtherSettings => "serial-line-set-otherwise",
            Self::Narrow => "serial-line-too-narrow",
            Self::Kind(_) => "wrong-kind-of-flow",
            Self::NoAgent => "agent-not-connected",
            Self::NotOffered(_) => "agent-does-not-offer",
            Self::Agent(_) => "agent-refused",
            Self::NoRoom => "no-room-for-streams",
            Self::Slow => "backend-timeout",
            Self::Refused(_) => "backend-refused",
        }
    }
}

/// An open byte stream to a backend.
pub(crate) struct ConnectedStream {
    pub(crate) stream: BackendStream,
    /// The address that was dialed.
    pub(crate) address: String,
}

/// A connection to a backend, for bytes or datagrams.
pub(crate) enum DialedTarget {
    Stream { stream: BackendStream, address: String },
    Datagrams { messenger: Messenger, address: String },
}

impl From<ConnectedStream> for DialedTarget {
    fn from(ConnectedStream { stream, address }: ConnectedStream) -> Self {
        Self::Stream { stream, address }
    }
}

/// A byte stream to a backend.
#[derive(Debug)]
pub(crate) enum BackendStream {
    Tcp(tokio::net::TcpStream),
    Unix(tokio::net::UnixStream),
    Serial(Seat),
    Rtu(RtuSeat),
    Process(Box<doorward_local::Program>),
    Agent(Box<doorward_wire::Pipe>),
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
                    let (real, address) = serial::real(bounds, path).await?;
                    let open = Tty::open(real, *settings);
                    self.sit_at_line(target, address, *settings, wants, open).await
                }
                Way::Process { program, arguments } => {
                    process::dial(bounds, program, arguments).await.map(DialedTarget::from)
                }
                Way::Udp { host, port } => {
                    let (socket, address) = udp::dial(bounds, network, host, *port).await?;
                    Ok(DialedTarget::Datagrams { messenger: Messenger::Udp(socket), address })
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
                    let messenger = Messenger::Agent(Box::new(datagrams));
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
