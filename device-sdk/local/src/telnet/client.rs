//! The client's side of RFC 2217: what a server says.

use super::option::TIMING_MARK;
use super::reader::{Piece, Reader};
use super::{DO, IAC, WILL, WONT, port};
use crate::request::{LineRequest, Modem};

/// What a server's bytes mean, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// From the line.
    Data(Vec<u8>),
    /// For the server, at once.
    Reply(Vec<u8>),
    /// The answer to a request of that kind: what is in force. `None` in it is what there is no
    /// word for here.
    Done(LineRequest),
    /// The modem's lines.
    Modem(Modem),
    /// Whether the server wants no data for now.
    Suspend(bool),
    /// What was said before [`Client::MARK`] is done; or nobody looks.
    Mark,
}

/// The side of whoever uses a line that is elsewhere.
#[derive(Debug, Default)]
pub struct Client(Reader);

impl Client {
    /// Asks to be told when what was said before is done (RFC 860). A server that does not look
    /// answers all the same.
    pub const MARK: [u8; 3] = [IAC, DO, TIMING_MARK];

    /// What a client says that waits for nobody.
    pub fn offer(&mut self) -> Vec<u8> {
        self.0.options.offer(WILL)
    }

    /// What asks a server.
    #[must_use]
    pub fn ask(request: LineRequest) -> Vec<u8> {
        port::ask(request)
    }

    /// Reads what the server says.
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
