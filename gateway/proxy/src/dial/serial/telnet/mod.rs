//! Telnet (RFC 854, 855) with COM-PORT-OPTION (RFC 2217), the server's side: bytes in, what they
//! mean out. It reads and writes nothing itself.

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod option;
mod port;

use std::collections::VecDeque;

use self::option::Options;
use super::request::{Answer, LineRequest};

/// The longest subnegotiation that is read; longer ones are passed over.
const SUBNEGOTIATION: usize = 64;

const SE: u8 = 240;
const SB: u8 = 250;
const WILL: u8 = 251;
const WONT: u8 = 252;
const DO: u8 = 253;
const DONT: u8 = 254;

/// What a client's bytes mean, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// For the line.
    Data(Vec<u8>),
    /// For the client, at once.
    Reply(Vec<u8>),
    /// Asked of the line; [`Telnet::answer`] makes the reply.
    Request(LineRequest),
    /// Whether the client wants no data for now.
    Suspend(bool),
}

/// One client's conversation.
#[derive(Debug, Default)]
pub(super) struct Telnet {
    at: At,
    /// The last byte of data was a carriage return, in a text.
    returned: bool,
    subnegotiation: Vec<u8>,
    options: Options,
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

/// Whether a byte after IAC shows that somebody speaks telnet.
pub(super) fn is_command(byte: u8) -> bool {
    (SB..=DONT).contains(&byte)
}

impl Telnet {
    /// What every command begins with.
    pub(super) const IAC: u8 = 255;

    /// What a server says that waits for nobody.
    pub(super) fn offer(&mut self) -> Vec<u8> {
        self.options.offer()
    }

    /// Reads what the client says.
    pub(super) fn receive(&mut self, bytes: &[u8]) -> Vec<Heard> {
        let mut heard = Vec::new();
        for byte in bytes {
            self.hear(*byte, &mut heard);
        }
        heard
    }

    fn hear(&mut self, byte: u8, heard: &mut Vec<Heard>) {
        self.at = match self.at {
            At::Data if byte == Self::IAC => At::Command,
            At::Data => {
                self.data(byte, heard);
                At::Data
            }
            At::Command => self.command(byte, heard),
            At::Option(verb) => {
                if let Some(reply) = self.options.hear(verb, byte) {
                    put(heard, Heard::Reply(reply.to_vec()));
                }
                At::Data
            }
            At::Subnegotiation if byte == Self::IAC => At::SubnegotiationCommand,
            At::Subnegotiation => {
                self.subnegotiated(byte);
                At::Subnegotiation
            }
            At::SubnegotiationCommand => match byte {
                Self::IAC => {
                    self.subnegotiated(byte);
                    At::Subnegotiation
                }
                SE => {
                    if self.subnegotiation.len() <= SUBNEGOTIATION {
                        heard_port(&self.subnegotiation, heard);
                    }
                    self.subnegotiation.clear();
                    At::Data
                }
                // It was broken off.
                other => self.command(other, heard),
            },
        };
    }

    fn data(&mut self, byte: u8, heard: &mut Vec<Heard>) {
        let text = !self.options.is_client_binary();
        // RFC 854: in a text, a carriage return alone is sent with a NUL behind it.
        if !(self.returned && byte == 0) {
            put(heard, Heard::Data(vec![byte]));
        }
        self.returned = text && byte == b'\r';
    }

    fn command(&mut self, byte: u8, heard: &mut Vec<Heard>) -> At {
        match byte {
            Self::IAC => {
                self.data(byte, heard);
                At::Data
            }
            WILL | WONT | DO | DONT => At::Option(byte),
            SB => {
                self.subnegotiation.clear();
                At::Subnegotiation
            }
            // Nothing that a line could do.
            _ => At::Data,
        }
    }

    fn subnegotiated(&mut self, byte: u8) {
        // One more than is read, so that it is seen to be too long.
        if self.subnegotiation.len() <= SUBNEGOTIATION {
            self.subnegotiation.push(byte);
        }
    }

    /// What a client is told.
    pub(super) fn answer(&self, answer: &Answer) -> Vec<u8> {
        port::answer(answer)
    }

    /// A byte of the line, as a client reads it.
    pub(super) fn escape(byte: u8, into: &mut VecDeque<u8>) {
        into.push_back(byte);
        if byte == Self::IAC {
            into.push_back(byte);
        }
    }
}

fn heard_port(subnegotiation: &[u8], heard: &mut Vec<Heard>) {
    if let Some(meant) = port::read(subnegotiation) {
        put(heard, meant);
    }
}

/// Adds what was heard; bytes of one kind that follow each other are one.
fn put(heard: &mut Vec<Heard>, next: Heard) {
    match (heard.last_mut(), next) {
        (Some(Heard::Data(before)), Heard::Data(bytes))
        | (Some(Heard::Reply(before)), Heard::Reply(bytes)) => before.extend(bytes),
        (_, next) => heard.push(next),
    }
}

#[cfg(test)]
mod tests;
