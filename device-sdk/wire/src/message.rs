//! The messages. Each is a CBOR array of two: its type, and a map with integer keys.

use std::collections::BTreeMap;
use std::fmt;

use minicbor::data::Type;
use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};
use thiserror::Error;

/// Why bytes are no message. The peer's doing.
#[derive(Debug, Error)]
#[error("not a message of doorward/1: {0}")]
pub struct Malformed(String);

/// How a flow's bytes are to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// As a stream.
    Stream,
    /// As datagrams.
    Datagrams,
}

/// Why something was refused, as far as the peer may know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// No such interface, or no right to it.
    Forbidden,
    /// Too many flows at once.
    Busy,
    /// What is behind the interface could not be reached.
    Unreachable,
    /// What is behind the interface did not answer in time.
    NoAnswer,
    /// Somebody else has the one place there is: another writes to the line.
    Taken,
    /// It cannot be recorded now, so it does not happen.
    NotRecorded,
    /// The message asks for what cannot be.
    Wrong,
    /// Another connection with the same identity has taken the place of this one.
    Replaced,
    /// No version in common.
    Version,
    /// The gateway, or the agent, stops.
    Stopping,
    /// The identity does not stand any more, or an administrator has ended it.
    Ended,
    /// Nothing moved for too long.
    Idle,
    /// What is behind the interface broke off.
    Broken,
    /// A word of a later version.
    Other(u64),
}

const WHYS: [(u64, Why); 13] = [
    (1, Why::Forbidden),
    (2, Why::Busy),
    (3, Why::Unreachable),
    (4, Why::NoAnswer),
    (5, Why::Taken),
    (6, Why::NotRecorded),
    (7, Why::Wrong),
    (8, Why::Replaced),
    (9, Why::Version),
    (10, Why::Stopping),
    (11, Why::Ended),
    (12, Why::Idle),
    (13, Why::Broken),
];

impl Why {
    /// Its number on the wire; also the code with which QUIC streams and connections end.
    #[must_use]
    pub fn code(self) -> u64 {
        if let Self::Other(code) = self {
            return code;
        }
        WHYS.iter().find(|(_, why)| *why == self).map_or(0, |(code, _)| *code)
    }

    /// What a number on the wire means.
    #[must_use]
    pub fn of(code: u64) -> Self {
        WHYS.iter().find(|(known, _)| *known == code).map_or(Self::Other(code), |(_, why)| *why)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forbidden => "no such interface, or no right to it",
            Self::Busy => "too many at once",
            Self::Unreachable => "the interface could not be reached",
            Self::NoAnswer => "the interface did not answer in time",
            Self::Taken => "another flow has the writer's place",
            Self::NotRecorded => "it cannot be recorded now",
            Self::Wrong => "the request cannot be read",
            Self::Replaced => "another connection with this identity has taken over",
            Self::Version => "no version in common",
            Self::Stopping => "the other end stops",
            Self::Ended => "the identity does not stand any more, or an administrator ended it",
            Self::Idle => "nothing moved for too long",
            Self::Broken => "the interface broke off",
            Self::Other(code) => return write!(f, "reason {code}"),
        })
    }
}

macro_rules! as_number {
    ($type:ty, $to:expr, $from:expr) => {
        impl<C> Encode<C> for $type {
            fn encode<W: Write>(
                &self,
                e: &mut Encoder<W>,
                _: &mut C,
            ) -> Result<(), EncodeError<W::Error>> {
                e.u64($to(*self))?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $type {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, DecodeError> {
                $from(d.u64()?)
            }
        }
    };
}

as_number!(Why, Why::code, |code| Ok(Why::of(code)));
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

#[derive(Encode)]
#[cbor(map)]
struct Empty {}

fn message(kind: u64, body: impl Encode<()>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes);
    let encoded = encoder.array(2).and_then(|e| e.u64(kind)).and_then(|e| e.encode(body).map(drop));
    // A vector takes everything, and none of the types refuses to be written.
    if let Err(error) = encoded {
        tracing::error!(%error, "a message could not be written");
    }
    bytes
}

/// The map of a message.
struct Body<'b>(Decoder<'b>);

impl<'b> Body<'b> {
    fn of(frame: &'b [u8]) -> Result<(u64, Self), Malformed> {
        let mut decoder = Decoder::new(frame);
        let length = decoder.array().map_err(malformed)?;
        if length != Some(2) {
            return Err(Malformed("it is not an array of two".to_owned()));
        }
        let kind = decoder.u64().map_err(malformed)?;
        Ok((kind, Self(decoder)))
    }

    fn read<T: Decode<'b, ()>>(&mut self) -> Result<T, Malformed> {
        let read = self.0.decode().map_err(malformed)?;
        self.ended()?;
        Ok(read)
    }

    /// Passes over what is not known.
    fn pass(&mut self) -> Result<(), Malformed> {
        self.0.skip().map_err(malformed)?;
        self.ended()
    }

    fn ended(&self) -> Result<(), Malformed> {
        if self.0.position() == self.0.input().len() {
            Ok(())
        } else {
            Err(Malformed("bytes follow it".to_owned()))
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn malformed(error: DecodeError) -> Malformed {
    Malformed(error.to_string())
}
