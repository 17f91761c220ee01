//! The server's side of RFC 2217: reads what a client sends.

use super::option::TIMING_MARK;
use super::reader::{Piece, Reader};
use super::{DO, IAC, WILL, WONT, port};
use crate::request::{Answer, LineRequest};

/// An event in a client's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Data for the line.
    Data(Vec<u8>),
    /// Bytes to send to the client at once.
    Reply(Vec<u8>),
    /// A request to the line, to be answered with [`TelnetServer::answer`].
    Request(LineRequest),
    /// Whether the client wants no data for now.
    Suspend(bool),
    /// A question whether everything before it is done (RFC 860). Answered with
    /// [`TelnetServer::MARK`] then, or with [`TelnetServer::NO_MARK`] by a server that cannot tell.
    Mark,
}

/// The RFC 2217 server, which has the line.
#[derive(Debug, Default)]
pub struct Server(Reader);

impl Server {
    /// The answer that everything before the client's mark is done.
    pub const MARK: [u8; 3] = [IAC, WILL, TIMING_MARK];

    /// The answer that this server cannot tell.
    pub const NO_MARK: [u8; 3] = [IAC, WONT, TIMING_MARK];

    /// Returns the option offers with which a server begins.
    pub fn offer(&mut self) -> Vec<u8> {
        self.0.options.offer(DO)
    }

    /// Parses bytes from the client.
    pub fn receive(&mut self, bytes: &[u8]) -> Vec<Heard> {
        let mut heard = Vec::new();
        for byte in bytes {
            match self.0.read(*byte) {
                Some(Piece::Data(byte)) => match heard.last_mut() {
                    Some(Heard::Data(before)) => before.push(byte),
                    _ => heard.push(Heard::Data(vec![byte])),
                },
                Some(Piece::Option(DO, TIMING_MARK)) => heard.push(Heard::Mark),
                Some(Piece::Option(verb, option)) => {
                    let reply = self.0.options.hear(verb, option);
                    heard.extend(reply.map(|reply| Heard::Reply(reply.to_vec())));
                }
                Some(Piece::Subnegotiation(said)) => heard.extend(port::heard(&said)),
                None => {}
            }
        }
        heard
    }

    /// Encodes an answer.
    #[must_use]
    pub fn answer(answer: Answer) -> Vec<u8> {
        port::answer(answer)
    }

    #[cfg(test)]
    pub(super) fn is_bounded(&self) -> bool {
        self.0.is_bounded()
    }
}
