//! Why a backend was not reached.

use std::borrow::Cow;
use std::io;
use std::time::Duration;

use doorward_model::Name;
use doorward_session::LinkError;
use doorward_wire::FlowKind;
use thiserror::Error;

/// How long a dial may take, with name resolution.
pub(super) const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a backend was not reached. The operator or the backend erred, never the peer.
#[derive(Debug, Error)]
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
        why: Cow<'static, str>,
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
