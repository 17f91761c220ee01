//! The messages at the beginning of a flow's stream.

use std::collections::BTreeMap;

use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};

use super::{Body, Empty, Malformed, Why, as_number, message};

/// How a flow's bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowKind {
    /// As a stream.
    Stream,
    /// As datagrams.
    Datagrams,
}

as_number!(
    FlowKind,
    |kind| match kind {
        FlowKind::Stream => 1,
        FlowKind::Datagrams => 2,
    },
    |number| match number {
        1 => Ok(FlowKind::Stream),
        2 => Ok(FlowKind::Datagrams),
        _ => Err(DecodeError::message("unknown kind of flow")),
    }
);

/// The first frame of a flow's stream, from the side that opened it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenFrame {
    /// Asks for an interface.
    Open(Asked),
    /// Asks whether [`Open`](Self::Open) would be admitted. Nothing is opened.
    Ask(Asked),
    /// A received message whose type, given here, is not known.
    Unknown(u64),
}

/// The request in an [`OpenFrame`], or the question.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Asked {
    /// To the gateway: `DEVICE/INTERFACE`. To a device: the name that it offered.
    #[n(1)]
    pub interface: String,
    /// The wanted actions. An empty list asks for every action that the policy grants.
    #[n(2)]
    #[cbor(default)]
    pub actions: Vec<String>,
    /// How the flow is to travel. Without it, the interface decides.
    #[n(3)]
    pub kind: Option<FlowKind>,
    /// To a device: the subject that the flow is for, such as `user/alice`.
    #[n(4)]
    pub subject: Option<String>,
    /// To a device: settings from the gateway's declaration, such as `baud`.
    #[n(5)]
    #[cbor(default)]
    pub parameters: BTreeMap<String, String>,
}

impl OpenFrame {
    /// Encodes the message, without a length prefix.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Open(asked) => message(20, asked),
            Self::Ask(asked) => message(23, asked),
            Self::Unknown(kind) => message(*kind, Empty {}),
        }
    }

    /// Decodes the first frame of a stream.
    ///
    /// # Errors
    /// Fails when the frame is not a message.
    pub fn decode(frame: &[u8]) -> Result<Self, Malformed> {
        let (kind, mut body) = Body::of(frame)?;
        match kind {
            20 => Ok(Self::Open(body.read()?)),
            23 => Ok(Self::Ask(body.read()?)),
            other => {
                body.pass()?;
                Ok(Self::Unknown(other))
            }
        }
    }
}

/// The answer to an [`OpenFrame`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The flow is open, or would be if the peer only asked.
    Admitted {
        /// The flow's id in the gateway's audit log; empty from a device, and if nothing was opened.
        flow: String,
        /// How the flow travels.
        kind: FlowKind,
        /// The granted actions.
        actions: Vec<String>,
    },
    /// The flow was refused.
    Refused {
        /// The reason, as far as the peer may know it.
        why: Why,
        /// An explanation for people.
        detail: String,
        /// The id of the record in the gateway's audit log that has the exact reason.
        flow: String,
        /// When a rule could allow it if nothing but the time changes, in seconds since 1970.
        from: Option<i64>,
    },
    /// A received message whose type, given here, is not known.
    Unknown(u64),
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Admitted {
    #[n(1)]
    flow: String,
    #[n(2)]
    kind: FlowKind,
    #[n(3)]
    #[cbor(default)]
    actions: Vec<String>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Refused {
    #[n(1)]
    why: Why,
    #[n(2)]
    #[cbor(default)]
    detail: String,
    #[n(3)]
    #[cbor(default)]
    flow: String,
    #[n(4)]
    from: Option<i64>,
}

impl Answer {
    /// Encodes the message, without a length prefix.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self.clone() {
            Self::Admitted { flow, kind, actions } => message(21, Admitted { flow, kind, actions }),
            Self::Refused { why, detail, flow, from } => {
                message(22, Refused { why, detail, flow, from })
            }
            Self::Unknown(kind) => message(kind, Empty {}),
        }
    }

    /// Decodes the frame of an answer.
    ///
    /// # Errors
    /// Fails when the frame is not a message.
    pub fn decode(frame: &[u8]) -> Result<Self, Malformed> {
        let (kind, mut body) = Body::of(frame)?;
        match kind {
            21 => {
                let Admitted { flow, kind, actions } = body.read()?;
                Ok(Self::Admitted { flow, kind, actions })
            }
            22 => {
                let Refused { why, detail, flow, from } = body.read()?;
                Ok(Self::Refused { why, detail, flow, from })
            }
            other => {
                body.pass()?;
                Ok(Self::Unknown(other))
            }
        }
    }
}
