//! Targets of interfaces, and their URLs.

mod carrier;
mod digits;
mod error;
mod field;
mod file_path;
mod forms;
mod host;
mod http;
mod inspected;
mod lines;
mod modbus;
mod mqtt;
mod origin;
mod process;
mod query;
mod several;
mod way;

use std::fmt;
use std::str::FromStr;

pub(crate) use carrier::TargetCarrier;
pub use error::TargetError;
pub use field::FieldName;
pub use host::Host;
pub use http::{HttpHost, HttpOptions, RequestRate, ToldIdentity};
pub use inspected::{Inspected, Inspection};
pub use lines::Lines;
pub use modbus::ModbusOptions;
pub use mqtt::{ClientIds, MqttOptions, ResponseTopics};
pub use origin::{NoOrigin, Origin};
pub use query::{Operand, SecretParameter};
pub use several::Several;
pub use way::{Spoken, Way};

use crate::protocol::Protocol;
use crate::serial::LineSettings;

/// The target of an interface: where it is reached, and whether its traffic is inspected. It is the
/// URL of `doorward interface add`, parsed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    way: Way,
    inspected: Option<Inspected>,
    lines: Option<Lines>,
}

impl Target {
    /// Returns how the interface is reached.
    #[must_use]
    pub fn way(&self) -> &Way {
        &self.way
    }

    /// Returns the inspection; `None` for a raw interface, where each flow is one operation.
    #[must_use]
    pub fn inspected(&self) -> Option<&Inspected> {
        self.inspected.as_ref()
    }

    /// Returns the lines that clients may write, if only some are permitted.
    #[must_use]
    pub fn lines(&self) -> Option<&Lines> {
        self.lines.as_ref()
    }

    /// Returns why such an interface cannot be declared now. One that was declared before is still
    /// read, and permits nothing.
    #[must_use]
    pub fn objection(&self) -> Option<TargetError> {
        let lines = self.lines.as_ref()?;
        let bits = match &self.way {
            Way::Serial { settings, .. } => Some(settings.bits),
            Way::Agent { spoken: Spoken::Line(change), .. } => change.bits,
            Way::Agent { spoken: Spoken::Stream | Spoken::Datagrams, .. }
            | Way::Tcp { .. }
            | Way::Udp { .. }
            | Way::Unix { .. }
            | Way::Process { .. } => None,
        };
        if bits.is_some_and(|bits| !bits.carry_ascii()) {
            return Some(TargetError::NarrowLine);
        }
        lines.dead().map(|pattern| TargetError::DeadPattern(pattern.to_owned()))
    }

    /// Returns the protocol that the port suggests, if it is not inspected. A client that may reach
    /// such an interface may do everything there.
    #[must_use]
    pub fn overlooked(&self) -> Option<Protocol> {
        let (Way::Tcp { port, .. } | Way::Udp { port, .. }, None) = (&self.way, &self.inspected)
        else {
            return None;
        };
        let carrier = self.way.carrier()?;
        let is_it = |protocol: &&Protocol| {
            protocol.carriers().contains(&carrier) && protocol.is_usual_at(*port)
        };
        Protocol::ALL.iter().find(is_it).copied()
    }

    /// Yields the URLs of interfaces that are not inspected, for people.
    pub fn raw_forms() -> impl Iterator<Item = &'static str> {
        forms::RAW.iter().copied()
    }

    /// Yields the URLs of interfaces that are inspected, for people.
    pub fn inspected_forms() -> impl Iterator<Item = String> {
        forms::inspected()
    }

    /// Returns the protocol of the interface.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        match &self.inspected {
            Some(inspected) => inspected.spoken.protocol(),
            None => self.way.protocol(),
        }
    }
}

