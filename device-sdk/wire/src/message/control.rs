//! The messages of the control stream.

use std::collections::BTreeMap;

use minicbor::data::Type;
use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};

use super::{Body, Empty, FlowKind, Malformed, Why, message};

/// The client's first message.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Hello {
    /// The protocol versions that the client speaks.
    #[n(1)]
    pub versions: Vec<u64>,
    /// The client's program and version, for people.
    #[n(2)]
    pub software: String,
    /// Random bytes made when the program started. They differ between two programs that use the
    /// same identity at the same time.
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub instance: Vec<u8>,
}

/// The gateway's answer to [`Hello`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Welcome {
    /// The protocol version for this connection.
    #[n(1)]
    pub version: u64,
    /// The gateway's program and version.
    #[n(2)]
    pub software: String,
    /// The gateway's time, in seconds since 1970.
    #[n(3)]
    pub time: i64,
    /// The session's id in the gateway's audit log.
    #[n(4)]
    pub session: String,
}

/// All interfaces that a device offers now. They replace those it offered before.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Offer {
    /// The request's id, which the answer repeats.
    #[n(1)]
    pub id: u64,
    /// The interfaces.
    #[n(2)]
    pub interfaces: Vec<Offering>,
}

/// An offered interface.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Offering {
    /// The interface's name at the agent: the NAME of `agent:NAME`.
    #[n(1)]
    pub name: String,
    /// How its flows travel.
    #[n(2)]
    pub kind: FlowKind,
}

/// The answer to an [`Offer`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Taken {
    /// The id of the offer.
    #[n(1)]
    pub id: u64,
    /// The declined interfaces, each with the reason.
    #[n(2)]
    pub declined: BTreeMap<String, String>,
}

/// A device's report about itself.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct PostureMessage {
    /// The request's id, which the answer repeats.
    #[n(1)]
    pub id: u64,
    /// The facts.
    #[n(2)]
    pub report: Report,
}

/// Facts by name.
pub type Report = BTreeMap<String, Value>;

/// The value of a fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A number.
    Number(u64),
    /// A boolean.
    Flag(bool),
    /// Several texts.
    List(Vec<String>),
}

impl<C> Encode<C> for Value {
    fn encode<W: Write>(
        &self,
        e: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        match self {
            Self::Text(text) => e.str(text)?.ok(),
            Self::Number(number) => e.u64(*number)?.ok(),
            Self::Flag(flag) => e.bool(*flag)?.ok(),
            Self::List(texts) => texts.encode(e, context),
        }
    }
}

impl<'b, C> Decode<'b, C> for Value {
    fn decode(d: &mut Decoder<'b>, context: &mut C) -> Result<Self, DecodeError> {
        #[expect(clippy::wildcard_enum_match_arm, reason = "`u64` refuses other types")]
        match d.datatype()? {
            Type::String | Type::StringIndef => Ok(Self::Text(String::decode(d, context)?)),
            Type::Bool => Ok(Self::Flag(d.bool()?)),
            Type::Array | Type::ArrayIndef => Ok(Self::List(Vec::decode(d, context)?)),
            _ => Ok(Self::Number(d.u64()?)),
        }
    }
}

/// A new certificate.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Renewed {
    /// The id of the request.
    #[n(1)]
    pub id: u64,
    /// The leaf, then the issuing authority, as PEM.
    #[n(2)]
    pub certificate: String,
    /// The trust anchors, as PEM.
    #[n(3)]
    pub anchors: String,
}

