//! The reasons that a peer may know for a refusal or an end.

use std::fmt;

use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};

use super::as_number;

/// A reason for a refusal or an end, as far as the peer may know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// There is no such interface, or the subject has no right to it.
    Forbidden,
    /// There are too many flows at once.
    Busy,
    /// The interface's backend could not be reached.
    Unreachable,
    /// The interface's backend did not answer in time.
    NoAnswer,
    /// Only one flow may write to this serial line, and another one does.
    Taken,
    /// The audit log cannot record the flow now, so the gateway refuses it.
    NotRecorded,
    /// The message asks for something impossible.
    Wrong,
    /// Another connection with the same identity has replaced this one.
    Replaced,
    /// The two sides have no protocol version in common.
    Version,
    /// The gateway or the agent is stopping.
    Stopping,
    /// The identity is no longer valid, or an administrator ended the session.
    Ended,
    /// Nothing was transferred for too long.
    Idle,
    /// The interface's backend broke off.
    Broken,
    /// The code of a reason that a later version added.
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
    /// Returns the reason's number in messages. QUIC streams and connections end with this code.
    #[must_use]
    pub fn code(self) -> u64 {
        if let Self::Other(code) = self {
            return code;
        }
        WHYS.iter().find(|(_, why)| *why == self).map_or(0, |(code, _)| *code)
    }

    /// Returns the reason for a number in a message.
    #[must_use]
    pub fn of(code: u64) -> Self {
        WHYS.iter().find(|(known, _)| *known == code).map_or(Self::Other(code), |(_, why)| *why)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forbidden => "no such interface, or no right to it",
            Self::Busy => "too many flows at once",
            Self::Unreachable => "the interface could not be reached",
            Self::NoAnswer => "the interface did not answer in time",
            Self::Taken => "another flow already writes to the line",
            Self::NotRecorded => "the audit log cannot record it now",
            Self::Wrong => "the request is malformed or impossible",
            Self::Replaced => "another connection with this identity has replaced this one",
            Self::Version => "the two sides have no protocol version in common",
            Self::Stopping => "the other end is stopping",
            Self::Ended => "the identity is no longer valid, or an administrator ended the session",
            Self::Idle => "nothing was transferred for too long",
            Self::Broken => "the interface broke off",
            // A stream that is dropped ends with this code.
            Self::Other(0) => "the other end cut it and gave no reason",
            Self::Other(code) => return write!(f, "reason {code}"),
        })
    }
}

as_number!(Why, Why::code, |code| Ok(Why::of(code)));
