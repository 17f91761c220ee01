//! What is said on the control stream.

use std::collections::BTreeMap;

use minicbor::data::Type;
use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};

use super::{Body, Empty, Kind, Malformed, Why, message};

/// The client's first word.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Hello {
    /// The versions that it speaks.
    #[n(1)]
    pub versions: Vec<u64>,
    /// Its program and version, for people.
    #[n(2)]
    pub software: String,
    /// Made at random when the program started: two that run at once with one identity have
    /// different ones.
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub instance: Vec<u8>,
}

/// The gateway's answer to [`Hello`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Welcome {
    /// The version that is spoken from here on.
    #[n(1)]
    pub version: u64,
    /// Its program and version.
    #[n(2)]
    pub software: String,
    /// Its time, in seconds since 1970.
    #[n(3)]
    pub time: i64,
    /// The id of the session in its audit log.
    #[n(4)]
    pub session: String,
}

/// All interfaces that a device offers now, in the place of those that it offered before.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Offer {
    /// What the answer names.
    #[n(1)]
    pub id: u64,
    /// The interfaces.
    #[n(2)]
    pub interfaces: Vec<Offering>,
}

/// One offered interface.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Offering {
    /// Its name with the agent: the NAME of `agent:NAME`.
    #[n(1)]
    pub name: String,
    /// How its flows travel.
    #[n(2)]
    pub kind: Kind,
}

/// The answer to an [`Offer`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Taken {
    /// Which offer.
    #[n(1)]
    pub id: u64,
    /// What was not taken, and why.
    #[n(2)]
    pub declined: BTreeMap<String, String>,
}

/// A report of a device about itself.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct Posture {
    /// What the answer names.
    #[n(1)]
    pub id: u64,
    /// What it reports.
    #[n(2)]
    pub report: Report,
}

/// Named facts.
pub type Report = BTreeMap<String, Value>;

/// One fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A number.
    Number(u64),
    /// Yes or no.
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
    /// Which request.
    #[n(1)]
    pub id: u64,
    /// The leaf, then the issuing authority, PEM.
    #[n(2)]
    pub certificate: String,
    /// The trust anchors, PEM.
    #[n(3)]
    pub anchors: String,
}

/// A request on the control stream that was not granted.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Declined {
    /// Which request.
    #[n(1)]
    pub id: u64,
    /// Why.
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

/// What is said on the control stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Control {
    /// Client: its first word.
    Hello(Hello),
    /// Gateway: its first word.
    Welcome(Welcome),
    /// Client: what it offers.
    Offer(Offer),
    /// Gateway: what of it was taken.
    Taken(Taken),
    /// Client: how it is.
    Posture(Posture),
    /// Gateway: a report has been noted.
    Noted(u64),
    /// Client: asks for a new certificate. Its id, and the PKCS #10 request, PEM.
    Renew(u64, String),
    /// Gateway: the new certificate.
    Renewed(Renewed),
    /// Client: the certificate of that request is stored and has been tried; the session is to
    /// stand on it from now on.
    Kept(u64),
    /// Gateway: a request that was not granted.
    Declined(Declined),
    /// Either: the flow on that stream was cut, and why.
    Cut(u64, Why),
    /// Either: this connection ends.
    Bye(Why, String),
    /// Either: answer with [`Pong`](Self::Pong) and this number.
    Ping(u64),
    /// Either: the answer.
    Pong(u64),
    /// Either: a message of that type is not known here.
    NotKnown(u64),
    /// A message that is not known here, of that type.
    Unknown(u64),
}

impl Control {
    /// The message as bytes, without its length.
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

    /// Reads a frame of the control stream.
    ///
    /// # Errors
    /// When it is no message. A type that is not known is [`Unknown`](Self::Unknown).
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
