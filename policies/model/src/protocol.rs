//! The protocols of interfaces: one row for each says all that is fixed about it.

use std::fmt;
use std::str::FromStr;

use crate::action::Action::{self, *};
use crate::operand::OperandForm;
use crate::target::TargetCarrier;

/// What is fixed about a protocol.
struct ProtocolFacts {
    /// Its name in URLs, tables and audit records.
    name: &'static str,
    actions: &'static [Action],
    opens: OpenedBy,
    operand: OperandForm,
    /// What carries it if it is inspected. A protocol that is not inspected is its own carrier.
    carriers: &'static [TargetCarrier],
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
const fn raw(name: &'static str) -> ProtocolFacts {
    let (operand, carriers, ports): (_, &[_], &[_]) = (OperandForm::Nothing, &[], &[]);
    ProtocolFacts { name, actions: &[Connect], opens: OpenedBy::Connect, operand, carriers, ports }
}

protocols! {
    /// A raw TCP stream.
    Tcp = raw("tcp");
    /// Raw datagrams.
    Udp = raw("udp");
    /// A raw stream to a Unix socket.
    Unix = raw("unix");
    /// The standard input and output of a program.
    Process = raw("process");
    /// A serial line.
    Serial = ProtocolFacts {
        actions: &[Read, Write, Control],
        opens: OpenedBy::EachAction,
        ..raw("serial")
    };
    /// HTTP, decided request by request.
    Http = ProtocolFacts {
        name: "http",
        actions: &[Get, Head, Post, Put, Patch, Delete, Options, Connect],
        opens: OpenedBy::Operation,
        operand: OperandForm::HttpPath,
        carriers: &[TargetCarrier::Tcp, TargetCarrier::Agent],
        ports: &[80, 8000, 8080],
    };
    /// MQTT, decided packet by packet.
    Mqtt = ProtocolFacts {
        name: "mqtt",
        actions: &[Connect, Publish, Subscribe],
        opens: OpenedBy::Connect,
        operand: OperandForm::Topic,
        carriers: &[TargetCarrier::Tcp, TargetCarrier::Agent],
        ports: &[1883],
    };
    /// Modbus, decided PDU by PDU.
    Modbus = ProtocolFacts {
        name: "modbus",
        actions: &[Read, Write, Diagnose],
        opens: OpenedBy::Operation,
        operand: OperandForm::Addresses,
        carriers: &[TargetCarrier::Tcp, TargetCarrier::Serial, TargetCarrier::Agent, TargetCarrier::SerialAgent],
        ports: &[502],
    };
    /// CoAP, decided message by message.
    Coap = ProtocolFacts {
        name: "coap",
        actions: &[Get, Post, Put, Delete, Observe],
        opens: OpenedBy::Operation,
        operand: OperandForm::CoapPath,
        carriers: &[TargetCarrier::Udp, TargetCarrier::UdpAgent],
        ports: &[5683],
    };
    /// The gateway's own administration.
    Administration = ProtocolFacts {
        actions: &[Create, Read, Update, Delete],
        opens: OpenedBy::Operation,
        operand: OperandForm::Parts,
        ..raw("administration")
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

    /// Returns what carries the protocol if it is inspected.
    pub(crate) fn carriers(self) -> &'static [TargetCarrier] {
        self.facts().carriers
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
