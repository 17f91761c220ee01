//! Why something was refused, as far as the peer may know.

use std::fmt;

use minicbor::decode::Error as DecodeError;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decode, Decoder, Encode, Encoder};

use super::as_number;

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

as_number!(Why, Why::code, |code| Ok(Why::of(code)));
