//! How an interface is reached: a [`Scheme`] of URLs with its facts, and a [`Way`] with its values.

mod line;
mod net;
mod process;
mod unix;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::error::TargetError;
use super::host::Host;
use crate::name::Name;
use crate::protocol::Protocol;
use crate::serial::{DataBits, LineChange, LineSettings};
use crate::text::escape;

/// How an interface is reached, whatever protocol it has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// `tcp://HOST:PORT`
    Tcp {
        /// An address, or a name that is resolved at each dial.
        host: Host,
        /// Never 0.
        port: u16,
    },
    /// `udp://HOST:PORT`
    Udp {
        /// An address, or a name that is resolved at each dial.
        host: Host,
        /// Never 0.
        port: u16,
    },
    /// `unix:/PATH`
    Unix {
        /// Absolute, without `.` or `..`.
        path: PathBuf,
    },
    /// `serial:/dev/DEVICE?baud=9600&bits=8&parity=none&stop=1&flow=none&telnet=auto`
    Serial {
        /// Absolute, without `.` or `..`, printable.
        path: PathBuf,
        /// The settings of the line while it is open.
        settings: LineSettings,
    },
    /// `process:/PROGRAM?arg=TEXT&arg=TEXT`
    Process {
        /// Absolute, without `.` or `..`, printable.
        program: PathBuf,
        /// The arguments of the program: at most 64, without NUL.
        arguments: Vec<String>,
    },
    /// `agent:NAME`, `udp+agent:NAME` or `serial+agent:NAME?baud=9600`: an interface that the
    /// device's own agent offers.
    Agent {
        /// What the agent carries.
        spoken: Spoken,
        /// The name in the agent's configuration.
        name: Name,
    },
}

/// What an agent carries for a [`Way::Agent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Spoken {
    /// A raw stream.
    Stream,
    /// Datagrams.
    Datagrams,
    /// A serial line. These settings override those in the agent's own file.
    Line(LineChange),
}

/// What a [`Way`] leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WayEnd<'a> {
    /// A port of a host. It is in a network.
    Host {
        /// An address, or a name that is resolved at each dial.
        host: &'a Host,
        /// Never 0.
        port: u16,
    },
    /// Something on the machine that dials. The setting `dial.SCHEME` bounds its paths.
    Local {
        /// Absolute, without `.` or `..`.
        path: &'a Path,
    },
    /// What the device's own agent offers.
    Agent {
        /// The name in the agent's configuration.
        name: &'a Name,
    },
}

/// What is fixed about a scheme.
struct SchemeFacts {
    /// Its name in URLs.
    name: &'static str,
    /// What follows the name in a URL, for people.
    form: &'static str,
    /// The protocol of such an interface without inspection.
    protocol: Protocol,
    /// Whether it leads to something on the machine that dials ([`WayEnd::Local`]).
    local: bool,
    /// What follows the name of an inspected protocol in its scheme; `None` if such a way carries
    /// no inspected protocol.
    suffix: Option<&'static str>,
    /// Reads what follows the name and its colon.
    read: fn(&str) -> Result<Way, TargetError>,
}

