//! What is said at the beginning of a flow's stream.

use std::collections::BTreeMap;

use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};

use super::{Body, Empty, Malformed, Why, as_number, message};

/// How a flow's bytes are to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As a stream.
    Stream,
    /// As datagrams.
    Datagrams,
}

as_number!(
    Kind,
    |kind| match kind {
        Kind::Stream => 1,
        Kind::Datagrams => 2,
    },
    |number| match number {
        1 => Ok(Kind::Stream),
        2 => Ok(Kind::Datagrams),
        _ => Err(DecodeError::message("a kind of flow that is not known")),
    }
);

/// The first frame of a flow's stream, from whoever opened it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    /// Asks for an interface.
    Open(Asked),
    /// A message that is not known here, of that type.
    Unknown(u64),
}

/// What an [`Opening`] asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Asked {
    /// Towards the gateway `DEVICE/INTERFACE`; towards a device the name that it offered.
    #[n(1)]
    pub interface: String,
    /// The wanted actions. Empty is every action that is granted.
    #[n(2)]
    #[cbor(default)]
    pub actions: Vec<String>,
    /// How the flow is to travel. Without it, as the interface does.
    #[n(3)]
    pub kind: Option<Kind>,
    /// Towards a device: on whose behalf, such as `user/alice`.
    #[n(4)]
    pub subject: Option<String>,
    /// Towards a device: settings of the gateway's declaration, such as `baud`.
    #[n(5)]
    #[cbor(default)]
    pub parameters: BTreeMap<String, String>,
}

impl Opening {
    /// The message as bytes, without its length.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Open(asked) => message(20, asked),
            Self::Unknown(kind) => message(*kind, Empty {}),
        }
    }

    /// Reads the first frame of a stream.
    ///
    /// # Errors
    /// When it is no message.
    pub fn decode(frame: &[u8]) -> Result<Self, Malformed> {
        let (kind, mut body) = Body::of(frame)?;
        if kind == 20 {
            return Ok(Self::Open(body.read()?));
        }
        body.pass()?;
        Ok(Self::Unknown(kind))
    }
}

/// The answer to an [`Opening`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The flow stands.
    Admitted {
        /// Its id in the gateway's audit log; empty from a device.
        flow: String,
        /// How it travels.
        kind: Kind,
        /// What was granted.
        actions: Vec<String>,
    },
    /// It does not.
    Refused {
        /// Why, in a coarse word.
        why: Why,
        /// For people.
        detail: String,
        /// The id under which the gateway's audit log has the reason.
        flow: String,
    },
    /// A message that is not known here, of that type.
    Unknown(u64),
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Admitted {
    #[n(1)]
    flow: String,
    #[n(2)]
    kind: Kind,
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
}

impl Answer {
    /// The message as bytes, without its length.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self.clone() {
            Self::Admitted { flow, kind, actions } => message(21, Admitted { flow, kind, actions }),
            Self::Refused { why, detail, flow } => message(22, Refused { why, detail, flow }),
            Self::Unknown(kind) => message(kind, Empty {}),
        }
    }

    /// Reads the answer's frame.
    ///
    /// # Errors
    /// When it is no message.
    pub fn decode(frame: &[u8]) -> Result<Self, Malformed> {
        let (kind, mut body) = Body::of(frame)?;
        match kind {
            21 => {
                let Admitted { flow, kind, actions } = body.read()?;
                Ok(Self::Admitted { flow, kind, actions })
            }
            22 => {
                let Refused { why, detail, flow } = body.read()?;
                Ok(Self::Refused { why, detail, flow })
            }
            other => {
                body.pass()?;
                Ok(Self::Unknown(other))
            }
        }
    }
}
