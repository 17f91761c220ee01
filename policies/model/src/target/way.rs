//! How an interface is reached.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::carrier::TargetCarrier;
use super::error::TargetError;
use super::file_path::{absolute, normal};
use super::host::Host;
use super::process;
use crate::name::Name;
use crate::protocol::Protocol;
use crate::serial::{LineChange, LineSettings};
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

impl Way {
    /// Returns the carrier of an inspected protocol that is reached so, if there is one.
    pub(super) fn carrier(&self) -> Option<TargetCarrier> {
        Some(match self {
            Self::Tcp { .. } => TargetCarrier::Tcp,
            Self::Udp { .. } => TargetCarrier::Udp,
            Self::Serial { .. } => TargetCarrier::Serial,
            Self::Agent { spoken: Spoken::Stream, .. } => TargetCarrier::Agent,
            Self::Agent { spoken: Spoken::Datagrams, .. } => TargetCarrier::UdpAgent,
            Self::Agent { spoken: Spoken::Line(_), .. } => TargetCarrier::SerialAgent,
            Self::Unix { .. } | Self::Process { .. } => return None,
        })
    }

    /// Returns the protocol of such an interface without inspection.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        match self {
            Self::Tcp { .. } | Self::Agent { spoken: Spoken::Stream, .. } => Protocol::Tcp,
            Self::Udp { .. } | Self::Agent { spoken: Spoken::Datagrams, .. } => Protocol::Udp,
            Self::Serial { .. } | Self::Agent { spoken: Spoken::Line(_), .. } => Protocol::Serial,
            Self::Unix { .. } => Protocol::Unix,
            Self::Process { .. } => Protocol::Process,
        }
    }
}

impl FromStr for Way {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let unknown = || TargetError::Scheme(text.to_owned());
        let (scheme, rest) = text.split_once(':').ok_or_else(unknown)?;
        let authority = || rest.strip_prefix("//").ok_or_else(unknown);
        match scheme {
            "tcp" => {
                host_and_port("tcp", authority()?).map(|(host, port)| Self::Tcp { host, port })
            }
            "udp" => {
                host_and_port("udp", authority()?).map(|(host, port)| Self::Udp { host, port })
            }
            "unix" => unix(rest),
            "serial" => serial(rest),
            "process" => process::parse(rest)
                .map(|(program, arguments)| Self::Process { program, arguments }),
            "agent" => Ok(Self::Agent { spoken: Spoken::Stream, name: rest.parse()? }),
            "udp+agent" => Ok(Self::Agent { spoken: Spoken::Datagrams, name: rest.parse()? }),
            "serial+agent" => {
                let (name, change) = settings(rest)?;
                Ok(Self::Agent { spoken: Spoken::Line(change), name: name.parse()? })
            }
            _ => Err(unknown()),
        }
    }
}

pub(super) fn host_and_port(
    scheme: &'static str,
    authority: &str,
) -> Result<(Host, u16), TargetError> {
    if let Some(at) = authority.find(['/', '?', '#', '@']) {
        let rest = authority.get(at..).unwrap_or_default().to_owned();
        return Err(TargetError::Rest { scheme, rest });
    }
    let wrong = || TargetError::Port(scheme);
    let (host, port) = authority.rsplit_once(':').ok_or_else(wrong)?;
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse().ok().filter(|port| digits && *port != 0).ok_or_else(wrong)?;
    Ok((host.parse()?, port))
}

fn unix(text: &str) -> Result<Way, TargetError> {
    let path = absolute(text).ok_or(TargetError::Path)?;
    if path.len() > 107 {
        return Err(TargetError::PathTooLong);
    }
    Ok(Way::Unix { path: Path::new(path).components().collect() })
}

fn serial(text: &str) -> Result<Way, TargetError> {
    let (path, change) = settings(text)?;
    let path = normal(path).ok_or(TargetError::Device)?;
    Ok(Way::Serial { path, settings: change.apply(LineSettings::default()) })
}

/// Splits off the settings of a line.
pub(super) fn settings(text: &str) -> Result<(&str, LineChange), TargetError> {
    match text.split_once('?') {
        Some((before, query)) => Ok((before, LineChange::parse(query)?)),
        None => Ok((text, LineChange::default())),
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
            Self::Udp { host, port } => write!(f, "udp://{host}:{port}"),
            Self::Unix { path } => write!(f, "unix:{}", escape(&path.to_string_lossy())),
            Self::Serial { path, settings } => {
                write!(f, "serial:{}", path.display())?;
                query(f, &settings.to_string())
            }
            Self::Process { program, arguments } => {
                write!(f, "process:{}", program.display())?;
                for (at, argument) in arguments.iter().enumerate() {
                    let before = if at == 0 { '?' } else { '&' };
                    write!(f, "{before}arg={}", process::Encoded(argument))?;
                }
                Ok(())
            }
            Self::Agent { spoken: Spoken::Stream, name } => write!(f, "agent:{name}"),
            Self::Agent { spoken: Spoken::Datagrams, name } => write!(f, "udp+agent:{name}"),
            Self::Agent { spoken: Spoken::Line(change), name } => {
                write!(f, "serial+agent:{name}")?;
                query(f, &change.to_string())
            }
        }
    }
}

pub(super) fn query(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    if text.is_empty() { Ok(()) } else { write!(f, "?{text}") }
}
