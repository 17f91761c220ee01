//! Open connections to backends.

use super::rtu::RtuSeat;
use super::serial::Seat;

/// An open byte stream to a backend.
pub(crate) struct ConnectedStream {
    pub(crate) stream: BackendStream,
    /// The address that was dialed.
    pub(crate) address: String,
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
