//! The client's side of RFC 2217: reads what a server sends.

use super::option::TIMING_MARK;
use super::reader::{Piece, Reader};
use super::{DO, IAC, WILL, WONT, port};
use crate::request::{LineRequest, Modem};

/// An event in a server's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Data from the line.
    Data(Vec<u8>),
    /// Bytes to send to the server at once.
    Reply(Vec<u8>),
    /// The answer to a request, with the value in force. `None` is a value that [`LineRequest`]
    /// cannot express.
    Done(LineRequest),
    /// The modem lines.
    Modem(Modem),
    /// Whether the server wants no data for now.
    Suspend(bool),
    /// The answer to [`TelnetClient::MARK`]: earlier data was taken, or the server does not check.
    Mark,
}

/// The RFC 2217 client, which uses a line that is elsewhere.
#[derive(Debug, Default)]
pub struct Client(Reader);

impl Client {
    /// Asks the server to answer when everything before this mark is done (RFC 860). A server that
    /// cannot tell answers too.
    pub const MARK: [u8; 3] = [IAC, DO, TIMING_MARK];

    /// Returns the option offers with which a client begins.
    pub fn offer(&mut self) -> Vec<u8> {
        self.0.options.offer(WILL)
    }

    /// Encodes a request.
    #[must_use]
    pub fn ask(request: LineRequest) -> Vec<u8> {
        port::ask(request)
    }

    /// Parses bytes from the server.
    pub fn receive(&mut self, bytes: &[u8]) -> Vec<Told> {
        let mut told = Vec::new();
        for byte in bytes {
            match self.0.read(*byte) {
                Some(Piece::Data(byte)) => match told.last_mut() {
                    Some(Told::Data(before)) => before.push(byte),
                    _ => told.push(Told::Data(vec![byte])),
                },
                Some(Piece::Option(WILL | WONT, TIMING_MARK)) => told.push(Told::Mark),
                Some(Piece::Option(verb, option)) => {
                    let reply = self.0.options.hear(verb, option);
                    told.extend(reply.map(|reply| Told::Reply(reply.to_vec())));
                }
                Some(Piece::Subnegotiation(said)) => told.extend(port::told(&said)),
                None => {}
            }
        }
        told
    }

    #[cfg(test)]
    pub(super) fn is_bounded(&self) -> bool {
        self.0.is_bounded()
    }
}
