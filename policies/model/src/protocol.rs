//! The protocols of interfaces, and the actions of each.

use std::fmt;
use std::str::FromStr;

use crate::action::Action;

/// The protocol of an interface. It decides which actions exist there, and how the operand after
/// the interface's name is read (see [`Path`](crate::Path)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// A raw TCP stream.
    Tcp,
    /// Raw datagrams.
    Udp,
    /// A raw stream to a Unix socket.
    Unix,
    /// The standard input and output of a program.
    Process,
    /// A serial line.
    Serial,
    /// HTTP, decided request by request.
    Http,
    /// MQTT, decided packet by packet.
    Mqtt,
    /// Modbus, decided PDU by PDU.
    Modbus,
    /// CoAP, decided message by message.
    Coap,
    /// The gateway's own administration.
    Administration,
}

impl Protocol {
    const ALL: [Self; 10] = [
        Self::Tcp,
        Self::Udp,
        Self::Unix,
        Self::Process,
        Self::Serial,
        Self::Http,
        Self::Mqtt,
        Self::Modbus,
        Self::Coap,
        Self::Administration,
    ];

    /// Returns the protocol's name in URLs, tables and audit records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Unix => "unix",
            Self::Process => "process",
            Self::Serial => "serial",
            Self::Http => "http",
            Self::Mqtt => "mqtt",
            Self::Modbus => "modbus",
            Self::Coap => "coap",
            Self::Administration => "administration",
        }
    }

    /// Returns the action that opens a flow and needs no operand. `None` for protocols whose first
    /// operation decides.
    #[must_use]
    pub fn opening(self) -> Option<Action> {
        match self {
            Self::Tcp | Self::Udp | Self::Unix | Self::Process | Self::Mqtt => {
                Some(Action::Connect)
            }
            Self::Serial | Self::Http | Self::Modbus | Self::Coap | Self::Administration => None,
        }
    }

    /// Returns the actions of the protocol.
    #[must_use]
    pub fn actions(self) -> &'static [Action] {
        use Action as A;
        match self {
            Self::Tcp | Self::Udp | Self::Unix | Self::Process => &[A::Connect],
            Self::Serial => &[A::Read, A::Write, A::Control],
            Self::Http => {
                &[A::Get, A::Head, A::Post, A::Put, A::Patch, A::Delete, A::Options, A::Connect]
            }
            Self::Mqtt => &[A::Connect, A::Publish, A::Subscribe],
            Self::Modbus => &[A::Read, A::Write, A::Diagnose],
            Self::Coap => &[A::Get, A::Post, A::Put, A::Delete, A::Observe],
            Self::Administration => &[A::Create, A::Read, A::Update, A::Delete],
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Protocol {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|protocol| protocol.as_str() == text);
        found.ok_or_else(|| {
            let all = Self::ALL.map(Self::as_str);
            let instead = match crate::did_you_mean(text, all) {
                none if none.is_empty() => format!("; the protocols are {}", all.join(" ")),
                meant => meant,
            };
            format!("'{}' is no protocol{instead}", crate::escape(text))
        })
    }
}

crate::serde_as_text!(Protocol);
