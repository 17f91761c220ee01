//! The messages. Each is a CBOR array of two: the type, and a map with integer keys.

mod control;
mod flow;
mod why;

use minicbor::decode::Error as DecodeError;
use minicbor::{Decode, Decoder, Encode, Encoder};
use thiserror::Error;

pub use control::{
    Control, Declined, Hello, Offer, Offering, PostureMessage, Renewed, Report, Taken, Value,
    Welcome,
};
pub use flow::{Answer, Asked, FlowKind, OpenFrame};
pub use why::Why;

/// Why bytes are not a message. The peer is at fault.
#[derive(Debug, Error)]
#[error("not a message of doorward/1: {0}")]
pub struct Malformed(String);

/// Implements CBOR for a type that is encoded as a number.
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

use as_number;

#[derive(Encode)]
#[cbor(map)]
struct Empty {}

fn message(kind: u64, body: impl Encode<()>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes);
    let encoded = encoder.array(2).and_then(|e| e.u64(kind)).and_then(|e| e.encode(body).map(drop));
    // Cannot fail: writing to a vector always succeeds, and so does encoding these types.
    if let Err(error) = encoded {
        tracing::error!(%error, "could not encode a message of doorward/1");
    }
    bytes
}

/// The body of a message: the second element of its array.
struct Body<'b>(Decoder<'b>);

impl<'b> Body<'b> {
    fn of(frame: &'b [u8]) -> Result<(u64, Self), Malformed> {
        let mut decoder = Decoder::new(frame);
        let length = decoder.array().map_err(malformed)?;
        if length != Some(2) {
            return Err(Malformed("the message is not an array of two".to_owned()));
        }
        let kind = decoder.u64().map_err(malformed)?;
        Ok((kind, Self(decoder)))
    }

    fn read<T: Decode<'b, ()>>(&mut self) -> Result<T, Malformed> {
        let read = self.0.decode().map_err(malformed)?;
        self.ended()?;
        Ok(read)
    }

    /// Skips the body of a message of unknown type.
    fn pass(&mut self) -> Result<(), Malformed> {
        self.0.skip().map_err(malformed)?;
        self.ended()
    }

    fn ended(&self) -> Result<(), Malformed> {
        if self.0.position() == self.0.input().len() {
            Ok(())
        } else {
            Err(Malformed("bytes follow the message".to_owned()))
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn malformed(error: DecodeError) -> Malformed {
    Malformed(error.to_string())
}
