//! Reads CoAP messages (RFC 7252 section 3).

use super::code::{CoapCode, CodeClass};
use super::option::{CoapOptions, MARKER};

/// The type of a message (RFC 7252, section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MessageType {
    Confirmable,
    NonConfirmable,
    Acknowledgement,
    Reset,
}

/// A token, which ties a response to its request: up to 8 bytes (RFC 7252, section 5.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CoapToken {
    length: u8,
    /// Zero from `length` on.
    bytes: [u8; 8],
}

impl CoapToken {
    fn new(from: &[u8]) -> Option<Self> {
        let mut bytes = [0; 8];
        bytes.get_mut(..from.len())?.copy_from_slice(from);
        Some(Self { length: u8::try_from(from.len()).ok()?, bytes })
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length.into()).unwrap_or_default()
    }

    /// Returns the token as a number, if it has all 8 bytes.
    pub(super) fn number(&self) -> Option<u64> {
        (self.length == 8).then(|| u64::from_be_bytes(self.bytes))
    }
}

impl From<u64> for CoapToken {
    fn from(number: u64) -> Self {
        Self { length: 8, bytes: number.to_be_bytes() }
    }
}

/// The header of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CoapHeader {
    pub(super) kind: MessageType,
    pub(super) code: CoapCode,
    pub(super) id: u16,
    pub(super) token: CoapToken,
}

impl CoapHeader {
    /// Returns the header of a Reset that rejects the message with this id (section 4.2).
    pub(super) fn reset(id: u16) -> Self {
        Self { kind: MessageType::Reset, code: CoapCode::EMPTY, id, token: CoapToken::default() }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let kind = match self.kind {
            MessageType::Confirmable => 0x40,
            MessageType::NonConfirmable => 0x50,
            MessageType::Acknowledgement => 0x60,
            MessageType::Reset => 0x70,
        };
        let [high, low] = self.id.to_be_bytes();
        out.extend([kind | self.token.length, self.code.0, high, low]);
        out.extend_from_slice(self.token.as_bytes());
    }
}

/// A whole, well-formed message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'d> {
    pub(super) header: CoapHeader,
    /// The options as they were sent.
    pub(super) options: &'d [u8],
    /// The part after the options: nothing, or the marker and the payload.
    pub(super) payload: &'d [u8],
}

/// Why a datagram is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MalformedMessage {
    /// What is wrong, as the end of a sentence.
    pub(super) what: &'static str,
    /// The id with which the message is rejected. `None` if it must be ignored silently (sections
    /// 3, 4.2, 4.3).
    pub(super) reset: Option<u16>,
}

impl<'d> Message<'d> {
    pub(super) fn read(datagram: &'d [u8]) -> Result<Self, MalformedMessage> {
        let &[first, code, high, low, ref rest @ ..] = datagram else {
            return Err(MalformedMessage { what: "has sent less than a header", reset: None });
        };
        if first >> 6 != 1 {
            return Err(MalformedMessage { what: "speaks another version of CoAP", reset: None });
        }
        let kind = match first >> 4 & 0b11 {
            0 => MessageType::Confirmable,
            1 => MessageType::NonConfirmable,
            2 => MessageType::Acknowledgement,
            _ => MessageType::Reset,
        };
        let (code, id) = (CoapCode(code), u16::from_be_bytes([high, low]));
        let reset = (kind == MessageType::Confirmable).then_some(id);
        let wrong = |what| MalformedMessage { what, reset };
        match (kind, code.class()) {
            (_, CodeClass::Reserved) => return Err(wrong("uses a reserved class of codes")),
            (MessageType::NonConfirmable, CodeClass::Empty)
            | (MessageType::Acknowledgement, CodeClass::Request)
            | (MessageType::Reset, CodeClass::Request | CodeClass::Response) => {
                return Err(wrong("has sent a code that its type cannot have"));
            }
            (
                MessageType::Confirmable,
                CodeClass::Empty | CodeClass::Request | CodeClass::Response,
            )
            | (MessageType::NonConfirmable, CodeClass::Request | CodeClass::Response)
            | (MessageType::Acknowledgement, CodeClass::Empty | CodeClass::Response)
            | (MessageType::Reset, CodeClass::Empty) => {}
        }
        let length = usize::from(first & 0xf);
        let (token, rest) =
            rest.split_at_checked(length).ok_or(wrong("has sent a token that is cut off"))?;
        let token = CoapToken::new(token).ok_or(wrong("uses a reserved token length"))?;
        if code == CoapCode::EMPTY && !(length == 0 && rest.is_empty()) {
            return Err(wrong("has sent an empty message with a token or content"));
        }
        let payload =
            CoapOptions::new(rest).end().ok_or(wrong("has sent malformed options, or too many"))?;
        if payload == [MARKER] {
            return Err(wrong("has announced a payload and sent none"));
        }
        let (options, payload) =
            rest.split_at_checked(rest.len() - payload.len()).unwrap_or_default();
        Ok(Self { header: CoapHeader { kind, code, id, token }, options, payload })
    }

    pub(super) fn options(&self) -> CoapOptions<'d> {
        CoapOptions::new(self.options)
    }
}
