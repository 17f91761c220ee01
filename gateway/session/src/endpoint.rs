//! What a connection arrives at: one of the two listeners, and an endpoint behind it.

/// Which of the two listeners a connection arrives at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListenerKind {
    /// The listener for interfaces.
    Data,
    /// The listener for administrators; on loopback unless configured otherwise.
    Management,
}

/// What a connection is for, as its TLS ClientHello says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionTarget {
    /// The interface of that host name, in lower case. It need not exist.
    Interface(String),
    /// The gateway's own name, or no name.
    Own,
    /// The management listener.
    Management,
    /// `doorward/1`, over QUIC or TLS.
    Link,
}
