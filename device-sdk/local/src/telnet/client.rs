//! The client's side of RFC 2217: reads what a server sends.

use super::event::ClientEvent;
use super::option::TIMING_MARK;
use super::reader::{TelnetReader, TelnetToken};
use super::{DO, IAC, WILL, WONT, port};
use crate::request::LineRequest;

/// The RFC 2217 client, which uses a line that is elsewhere.
#[derive(Debug, Default)]
pub struct TelnetClient(TelnetReader);

impl TelnetClient {
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
    pub fn receive(&mut self, bytes: &[u8]) -> Vec<ClientEvent> {
        let mut events = Vec::new();
        for byte in bytes {
            match self.0.read(*byte) {
                Some(TelnetToken::Data(byte)) => {
                    if let Some(ClientEvent::Data(before)) = events.last_mut() {
                        before.push(byte);
                    } else {
                        events.push(ClientEvent::Data(vec![byte]));
                    }
                }
                Some(TelnetToken::Option(WILL | WONT, TIMING_MARK)) => {
                    events.push(ClientEvent::Mark);
                }
                Some(TelnetToken::Option(verb, option)) => {
                    let reply = self.0.options.reply_to(verb, option);
                    events.extend(reply.map(|reply| ClientEvent::Reply(reply.to_vec())));
                }
                Some(TelnetToken::Subnegotiation(value)) => {
                    events.extend(port::parse_server(&value));
                }
                None => {}
            }
        }
        events
    }

    #[cfg(test)]
    pub(super) fn is_bounded(&self) -> bool {
        self.0.is_bounded()
    }
}
