//! Targets of interfaces, and their URLs.

mod digits;
mod error;
mod field;
mod file_path;
mod host;
mod http;
mod inspected;
mod lines;
mod modbus;
mod mqtt;
mod options;
mod origin;
mod percent;
mod query;
mod several;
mod way;

use std::fmt;
use std::str::FromStr;

pub use error::TargetError;
pub use field::FieldName;
pub use host::Host;
pub use http::{HttpHost, HttpOptions, RequestRate, ToldIdentity};
pub use inspected::{Inspected, Inspection};
pub use lines::Lines;
pub use modbus::ModbusOptions;
pub use mqtt::{ClientIds, MqttOptions, ResponseTopics};
pub use options::OptionChangeError;
pub use origin::{NoOrigin, Origin};
pub use query::{Operand, SecretParameter};
pub use several::Several;
pub use way::{Scheme, Spoken, Way, WayEnd};

use crate::protocol::Protocol;

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
        if self.way.bits().is_some_and(|bits| !bits.carry_ascii()) {
            return Some(TargetError::NarrowLine);
        }
        lines.dead().map(|pattern| TargetError::DeadPattern(pattern.to_owned()))
    }

    /// Returns the protocol that the port suggests, if it is not inspected. A client that may reach
    /// such an interface may do everything there.
    #[must_use]
    pub fn overlooked(&self) -> Option<Protocol> {
        let (WayEnd::Host { port, .. }, None) = (self.way.end(), &self.inspected) else {
            return None;
        };
        let is_it = |protocol: &&Protocol| {
            let mut carriers = Scheme::carrying(**protocol);
            protocol.is_usual_at(port) && carriers.any(|scheme| scheme == self.way.scheme())
        };
        Protocol::ALL.iter().find(is_it).copied()
    }

    /// Yields the URLs of interfaces that are not inspected, for people.
    pub fn raw_forms() -> impl Iterator<Item = String> {
        Scheme::ALL.iter().map(|scheme| scheme.form())
    }

    /// Yields the URLs of interfaces that are inspected, for people.
    pub fn inspected_forms() -> impl Iterator<Item = String> {
        way::inspected_forms()
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
            let carrier = Scheme::carrying(*protocol).find(|one| one.suffix() == carried)?;
            Some((*protocol, carrier))
        };
        let Some((protocol, carrier)) = Protocol::ALL.iter().find_map(of) else {
            return match text.split_once('?') {
                Some((address, query)) if Scheme::named(scheme).is_some_and(Scheme::has_line) => {
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
            Some(at) if protocol == Protocol::Http && carrier == Scheme::Tcp => {
                address.split_at_checked(authority + at).unwrap_or((address, ""))
            }
            _ => (address, ""),
        };
        let (inspected, query) = Inspected::take(protocol, base, query)?;
        let way = match query {
            Some(query) if !carrier.has_line() => return Err(TargetError::Option(query)),
            Some(query) => format!("{}:{address}?{query}", carrier),
            None => format!("{}:{address}", carrier),
        };
        let way = way.parse().map_err(|error| match error {
            TargetError::Port(_) => TargetError::Port(protocol.as_str()),
            TargetError::Scheme { .. } => way::unknown(text),
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
        let query = self.way.query();
        let Some(inspected) = &self.inspected else {
            self.way.fmt(f)?;
            let Some(lines) = &self.lines else { return Ok(()) };
            return write!(f, "{}{lines}", if query.is_empty() { '?' } else { '&' });
        };
        let (protocol, suffix) = (inspected.spoken.protocol(), self.way.scheme().suffix());
        write!(f, "{protocol}{suffix}:{}{}", self.way.address(), inspected.base())?;
        let own = inspected.to_string();
        let between = if query.is_empty() || own.is_empty() { "" } else { "&" };
        way::write_query(f, &format!("{query}{between}{own}"))
    }
}

/// Serializes what `Display` writes, except the path of a Unix socket, which may have any
/// characters.
impl serde::Serialize for Target {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if let Way::Unix { path } = &self.way {
            return s.collect_str(&format_args!("unix:{}", path.display()));
        }
        s.collect_str(self)
    }
}

#[cfg(test)]
mod tests;
