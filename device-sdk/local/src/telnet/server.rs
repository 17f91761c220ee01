//! The server's side of RFC 2217: reads what a client sends.

use super::event::ServerEvent;
use super::option::TIMING_MARK;
use super::reader::{TelnetReader, TelnetToken};
use super::{DO, IAC, WILL, WONT, port};
use crate::request::LineAnswer;

/// The RFC 2217 server, which has the line.
#[derive(Debug, Default)]
pub struct TelnetServer(TelnetReader);

impl TelnetServer {
    /// The answer that everything before the client's mark is done.
    pub const MARK: [u8; 3] = [IAC, WILL, TIMING_MARK];

    /// The answer that this server cannot tell.
    pub const NO_MARK: [u8; 3] = [IAC, WONT, TIMING_MARK];

    /// Returns the option offers with which a server begins.
    pub fn offer(&mut self) -> Vec<u8> {
        self.0.options.offer(DO)
    }

    /// Parses bytes from the client.
    pub fn receive(&mut self, bytes: &[u8]) -> Vec<ServerEvent> {
        let mut events = Vec::new();
        for byte in bytes {
            match self.0.read(*byte) {
                Some(TelnetToken::Data(byte)) => {
                    if let Some(ServerEvent::Data(before)) = events.last_mut() {
                        before.push(byte);
                    } else {
                        events.push(ServerEvent::Data(vec![byte]));
                    }
                }
                Some(TelnetToken::Option(DO, TIMING_MARK)) => events.push(ServerEvent::Mark),
                Some(TelnetToken::Option(verb, option)) => {
                    let reply = self.0.options.reply_to(verb, option);
                    events.extend(reply.map(|reply| ServerEvent::Reply(reply.to_vec())));
                }
                Some(TelnetToken::Subnegotiation(value)) => {
                    events.extend(port::parse_client(&value));
                }
                None => {}
            }
        }
        events
    }

    /// Encodes an answer.
    #[must_use]
    pub fn answer(answer: LineAnswer) -> Vec<u8> {
        port::answer(answer)
    }

    #[cfg(test)]
    pub(super) fn is_bounded(&self) -> bool {
        self.0.is_bounded()
    }
}