/// The answer to a refused request on the control stream.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Declined {
    /// The id of the request.
    #[n(1)]
    pub id: u64,
    /// The reason.
    #[n(2)]
    pub why: Why,
    /// What to do next, for people.
    #[n(3)]
    pub detail: String,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Renew {
    #[n(1)]
    id: u64,
    #[n(2)]
    request: String,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Cut {
    #[n(1)]
    flow: u64,
    #[n(2)]
    why: Why,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Number {
    #[n(1)]
    number: u64,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Ending {
    #[n(1)]
    why: Why,
    #[n(2)]
    detail: String,
}

/// A message of the control stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Control {
    /// Client: the first message.
    Hello(Hello),
    /// Gateway: the first message.
    Welcome(Welcome),
    /// Client: the interfaces it offers.
    Offer(Offer),
    /// Gateway: which offered interfaces it accepted.
    Taken(Taken),
    /// Client: a report about the device.
    Posture(PostureMessage),
    /// Gateway: the report with this id is recorded.
    Noted(u64),
    /// Client: asks for a new certificate. The request's id and the PKCS #10 request as PEM.
    Renew(u64, String),
    /// Gateway: the new certificate.
    Renewed(Renewed),
    /// Client: the certificate of the request with this id is stored and tested. The session
    /// depends on it from now on.
    Kept(u64),
    /// Gateway: refuses a request.
    Declined(Declined),
    /// Either side: the flow on the stream with this number was cut, and why.
    Cut(u64, Why),
    /// Either side: this connection ends, and why.
    Bye(Why, String),
    /// Either side: asks for a [`Pong`](Self::Pong) with this number.
    Ping(u64),
    /// Either side: answers a [`Ping`](Self::Ping).
    Pong(u64),
    /// Either side: does not know messages of this type.
    NotKnown(u64),
    /// A received message whose type, given here, is not known.
    Unknown(u64),
}

impl Control {
    /// Encodes the message, without a length prefix.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Hello(hello) => message(1, hello),
            Self::Welcome(welcome) => message(2, welcome),
            Self::Offer(offer) => message(3, offer),
            Self::Taken(taken) => message(4, taken),
            Self::Posture(posture) => message(5, posture),
            Self::Noted(id) => message(6, Number { number: *id }),
            Self::Renew(id, request) => message(7, Renew { id: *id, request: request.clone() }),
            Self::Renewed(renewed) => message(8, renewed),
            Self::Declined(declined) => message(9, declined),
            Self::Cut(flow, why) => message(10, Cut { flow: *flow, why: *why }),
            Self::Bye(why, detail) => message(11, Ending { why: *why, detail: detail.clone() }),
            Self::Ping(number) => message(12, Number { number: *number }),
            Self::Pong(number) => message(13, Number { number: *number }),
            Self::NotKnown(number) => message(14, Number { number: *number }),
            Self::Kept(id) => message(15, Number { number: *id }),
            Self::Unknown(kind) => message(*kind, Empty {}),
        }
    }

    /// Decodes a frame of the control stream. An unknown type becomes [`Unknown`](Self::Unknown).
    ///
    /// # Errors
    /// Fails when the frame is not a message.
    pub fn decode(frame: &[u8]) -> Result<Self, Malformed> {
        let (kind, mut body) = Body::of(frame)?;
        let control = match kind {
            1 => Self::Hello(body.read()?),
            2 => Self::Welcome(body.read()?),
            3 => Self::Offer(body.read()?),
            4 => Self::Taken(body.read()?),
            5 => Self::Posture(body.read()?),
            6 => Self::Noted(body.read::<Number>()?.number),
            7 => {
                let Renew { id, request } = body.read()?;
                Self::Renew(id, request)
            }
            8 => Self::Renewed(body.read()?),
            9 => Self::Declined(body.read()?),
            10 => {
                let Cut { flow, why } = body.read()?;
                Self::Cut(flow, why)
            }
            11 => {
                let Ending { why, detail } = body.read()?;
                Self::Bye(why, detail)
            }
            12 => Self::Ping(body.read::<Number>()?.number),
            13 => Self::Pong(body.read::<Number>()?.number),
            14 => Self::NotKnown(body.read::<Number>()?.number),
            15 => Self::Kept(body.read::<Number>()?.number),
            other => {
                body.pass()?;
                return Ok(Self::Unknown(other));
            }
        };
        Ok(control)
    }
}
