//! The host of a target.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use super::TargetError;

/// The host of a [`Target`](super::Target).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// An address in its canonical form: an IPv4-mapped address is the IPv4 address.
    Address(IpAddr),
    /// A host name (RFC 1123), in lower case.
    Name(String),
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
                // Without brackets, the last group could be a port.
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
        // A name whose last label is a number is an address in a spelling that resolvers read in
        // different ways: 127.1, 0x7f000001, 017700000001 (WHATWG URL, "ends in a number").
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
