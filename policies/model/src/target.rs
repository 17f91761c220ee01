use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use thiserror::Error;

use crate::protocol::Protocol;
use crate::text::escape;

/// Where an interface is reached: the URL of `doorward interface add`, parsed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// `tcp://HOST:PORT`
    Tcp {
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
}

/// The host of a [`Target`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// An address in its canonical form (an IPv4-mapped address is the IPv4 address).
    Address(IpAddr),
    /// A host name (RFC 1123), lower case.
    Name(String),
}

/// Why a text is no target.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TargetError {
    /// No scheme, or one that no interface has.
    #[error(
        "'{}' is no interface URL; use tcp://HOST:PORT or unix:/PATH", escape(.0)
    )]
    Scheme(String),
    /// A scheme of the design that this version cannot dial.
    #[error(
        "{0} interfaces are not built yet; this version reaches tcp://HOST:PORT and unix:/PATH"
    )]
    NotBuilt(&'static str),
    /// The host is neither an address nor a host name.
    #[error("'{}' is neither an address nor a host name", escape(.0))]
    Host(String),
    /// The port is missing or not 1 to 65535.
    #[error("a port from 1 to 65535 is needed, as in tcp://192.168.1.20:80")]
    Port,
    /// Something follows the host and port.
    #[error("'{}' cannot follow the host and port of a tcp interface", escape(.0))]
    Rest(String),
    /// Not absolute, not normal, or with a NUL.
    #[error("a Unix socket is an absolute path without . or .., as in unix:/run/app.sock")]
    Path,
    /// Longer than the address of a Unix socket may be.
    #[error("the path of a Unix socket has at most 107 bytes")]
    PathTooLong,
}

const NOT_BUILT: &[&str] = &[
    "udp",
    "http",
    "mqtt",
    "modbus",
    "coap",
    "serial",
    "modbus+serial",
    "process",
    "agent",
    "udp+agent",
    "serial+agent",
    "http+agent",
    "mqtt+agent",
    "modbus+agent",
    "modbus+serial+agent",
    "coap+agent",
];

impl Target {
    /// The protocol that the target's interface speaks.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        match self {
            Self::Tcp { .. } => Protocol::Tcp,
            Self::Unix { .. } => Protocol::Unix,
        }
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let (scheme, rest) =
            text.split_once(':').ok_or_else(|| TargetError::Scheme(text.to_owned()))?;
        match scheme {
            "tcp" => {
                let authority =
                    rest.strip_prefix("//").ok_or_else(|| TargetError::Scheme(text.to_owned()))?;
                tcp(authority)
            }
            "unix" => unix(rest),
            other => match NOT_BUILT.iter().find(|known| **known == other) {
                Some(known) => Err(TargetError::NotBuilt(known)),
                None => Err(TargetError::Scheme(text.to_owned())),
            },
        }
    }
}

fn tcp(authority: &str) -> Result<Target, TargetError> {
    if let Some(at) = authority.find(['/', '?', '#', '@']) {
        let rest = authority.get(at..).unwrap_or_default();
        return Err(TargetError::Rest(rest.to_owned()));
    }
    let (host, port) = authority.rsplit_once(':').ok_or(TargetError::Port)?;
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse().ok().filter(|port| digits && *port != 0).ok_or(TargetError::Port)?;
    Ok(Target::Tcp { host: host.parse()?, port })
}

fn unix(path: &str) -> Result<Target, TargetError> {
    let path = match path.strip_prefix("//") {
        Some(rest) if rest.starts_with('/') => rest,
        Some(_) => return Err(TargetError::Path),
        None => path,
    };
    let normal = |part| matches!(part, Component::RootDir | Component::Normal(_));
    let parsed = Path::new(path);
    // `components` drops inner `.` by itself, so the spelling is compared as well.
    let dots = path.split('/').any(|part| part == "." || part == "..");
    if !parsed.is_absolute() || !parsed.components().all(normal) || dots || path.contains('\0') {
        return Err(TargetError::Path);
    }
    if path.len() > 107 {
        return Err(TargetError::PathTooLong);
    }
    Ok(Target::Unix { path: parsed.components().collect() })
}

impl FromStr for Host {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let wrong = || TargetError::Host(text.to_owned());
        if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let address: Ipv6Addr = inner.parse().map_err(|_| wrong())?;
            return Ok(Self::Address(IpAddr::V6(address).to_canonical()));
        }
        if let Ok(address) = text.parse() {
            return match address {
                IpAddr::V4(_) => Ok(Self::Address(address)),
                // Without brackets the last group could be a port.
                IpAddr::V6(_) => Err(wrong()),
            };
        }
        let name = text.to_ascii_lowercase();
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        // A name whose last label is a number is an address in a spelling that resolvers
        // read differently: 127.1, 0x7f000001, 017700000001 (WHATWG URL, "ends in a number").
        let last = name.rsplit('.').next().unwrap_or_default();
        let numeric = last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x");
        if name.len() > 253 || !name.split('.').all(label) || numeric {
            return Err(wrong());
        }
        Ok(Self::Name(name))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
            Self::Unix { path } => write!(f, "unix:{}", escape(&path.to_string_lossy())),
        }
    }
}

impl serde::Serialize for Target {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Tcp { .. } => s.collect_str(self),
            Self::Unix { path } => s.collect_str(&format_args!("unix:{}", path.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_targets_that_can_be_dialed() {
        for (text, shown) in [
            ("tcp://10.0.0.7:502", "tcp://10.0.0.7:502"),
            ("tcp://[::1]:80", "tcp://[::1]:80"),
            ("tcp://[::ffff:10.0.0.7]:80", "tcp://10.0.0.7:80"),
            ("tcp://Printer.Local:9100", "tcp://printer.local:9100"),
            ("unix:/run/app.sock", "unix:/run/app.sock"),
            ("unix:///run/app.sock", "unix:/run/app.sock"),
        ] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn refuses_everything_else() {
        for text in [
            "",
            "10.0.0.7:502",
            "ftp://h:1",
            "tcp:h:1",
            "tcp://h",
            "tcp://h:0",
            "tcp://h:65536",
            "tcp://h:+1",
            "tcp://:80",
            "tcp://h:80/",
            "tcp://u@h:80",
            "tcp://::1:80",
            "tcp://127.1:80",
            "tcp://0x7f000001:80",
            "tcp://2130706433:80",
            "tcp://h\r\n:80",
            "unix:run/app.sock",
            "unix://run/app.sock",
            "unix:/run/../etc/app.sock",
            "unix:/run/./app.sock",
            "unix:",
            "http://h:80",
            "process:/bin/true",
        ] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
        assert_eq!("serial:/dev/ttyS0".parse::<Target>(), Err(TargetError::NotBuilt("serial")));
        let long = format!("unix:/{}", "a".repeat(107));
        assert_eq!(long.parse::<Target>(), Err(TargetError::PathTooLong));
    }
}
