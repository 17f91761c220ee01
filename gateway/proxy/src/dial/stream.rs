//! Open connections to backends.

use super::messages::Messenger;
use super::rtu::RtuSeat;
use super::serial::Seat;

/// An open byte stream to a backend.
pub(crate) struct ConnectedStream {
    pub(crate) stream: BackendStream,
    /// The address that was dialed.
    pub(crate) address: String,
}

/// A connection to a backend, for bytes or datagrams.
pub(crate) enum DialedTarget {
    Stream { stream: BackendStream, address: String },
    Datagrams { messenger: Messenger, address: String },
}

impl From<ConnectedStream> for DialedTarget {
    fn from(ConnectedStream { stream, address }: ConnectedStream) -> Self {
        Self::Stream { stream, address }
    }
}

/// A byte stream to a backend.
#[derive(Debug)]
pub(crate) enum BackendStream {
    Tcp(tokio::net::TcpStream),
    Unix(tokio::net::UnixStream),
    Serial(Seat),
    Rtu(RtuSeat),
    Process(Box<doorward_local::Program>),
    Agent(Box<doorward_wire::Pipe>),
}
