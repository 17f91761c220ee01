//! The inspection of an interface.

use std::fmt;

use super::error::TargetError;
use super::http::{HttpOptions, base_of};
use super::modbus::ModbusOptions;
use super::mqtt::MqttOptions;
use super::way;
use crate::path::{Misspelt, Path};
use crate::protocol::Protocol;

/// The inspection of an interface's traffic, so that each operation can be decided.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Inspected {
    /// The protocol, with its options.
    pub spoken: Inspection,
    /// Whether an operation waits until its record is on disk (`audit=sync`). Otherwise the record
    /// is there within a second.
    pub synced: bool,
}

/// A protocol that is inspected, with its options.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Inspection {
    /// HTTP: `http://HOST:PORT/BASE?body=1048576&rate=10/s` or `http+agent:NAME`.
    Http(Box<HttpOptions>),
    /// Modbus: `modbus://HOST:PORT?unit=any&tables=alias`, `modbus+serial:/dev/DEVICE?baud=9600`,
    /// `modbus+agent:NAME` or `modbus+serial+agent:NAME?baud=9600`. Clients speak Modbus/TCP,
    /// whatever the device does.
    Modbus(ModbusOptions),
    /// MQTT: `mqtt://HOST:PORT?client-id=bound` or `mqtt+agent:NAME`.
    Mqtt(MqttOptions),
    /// CoAP: `coap://HOST:PORT` or `coap+agent:NAME`.
    Coap,
}

impl Inspection {
    /// Returns each inspected protocol, without options.
    fn all() -> [Self; 4] {
        [
            Self::Http(Box::default()),
            Self::Modbus(ModbusOptions::default()),
            Self::Mqtt(MqttOptions::default()),
            Self::Coap,
        ]
    }

    /// Returns the protocol.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        match self {
            Self::Http(_) => Protocol::Http,
            Self::Modbus(_) => Protocol::Modbus,
            Self::Mqtt(_) => Protocol::Mqtt,
            Self::Coap => Protocol::Coap,
        }
    }

    /// Returns the options of HTTP; `None` for another protocol.
    fn http(&self) -> Option<&HttpOptions> {
        match self {
            Self::Http(options) => Some(options),
            Self::Modbus(_) | Self::Mqtt(_) | Self::Coap => None,
        }
    }

    /// Reads one option of a query. `None` if it is no option of the protocol, and `false` if it
    /// does not have that value.
    fn take(&mut self, key: &str, word: &str) -> Option<bool> {
        match self {
            Self::Http(options) => options.take(key, word),
            Self::Modbus(options) => options.take(key, word),
            Self::Mqtt(options) => options.take(key, word),
            Self::Coap => None,
        }
    }

    /// Returns the options that differ from the defaults, as in the query of a URL.
    fn words(&self) -> Vec<String> {
        match self {
            Self::Http(options) => options.words().collect(),
            Self::Modbus(options) => options.words().collect(),
            Self::Mqtt(options) => options.words().collect(),
            Self::Coap => Vec::new(),
        }
    }
}

impl Inspected {
    /// Returns how interfaces of a protocol are inspected without any option; `None` if they are
    /// not.
    #[must_use]
    pub fn by_default(protocol: Protocol) -> Option<Self> {
        let spoken = Inspection::all().into_iter().find(|one| one.protocol() == protocol)?;
        Some(Self { spoken, synced: false })
    }

    /// Checks that a request with this path is decided at all.
    ///
    /// # Errors
    /// When the device may read it in too many ways, or as a path with dot segments.
    pub fn decides(&self, path: &Path) -> Result<(), Misspelt> {
        match &self.spoken {
            Inspection::Http(options) if !options.exact_paths => path.http_readings().map(|_| ()),
            Inspection::Http(_)
            | Inspection::Modbus(_)
            | Inspection::Mqtt(_)
            | Inspection::Coap => Ok(()),
        }
    }

    /// Reads the options in the query of a URL. It returns the rest.
    pub(super) fn take(
        protocol: Protocol,
        base: &str,
        query: Option<&str>,
    ) -> Result<(Self, Option<String>), TargetError> {
        let found = Inspection::all().into_iter().find(|one| one.protocol() == protocol);
        let mut spoken = found.ok_or_else(|| way::unknown(protocol.as_str()))?;
        if let Inspection::Http(http) = &mut spoken {
            http.base = base_of(base)?;
        }
        let mut synced = false;
        let (mut given, mut others) = (Vec::new(), Vec::new());
        for part in query.into_iter().flat_map(|query| query.split('&')) {
            let taken = part.split_once('=').and_then(|(key, word)| {
                let fits = match key {
                    "audit" => {
                        synced = word == "sync";
                        Some(synced || word == "second")
                    }
                    _ => spoken.take(key, word),
                };
                fits.map(|fits| (key, fits))
            });
            match taken {
                // Each option may be given once.
                Some((key, true)) if !given.contains(&key) => given.push(key),
                Some(_) => return Err(TargetError::Option(part.to_owned())),
                None => others.push(part),
            }
        }
        if let Some(key) = spoken.http().and_then(HttpOptions::masked_operand) {
            return Err(TargetError::MaskedOperand(key.to_owned()));
        }
        let rest = (!others.is_empty()).then(|| others.join("&"));
        Ok((Self { spoken, synced }, rest))
    }

    /// Returns the options of a Modbus interface; `None` for another protocol.
    #[must_use]
    pub fn modbus(&self) -> Option<ModbusOptions> {
        match &self.spoken {
            Inspection::Modbus(options) => Some(*options),
            Inspection::Http(_) | Inspection::Mqtt(_) | Inspection::Coap => None,
        }
    }

    /// Returns the options of an HTTP interface; `None` for another protocol.
    #[must_use]
    pub fn http(&self) -> Option<&HttpOptions> {
        self.spoken.http()
    }

    /// Returns the path after the host in the URL.
    pub(super) fn base(&self) -> &str {
        self.http().map_or("", |http| &http.base)
    }

    /// Returns whether the device may read a message under other names.
    #[must_use]
    pub fn has_aliases(&self) -> bool {
        match &self.spoken {
            Inspection::Modbus(options) => options.any_unit || options.aliased_tables,
            Inspection::Http(options) => options.operand.is_some() || !options.exact_paths,
            Inspection::Mqtt(_) | Inspection::Coap => false,
        }
    }

    /// Returns the other names under which the device may read the message of `path`. A deny rule
    /// that meets one of them denies the message; an allow rule must cover `path` itself.
    #[must_use]
    pub fn aliases(&self, path: &Path) -> Vec<Path> {
        match &self.spoken {
            Inspection::Modbus(options) => {
                path.modbus_aliases(options.any_unit, options.aliased_tables)
            }
            Inspection::Http(options) => {
                let operand = options.operand.as_ref();
                let without = operand.and_then(|operand| path.without(operand));
                if options.exact_paths {
                    return without.into_iter().collect();
                }
                let mut names = path.http_names();
                names.extend(without.iter().flat_map(Path::http_names));
                names
            }
            Inspection::Mqtt(_) | Inspection::Coap => Vec::new(),
        }
    }
}

/// Writes the options that differ from the defaults, as in the query of a URL.
impl fmt::Display for Inspected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = self.spoken.words();
        all.extend(self.synced.then(|| "audit=sync".to_owned()));
        f.write_str(&all.join("&"))
    }
}