macro_rules! schemes {
    ($($(#[$doc:meta])* $variant:ident = $facts:expr;)+) => {
        /// The scheme of the URL of an interface that is not inspected.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Scheme {
            $($(#[$doc])* $variant,)+
        }

        impl Scheme {
            /// All schemes, in the order of this list.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            fn facts(self) -> &'static SchemeFacts {
                match self { $(Self::$variant => const { &$facts },)+ }
            }
        }
    };
}

schemes! {
    /// A TCP port.
    Tcp = SchemeFacts {
        name: "tcp",
        form: "//HOST:PORT",
        protocol: Protocol::Tcp,
        local: false,
        suffix: Some(""),
        read: |text| net::read("tcp", text).map(|(host, port)| Way::Tcp { host, port }),
    };
    /// A UDP port.
    Udp = SchemeFacts {
        name: "udp",
        form: "//HOST:PORT",
        protocol: Protocol::Udp,
        local: false,
        suffix: Some(""),
        read: |text| net::read("udp", text).map(|(host, port)| Way::Udp { host, port }),
    };
    /// A Unix socket.
    Unix = SchemeFacts {
        name: "unix",
        form: "/PATH",
        protocol: Protocol::Unix,
        local: true,
        suffix: None,
        read: |text| unix::read(text).map(|path| Way::Unix { path }),
    };
    /// A serial line.
    Serial = SchemeFacts {
        name: "serial",
        form: "/dev/DEVICE",
        protocol: Protocol::Serial,
        local: true,
        suffix: Some("+serial"),
        read: |text| line::read(text).map(|(path, settings)| Way::Serial { path, settings }),
    };
    /// A program.
    Process = SchemeFacts {
        name: "process",
        form: "/PROGRAM",
        protocol: Protocol::Process,
        local: true,
        suffix: None,
        read: |text| {
            process::read(text).map(|(program, arguments)| Way::Process { program, arguments })
        },
    };
    /// A stream that an agent offers.
    Agent = SchemeFacts {
        name: "agent",
        form: "NAME",
        protocol: Protocol::Tcp,
        local: false,
        suffix: Some("+agent"),
        read: |text| Ok(Way::Agent { spoken: Spoken::Stream, name: text.parse()? }),
    };
    /// Datagrams that an agent offers.
    UdpAgent = SchemeFacts {
        name: "udp+agent",
        form: "NAME",
        protocol: Protocol::Udp,
        local: false,
        suffix: Some("+agent"),
        read: |text| Ok(Way::Agent { spoken: Spoken::Datagrams, name: text.parse()? }),
    };
    /// A serial line that an agent offers.
    SerialAgent = SchemeFacts {
        name: "serial+agent",
        form: "NAME",
        protocol: Protocol::Serial,
        local: false,
        suffix: Some("+serial+agent"),
        read: |text| {
            let (name, change) = line::read_offered(text)?;
            Ok(Way::Agent { spoken: Spoken::Line(change), name })
        },
    };
}

impl Scheme {
    /// Returns the scheme's name in URLs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.facts().name
    }

    /// Returns the scheme of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|scheme| scheme.as_str() == name).copied()
    }

    /// Returns whether it leads to something on the machine that dials ([`WayEnd::Local`]).
    #[must_use]
    pub fn is_local(self) -> bool {
        self.facts().local
    }

    /// Returns the form of its URLs, for people.
    pub(super) fn form(self) -> String {
        format!("{self}:{}", self.facts().form)
    }

    /// Yields the schemes of the ways that carry an inspected protocol.
    pub(super) fn carrying(protocol: Protocol) -> impl Iterator<Item = Self> {
        let carries = move |scheme: &&Self| {
            let facts = scheme.facts();
            facts.suffix.is_some() && protocol.carried_by().contains(&facts.protocol)
        };
        Self::ALL.iter().filter(carries).copied()
    }

    /// Returns what follows the name of an inspected protocol in its scheme.
    pub(super) fn suffix(self) -> &'static str {
        self.facts().suffix.unwrap_or_default()
    }

    /// Returns the form of the URLs of an inspected protocol that is reached so, for people.
    pub(super) fn inspected_form(self, protocol: Protocol) -> String {
        format!("{protocol}{}:{}", self.suffix(), self.facts().form)
    }

    /// Returns whether the URL may have the settings of a serial line.
    pub(super) fn has_line(self) -> bool {
        self.facts().protocol == Protocol::Serial
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Way {
    /// Returns the scheme of such a URL without inspection.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        match self {
            Self::Tcp { .. } => Scheme::Tcp,
            Self::Udp { .. } => Scheme::Udp,
            Self::Unix { .. } => Scheme::Unix,
            Self::Serial { .. } => Scheme::Serial,
            Self::Process { .. } => Scheme::Process,
            Self::Agent { spoken: Spoken::Stream, .. } => Scheme::Agent,
            Self::Agent { spoken: Spoken::Datagrams, .. } => Scheme::UdpAgent,
            Self::Agent { spoken: Spoken::Line(_), .. } => Scheme::SerialAgent,
        }
    }

    /// Returns what it leads to.
    #[must_use]
    pub fn end(&self) -> WayEnd<'_> {
        match self {
            Self::Tcp { host, port } | Self::Udp { host, port } => {
                WayEnd::Host { host, port: *port }
            }
            Self::Unix { path } | Self::Serial { path, .. } => WayEnd::Local { path },
            Self::Process { program, .. } => WayEnd::Local { path: program },
            Self::Agent { name, .. } => WayEnd::Agent { name },
        }
    }

    /// Returns the protocol of such an interface without inspection.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.scheme().facts().protocol
    }

    /// Returns the data bits of a serial line, if the gateway knows them.
    pub(super) fn bits(&self) -> Option<DataBits> {
        match self {
            Self::Serial { settings, .. } => Some(settings.bits),
            Self::Agent { spoken: Spoken::Line(change), .. } => change.bits,
            Self::Agent { spoken: Spoken::Stream | Spoken::Datagrams, .. }
            | Self::Tcp { .. }
            | Self::Udp { .. }
            | Self::Unix { .. }
            | Self::Process { .. } => None,
        }
    }

    /// Returns what stands in the URL between the scheme's colon and the query.
    pub(super) fn address(&self) -> String {
        match self.end() {
            WayEnd::Host { host, port } => format!("//{host}:{port}"),
            WayEnd::Local { path } => escape(&path.to_string_lossy()).to_string(),
            WayEnd::Agent { name } => name.to_string(),
        }
    }

    /// Returns the query of the URL.
    pub(super) fn query(&self) -> String {
        match self {
            Self::Serial { settings, .. } => settings.to_string(),
            Self::Agent { spoken: Spoken::Line(change), .. } => change.to_string(),
            Self::Process { arguments, .. } => process::query(arguments),
            Self::Agent { spoken: Spoken::Stream | Spoken::Datagrams, .. }
            | Self::Tcp { .. }
            | Self::Udp { .. }
            | Self::Unix { .. } => String::new(),
        }
    }
}

impl FromStr for Way {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let (name, rest) = text.split_once(':').ok_or_else(|| unknown(text))?;
        let scheme = Scheme::named(name).ok_or_else(|| unknown(text))?;
        (scheme.facts().read)(rest)
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.scheme(), self.address())?;
        write_query(f, &self.query())
    }
}

/// Writes a query, if it is not empty.
pub(super) fn write_query(f: &mut fmt::Formatter<'_>, query: &str) -> fmt::Result {
    if query.is_empty() { Ok(()) } else { write!(f, "?{query}") }
}

/// Returns the error about a text that begins with no scheme of interfaces.
pub(super) fn unknown(text: &str) -> TargetError {
    let raw: Vec<String> = Scheme::ALL.iter().map(|scheme| scheme.form()).collect();
    let inspected: Vec<String> = inspected_forms().collect();
    let forms = format!(
        "{}; or, so that the policy decides each operation, {}",
        raw.join(", "),
        inspected.join(", ")
    );
    TargetError::Scheme { text: text.to_owned(), forms }
}

/// Yields the forms of the URLs of interfaces that are inspected, for people.
pub(super) fn inspected_forms() -> impl Iterator<Item = String> {
    Protocol::ALL.iter().flat_map(|protocol| {
        Scheme::carrying(*protocol).map(|scheme| scheme.inspected_form(*protocol))
    })
}
