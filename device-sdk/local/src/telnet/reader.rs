//! Splits telnet into data and commands.

use super::option::Options;
use super::{DO, DONT, IAC, SB, SE, WILL, WONT};

/// The longest subnegotiation that is parsed. Longer ones are skipped.
const SUBNEGOTIATION: usize = 64;

/// A token of telnet, from either side.
#[derive(Debug)]
pub(super) enum Piece {
    Data(u8),
    /// WILL, WONT, DO or DONT, and the option.
    Option(u8, u8),
    Subnegotiation(Vec<u8>),
}

/// A tokenizer for the bytes of one side.
#[derive(Debug, Default)]
pub(super) struct Reader {
    at: At,
    /// Whether the last data byte was a carriage return in text mode.
    returned: bool,
    subnegotiation: Vec<u8>,
    pub(super) options: Options,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Data,
    Command,
    /// After WILL, WONT, DO or DONT: the option follows.
    Option(u8),
    Subnegotiation,
    /// Inside a subnegotiation, after IAC.
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
                // The subnegotiation broke off.
                other => self.command(other),
            },
        };
        self.at = at;
        piece
    }

    fn data(&mut self, byte: u8) -> Option<Piece> {
        let text = !self.options.are_theirs_binary();
        // RFC 854: in text mode, a lone carriage return is followed by a NUL, which is not data.
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
            // Other commands mean nothing to a serial line.
            _ => (At::Data, None),
        }
    }

    fn subnegotiated(&mut self, byte: u8) -> At {
        // Keeps one byte more than the limit, so that a too long one is recognized.
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
