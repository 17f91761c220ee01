//! What each side of RFC 2217 reads.

use crate::request::{LineRequest, Modem};

/// An event in a server's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientEvent {
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
    /// The answer to [`TelnetClient::MARK`](super::TelnetClient::MARK): earlier data was taken, or the server does not check.
    Mark,
}

/// An event in a client's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerEvent {
    /// Data for the line.
    Data(Vec<u8>),
    /// Bytes to send to the client at once.
    Reply(Vec<u8>),
    /// A request to the line, to be answered with [`TelnetServer::answer`](super::TelnetServer::answer).
    Request(LineRequest),
    /// Whether the client wants no data for now.
    Suspend(bool),
    /// A question whether everything before it is done (RFC 860). Answered with
    /// [`TelnetServer::MARK`](super::TelnetServer::MARK) then, or with [`TelnetServer::NO_MARK`](super::TelnetServer::NO_MARK) by a server that cannot tell.
    Mark,
}
