//! Reads telnet: which bytes are data, which are commands.

use super::option::Options;
use super::{DO, DONT, IAC, SB, SE, WILL, WONT};

/// The longest subnegotiation that is read; longer ones are passed over.
const SUBNEGOTIATION: usize = 64;

/// What one side hears of the other, whichever it is.
#[derive(Debug)]
pub(super) enum Piece {
    Data(u8),
    /// WILL, WONT, DO or DONT, and of what.
    Option(u8, u8),
    Subnegotiation(Vec<u8>),
}

/// Takes the other side's bytes apart.
#[derive(Debug, Default)]
pub(super) struct Reader {
    at: At,
    /// The last byte of data was a carriage return, in a text.
    returned: bool,
    subnegotiation: Vec<u8>,
    pub(super) options: Options,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Data,
    Command,
    /// The option of WILL, WONT, DO or DONT comes next.
    Option(u8),
    Subnegotiation,
    /// Within one, after IAC.
    SubnegotiationCommand,
}

impl Reader {
    pub(super) fn read(&mut self, byte: u8) -> Option<Piece> {
        let (at, piece) = match self.at {
            At::Data if byte == IAC => (At::Command, None),
            At::Data => (At::Data, self.data(byte)),
            At::Command => self.command(byte),
            At::Option(verb) => (At::Data, Some(Piece::Option(verb, byte))),
            At::Subnegotiation if byte == IAC => (At::SubnegotiationCommand, None),
            At::Subnegotiation => (self.subnegotiated(byte), None),
            At::SubnegotiationCommand => match byte {
                IAC => (self.subnegotiated(byte), None),
                SE => {
                    let whole = std::mem::take(&mut self.subnegotiation);
                    let read = whole.len() <= SUBNEGOTIATION;
                    (At::Data, read.then_some(Piece::Subnegotiation(whole)))
                }
                // It was broken off.
                other => self.command(other),
            },
        };
        self.at = at;
        piece
    }

    fn data(&mut self, byte: u8) -> Option<Piece> {
        let text = !self.options.are_theirs_binary();
        // RFC 854: in a text, a carriage return alone is sent with a NUL behind it.
        let said = !(self.returned && byte == 0);
        self.returned = text && byte == b'\r';
        said.then_some(Piece::Data(byte))
    }

    fn command(&mut self, byte: u8) -> (At, Option<Piece>) {
        match byte {
            IAC => (At::Data, self.data(byte)),
            WILL | WONT | DO | DONT => (At::Option(byte), None),
            SB => {
                self.subnegotiation.clear();
                (At::Subnegotiation, None)
            }
            // Nothing that a line could do.
            _ => (At::Data, None),
        }
    }

    fn subnegotiated(&mut self, byte: u8) -> At {
        // One more than is read, so that it is seen to be too long.
        if self.subnegotiation.len() <= SUBNEGOTIATION {
            self.subnegotiation.push(byte);
        }
        At::Subnegotiation
    }

    #[cfg(test)]
    pub(super) fn is_bounded(&self) -> bool {
        self.subnegotiation.len() <= SUBNEGOTIATION + 1
    }
}
