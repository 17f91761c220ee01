//! How a connection or a request came into the gateway.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The way by which a connection or a request came into the gateway, as records and lists name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Door {
    /// A TLS connection to the host name of an interface.
    Sni,
    /// An HTTPS connection to the gateway's own name, at the data listener.
    Own,
    /// A connection to the management listener, or a request to the administration.
    Management,
    /// A `doorward/1` connection over QUIC.
    Quic,
    /// A `doorward/1` connection over TLS.
    Tls,
    /// An HTTP CONNECT request at the gateway's own name.
    Connect,
    /// A stream of a `doorward/1` connection.
    Open,
    /// The renewal of a certificate.
    Renew,
    /// The recovery of an identity whose certificate has expired.
    Recover,
}

impl Door {
    const ALL: [Self; 9] = [
        Self::Sni,
        Self::Own,
        Self::Management,
        Self::Quic,
        Self::Tls,
        Self::Connect,
        Self::Open,
        Self::Renew,
        Self::Recover,
    ];

    /// Returns the word for tables and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sni => "sni",
            Self::Own => "own",
            Self::Management => "management",
            Self::Quic => "quic",
            Self::Tls => "tls",
            Self::Connect => "connect",
            Self::Open => "doorward/1",
            Self::Renew => "renew",
            Self::Recover => "recover",
        }
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Door {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Door {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        let door = Self::ALL.into_iter().find(|door| door.as_str() == word);
        door.ok_or_else(|| D::Error::custom(format_args!("{word:?} is not the word of a door")))
    }
}
