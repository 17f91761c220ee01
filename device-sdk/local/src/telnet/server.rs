//! The server's side of RFC 2217: what a client says.

use super::option::TIMING_MARK;
use super::reader::{Piece, Reader};
use super::{DO, IAC, WILL, WONT, port};
use crate::request::{Answer, LineRequest};

/// What a client's bytes mean, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// For the line.
    Data(Vec<u8>),
    /// For the client, at once.
    Reply(Vec<u8>),
    /// Asked of the line; [`Server::answer`] makes the reply.
    Request(LineRequest),
    /// Whether the client wants no data for now.
    Suspend(bool),
    /// The client wants to be told when what it has said before is done: RFC 860, answered with
    /// [`Server::MARK`], or with [`Server::NO_MARK`] where nobody looks.
    Mark,
}

/// The side of whoever has the line.
#[derive(Debug, Default)]
pub struct Server(Reader);

impl Server {
    /// What was said before the client's mark is done.
    pub const MARK: [u8; 3] = [IAC, WILL, TIMING_MARK];

    /// There are no such marks here.
    pub const NO_MARK: [u8; 3] = [IAC, WONT, TIMING_MARK];

    /// What a server says that waits for nobody.
    pub fn offer(&mut self) -> Vec<u8> {
        self.0.options.offer(DO)
    }

    /// Reads what the client says.
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

    /// What a client is told.
    #[must_use]
    pub fn answer(answer: Answer) -> Vec<u8> {
        port::answer(answer)
    }

    #[cfg(test)]
    pub(super) fn is_bounded(&self) -> bool {
        self.0.is_bounded()
    }
}
