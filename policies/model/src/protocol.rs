//! The protocols of interfaces: one row for each says all that is fixed about it.

use std::fmt;
use std::str::FromStr;

use crate::action::Action::{self, *};
use crate::path::OperandForm;

/// What is fixed about a protocol.
struct ProtocolFacts {
    /// Its name in URLs, tables and audit records.
    name: &'static str,
    actions: &'static [Action],
    opens: OpenedBy,
    operand: OperandForm,
    /// How its flows travel.
    travels: TravelsAs,
    /// The protocols that can carry it, if it is inspected. A protocol that is not inspected is its
    /// own carrier.
    carried_by: &'static [Protocol],
    /// The ports at which it usually is, if it is inspected.
    ports: &'static [u16],
}

/// What opens a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OpenedBy {
    /// The action `connect` on the interface.
    Connect,
    /// Each action by itself.
    EachAction,
    /// The first operation that is permitted.
    Operation,
}

/// How flows travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TravelsAs {
    Bytes,
    Datagrams,
}

macro_rules! protocols {
    ($($(#[$doc:meta])* $variant:ident = $facts:expr;)+) => {
        /// The protocol of an interface. It decides which actions exist there, and how the operand
        /// after the interface's name is read (see [`Path`](crate::Path)).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Protocol {
            $($(#[$doc])* $variant,)+
        }

        impl Protocol {
            /// All protocols, in the order of this list.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            fn facts(self) -> &'static ProtocolFacts {
                match self { $(Self::$variant => const { &$facts },)+ }
            }
        }
    };
}

/// Returns the facts of a protocol that is not inspected.
const fn raw(name: &'static str, travels: TravelsAs) -> ProtocolFacts {
    ProtocolFacts {
        name,
        actions: &[Connect],
        opens: OpenedBy::Connect,
        operand: OperandForm::Nothing,
        travels,
        carried_by: &[],
        ports: &[],
    }
}

protocols! {
    /// A raw TCP stream.
    Tcp = raw("tcp", TravelsAs::Bytes);
    /// Raw datagrams.
    Udp = raw("udp", TravelsAs::Datagrams);
    /// A raw stream to a Unix socket.
    Unix = raw("unix", TravelsAs::Bytes);
    /// The standard input and output of a program.
    Process = raw("process", TravelsAs::Bytes);
    /// A serial line.
    Serial = ProtocolFacts {
        actions: &[Read, Write, Control],
        opens: OpenedBy::EachAction,
        ..raw("serial", TravelsAs::Bytes)
    };
    /// HTTP, decided request by request.
    Http = ProtocolFacts {
        name: "http",
        actions: &[Get, Head, Post, Put, Patch, Delete, Options, Connect],
        opens: OpenedBy::Operation,
        operand: OperandForm::HttpPath,
        travels: TravelsAs::Bytes,
        carried_by: &[Protocol::Tcp],
        ports: &[80, 8000, 8080],
    };
    /// MQTT, decided packet by packet.
    Mqtt = ProtocolFacts {
        name: "mqtt",
        actions: &[Connect, Publish, Subscribe],
        opens: OpenedBy::Connect,
        operand: OperandForm::Topic,
        travels: TravelsAs::Bytes,
        carried_by: &[Protocol::Tcp],
        ports: &[1883],
    };
    /// Modbus, decided PDU by PDU.
    Modbus = ProtocolFacts {
        name: "modbus",
        actions: &[Read, Write, Diagnose],
        opens: OpenedBy::Operation,
        operand: OperandForm::Addresses,
        travels: TravelsAs::Bytes,
        carried_by: &[Protocol::Tcp, Protocol::Serial],
        ports: &[502],
    };
    /// CoAP, decided message by message.
    Coap = ProtocolFacts {
        name: "coap",
        actions: &[Get, Post, Put, Delete, Observe],
        opens: OpenedBy::Operation,
        operand: OperandForm::CoapPath,
        travels: TravelsAs::Datagrams,
        carried_by: &[Protocol::Udp],
        ports: &[5683],
    };
    /// The gateway's own administration.
    Administration = ProtocolFacts {
        actions: &[Create, Read, Update, Delete],
        opens: OpenedBy::Operation,
        operand: OperandForm::Parts,
        ..raw("administration", TravelsAs::Bytes)
    };
}

impl Protocol {
    /// Returns the protocol's name in URLs, tables and audit records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.facts().name
    }

    /// Returns the actions of the protocol.
    #[must_use]
    pub fn actions(self) -> &'static [Action] {
        self.facts().actions
    }

    /// Returns the action that opens a flow and needs no operand. `None` for protocols whose first
    /// operation decides.
    #[must_use]
    pub fn opening(self) -> Option<Action> {
        match self.facts().opens {
            OpenedBy::Connect => Some(Connect),
            OpenedBy::EachAction | OpenedBy::Operation => None,
        }
    }

    /// Returns whether a flow may be opened for each action by itself, as at a serial line.
    #[must_use]
    pub fn opens_by_each_action(self) -> bool {
        self.facts().opens == OpenedBy::EachAction
    }

    /// Returns the form of what follows an interface's name.
    #[must_use]
    pub fn operand(self) -> OperandForm {
        self.facts().operand
    }

    /// Returns whether flows travel as datagrams; otherwise they are streams of bytes.
    #[must_use]
    pub fn travels_as_datagrams(self) -> bool {
        self.facts().travels == TravelsAs::Datagrams
    }

    /// Returns the protocols that can carry this one, if it is inspected.
    pub(crate) fn carried_by(self) -> &'static [Self] {
        self.facts().carried_by
    }

    /// Returns whether the protocol usually is at this port.
    pub(crate) fn is_usual_at(self, port: u16) -> bool {
        self.facts().ports.contains(&port)
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
        let found = Self::ALL.iter().find(|protocol| protocol.as_str() == text);
        found.copied().ok_or_else(|| {
            let all: Vec<&str> = Self::ALL.iter().map(|protocol| protocol.as_str()).collect();
            let instead = match crate::did_you_mean(text, all.iter().copied()) {
                none if none.is_empty() => format!("; the protocols are {}", all.join(" ")),
                meant => meant,
            };
            format!("'{}' is no protocol{instead}", crate::escape(text))
        })
    }
}

crate::serde_as_text!(Protocol);
