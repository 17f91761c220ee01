//! Splits telnet into data and commands.

use super::option::TelnetOptions;
use super::{DO, DONT, IAC, SB, SE, WILL, WONT};

/// The longest subnegotiation that is parsed. Longer ones are skipped.
const SUBNEGOTIATION: usize = 64;

/// A token of telnet, from either side.
#[derive(Debug)]
pub(super) enum TelnetToken {
    Data(u8),
    /// WILL, WONT, DO or DONT, and the option.
    Option(u8, u8),
    Subnegotiation(Vec<u8>),
}

/// A tokenizer for the bytes of one side.
#[derive(Debug, Default)]
pub(super) struct TelnetReader {
    state: ReaderState,
    /// Whether the last data byte was a carriage return in text mode.
    returned: bool,
    subnegotiation: Vec<u8>,
    pub(super) options: TelnetOptions,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ReaderState {
    #[default]
    Data,
    Command,
    /// After WILL, WONT, DO or DONT: the option follows.
    Option(u8),
    Subnegotiation,
    /// Inside a subnegotiation, after IAC.
    SubnegotiationCommand,
}

impl TelnetReader {
    pub(super) fn read(&mut self, byte: u8) -> Option<TelnetToken> {
        let (state, token) = match self.state {
            ReaderState::Data if byte == IAC => (ReaderState::Command, None),
            ReaderState::Data => (ReaderState::Data, self.data(byte)),
            ReaderState::Command => self.command(byte),
            ReaderState::Option(verb) => (ReaderState::Data, Some(TelnetToken::Option(verb, byte))),
            ReaderState::Subnegotiation if byte == IAC => {
                (ReaderState::SubnegotiationCommand, None)
            }
            ReaderState::Subnegotiation => (self.push_subnegotiation(byte), None),
            ReaderState::SubnegotiationCommand => match byte {
                IAC => (self.push_subnegotiation(byte), None),
                SE => {
                    let whole = std::mem::take(&mut self.subnegotiation);
                    let read = whole.len() <= SUBNEGOTIATION;
                    (ReaderState::Data, read.then_some(TelnetToken::Subnegotiation(whole)))
                }
                // The subnegotiation broke off.
                other => self.command(other),
            },
        };
        self.state = state;
        token
    }

    fn data(&mut self, byte: u8) -> Option<TelnetToken> {
        let text = !self.options.are_theirs_binary();
        // RFC 854: in text mode, a lone carriage return is followed by a NUL, which is not data.
        let is_data = !(self.returned && byte == 0);
        self.returned = text && byte == b'\r';
        is_data.then_some(TelnetToken::Data(byte))
    }

    fn command(&mut self, byte: u8) -> (ReaderState, Option<TelnetToken>) {
        match byte {
            IAC => (ReaderState::Data, self.data(byte)),
            WILL | WONT | DO | DONT => (ReaderState::Option(byte), None),
            SB => {
                self.subnegotiation.clear();
                (ReaderState::Subnegotiation, None)
            }
            // Other commands mean nothing to a serial line.
            _ => (ReaderState::Data, None),
        }
    }

    fn push_subnegotiation(&mut self, byte: u8) -> ReaderState {
        // Keeps one byte more than the limit, so that a too long one is recognized.
        if self.subnegotiation.len() <= SUBNEGOTIATION {
            self.subnegotiation.push(byte);
        }
        ReaderState::Subnegotiation
    }

    #[cfg(test)]
    pub(super) fn is_bounded(&self) -> bool {
        self.subnegotiation.len() <= SUBNEGOTIATION + 1
    }
}