/// Returns the interface without inspection.
impl From<Way> for Target {
    fn from(way: Way) -> Self {
        Self { way, inspected: None, lines: None }
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
        let of = |protocol: &Protocol| {
            let carried = scheme.strip_prefix(protocol.as_str())?;
            let mut carriers = protocol.carriers().iter();
            let carrier = carriers.find(|carrier| carrier.suffix() == carried)?;
            Some((*protocol, *carrier))
        };
        let Some((protocol, carrier)) = Protocol::ALL.iter().find_map(of) else {
            return match text.split_once('?') {
                Some((address, query)) if matches!(scheme, "serial" | "serial+agent") => {
                    let (lines, query) = Lines::take(query)?;
                    let mark = query.as_ref().map_or("", |_| "?");
                    let way = format!("{address}{mark}{}", query.unwrap_or_default()).parse()?;
                    Ok(Self { way, inspected: None, lines })
                }
                _ => Ok(text.parse::<Way>()?.into()),
            };
        };
        let (address, query) = match rest.split_once('?') {
            Some((address, query)) => (address, Some(query)),
            None => (rest, None),
        };
        // A path may follow the host in HTTP only.
        let authority = address.strip_prefix("//").map_or(0, |_| 2);
        let (address, base) = match address.get(authority..).and_then(|rest| rest.find('/')) {
            Some(at) if protocol == Protocol::Http && carrier == TargetCarrier::Tcp => {
                address.split_at_checked(authority + at).unwrap_or((address, ""))
            }
            _ => (address, ""),
        };
        let (inspected, query) = Inspected::take(protocol, base, query)?;
        let way = match query {
            Some(query) if !carrier.has_settings() => return Err(TargetError::Option(query)),
            Some(query) => format!("{}:{address}?{query}", carrier.scheme()),
            None => format!("{}:{address}", carrier.scheme()),
        };
        let way = way.parse().map_err(|error| match error {
            TargetError::Port(_) => TargetError::Port(protocol.as_str()),
            TargetError::Scheme(_) => TargetError::Scheme(text.to_owned()),
            TargetError::Rest { rest, .. } => TargetError::Rest { scheme: protocol.as_str(), rest },
            other @ (TargetError::Base(_)
            | TargetError::Host(_)
            | TargetError::Pattern(_)
            | TargetError::DeadPattern(_)
            | TargetError::NarrowLine
            | TargetError::Option(_)
            | TargetError::MaskedOperand(_)
            | TargetError::Path
            | TargetError::PathTooLong
            | TargetError::Device
            | TargetError::Line(_)
            | TargetError::Program
            | TargetError::Argument(_)
            | TargetError::Encoding(_)
            | TargetError::TooManyArguments
            | TargetError::TooLong
            | TargetError::Agent(_)) => other,
        })?;
        Ok(Self { way, inspected: Some(inspected), lines: None })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let carrier = self.way.carrier();
        let (Some(inspected), Some(carrier)) = (&self.inspected, carrier) else {
            self.way.fmt(f)?;
            let Some(lines) = &self.lines else { return Ok(()) };
            let settled = match &self.way {
                Way::Serial { settings, .. } => !settings.to_string().is_empty(),
                Way::Agent { spoken: Spoken::Line(change), .. } => !change.is_empty(),
                Way::Agent { spoken: Spoken::Stream | Spoken::Datagrams, .. }
                | Way::Tcp { .. }
                | Way::Udp { .. }
                | Way::Unix { .. }
                | Way::Process { .. } => false,
            };
            return write!(f, "{}{lines}", if settled { '&' } else { '?' });
        };
        let protocol = inspected.spoken.protocol();
        write!(f, "{protocol}{}:", carrier.suffix())?;
        let settings = match &self.way {
            Way::Tcp { host, port } | Way::Udp { host, port } => {
                write!(f, "//{host}:{port}")?;
                String::new()
            }
            Way::Serial { path, settings } => {
                write!(f, "{}", path.display())?;
                LineSettings::to_string(settings)
            }
            Way::Agent { spoken, name } => {
                write!(f, "{name}")?;
                match spoken {
                    Spoken::Line(change) => change.to_string(),
                    Spoken::Stream | Spoken::Datagrams => String::new(),
                }
            }
            Way::Unix { .. } | Way::Process { .. } => String::new(),
        };
        f.write_str(inspected.base())?;
        let own = inspected.to_string();
        let between = if settings.is_empty() || own.is_empty() { "" } else { "&" };
        way::query(f, &format!("{settings}{between}{own}"))
    }
}

/// Serializes what `Display` writes, except the path of a Unix socket, which may have any
/// characters.
impl serde::Serialize for Target {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match &self.way {
            Way::Unix { path } => s.collect_str(&format_args!("unix:{}", path.display())),
            Way::Tcp { .. }
            | Way::Udp { .. }
            | Way::Serial { .. }
            | Way::Process { .. }
            | Way::Agent { .. } => s.collect_str(self),
        }
    }
}

#[cfg(test)]
mod tests;
