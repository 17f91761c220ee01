//! The inspection of an interface.

use std::fmt;

use super::digits::number;
use super::error::TargetError;
use super::field::FieldName;
use super::http::{HttpHost, HttpOptions, RequestRate, ToldIdentity, base_of};
use super::modbus::{self, ModbusOptions};
use super::mqtt::{ClientIds, MqttOptions, ResponseTopics};
use super::query::{Operand, SecretParameter};
use super::several::Several;
use crate::path::Path;
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
}

/// The options of one interface, as they are read from its URL.
struct Options {
    protocol: Protocol,
    http: HttpOptions,
    ids: Option<ClientIds>,
    modbus: ModbusOptions,
    response: Option<ResponseTopics>,
    synced: Option<bool>,
}

impl Options {
    /// Reads one option of a query. `None` if it is no option of the protocol; `false` if it does
    /// not have that value, or was given before.
    fn take(&mut self, key: &str, word: &str) -> Option<bool> {
        fn put<T>(option: &mut Option<T>, value: Option<T>) -> bool {
            value.is_some_and(|value| option.replace(value).is_none())
        }
        /// Sets an option that has one word, once.
        fn declare(option: &mut bool, is_word: bool) -> bool {
            is_word && !std::mem::replace(option, true)
        }
        if key == "audit" {
            let synced = matches!(word, "sync" | "second").then_some(word == "sync");
            return Some(put(&mut self.synced, synced));
        }
        let (http, modbus) = (&mut self.http, &mut self.modbus);
        Some(match self.protocol {
            Protocol::Mqtt => match key {
                "client-id" => put(&mut self.ids, ClientIds::of_word(word)),
                "response-topic" => put(&mut self.response, ResponseTopics::of_word(word)),
                _ => return None,
            },
            Protocol::Modbus => match key {
                "unit" => declare(&mut modbus.any_unit, word == modbus::ANY),
                "tables" => declare(&mut modbus.aliased_tables, word == modbus::ALIAS),
                _ => return None,
            },
            Protocol::Http => match key {
                "body" => put(&mut http.body, number(word)),
                "rate" => put(&mut http.rate, RequestRate::of_word(word)),
                "host" => put(&mut http.host, HttpHost::of_word(word)),
                "identity" => put(&mut http.identity, ToldIdentity::of_word(word)),
                "query" => declare(&mut http.hides_query, word == "off"),
                "mask" => put(&mut http.mask, Several::of_word(word, SecretParameter::of_word)),
                "operand" => put(&mut http.operand, Operand::of_word(word)),
                "origins" => put(&mut http.origins, Several::of_word(word, |one| one.parse().ok())),
                "keep" => put(&mut http.keep, Several::of_word(word, FieldName::of_word)),
                _ => return None,
            },
            Protocol::Coap
            | Protocol::Tcp
            | Protocol::Udp
            | Protocol::Unix
            | Protocol::Process
            | Protocol::Serial
            | Protocol::Administration => return None,
        })
    }
}

impl Inspected {
    /// Reads the options in the query of a URL. It returns the rest.
    pub(super) fn take(
        protocol: Protocol,
        base: &str,
        query: Option<&str>,
    ) -> Result<(Self, Option<String>), TargetError> {
        let http = HttpOptions { base: base_of(base)?, ..HttpOptions::default() };
        let (modbus, (ids, response, synced)) = (ModbusOptions::default(), (None, None, None));
        let mut options = Options { protocol, http, ids, response, modbus, synced };
        let mut others = Vec::new();
        for part in query.into_iter().flat_map(|query| query.split('&')) {
            let taken = part.split_once('=').and_then(|(key, word)| options.take(key, word));
            match taken {
                Some(true) => {}
                Some(false) => return Err(TargetError::Option(part.to_owned())),
                None => others.push(part),
            }
        }
        let Options { http, ids, response, modbus, synced, .. } = options;
        if let Some(operand) = &http.operand
            && http.masks(operand.key())
        {
            return Err(TargetError::MaskedOperand(operand.key().to_owned()));
        }
        let spoken = match protocol {
            Protocol::Http => Inspection::Http(Box::new(http)),
            Protocol::Modbus => Inspection::Modbus(modbus),
            Protocol::Mqtt => Inspection::Mqtt(MqttOptions {
                ids: ids.unwrap_or_default(),
                response: response.unwrap_or_default(),
            }),
            Protocol::Coap => Inspection::Coap,
            Protocol::Tcp
            | Protocol::Udp
            | Protocol::Unix
            | Protocol::Process
            | Protocol::Serial
            | Protocol::Administration => {
                return Err(TargetError::Scheme(protocol.as_str().to_owned()));
            }
        };
        let rest = (!others.is_empty()).then(|| others.join("&"));
        Ok((Self { spoken, synced: synced.unwrap_or_default() }, rest))
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
        match &self.spoken {
            Inspection::Http(options) => Some(options),
            Inspection::Modbus(_) | Inspection::Mqtt(_) | Inspection::Coap => None,
        }
    }

    /// Returns the path after the host in the URL.
    pub(super) fn base(&self) -> &str {
        self.http().map_or("", |http| &http.base)
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
                operand.and_then(|operand| path.without(operand)).into_iter().collect()
            }
            Inspection::Mqtt(_) | Inspection::Coap => Vec::new(),
        }
    }
}

/// Writes the options that differ from the defaults, as in the query of a URL.
impl fmt::Display for Inspected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all: Vec<String> = Vec::new();
        match &self.spoken {
            Inspection::Mqtt(MqttOptions { ids, response }) => {
                let chosen = (*ids != ClientIds::default()).then(|| ids.as_str());
                all.extend(chosen.map(|word| format!("client-id={word}")));
                all.extend(response.as_str().map(|word| format!("response-topic={word}")));
            }
            Inspection::Http(http) => {
                all.extend(http.host.as_ref().map(|host| format!("host={host}")));
                all.extend(http.body.map(|body| format!("body={body}")));
                all.extend(http.rate.map(|rate| format!("rate={rate}")));
                all.extend(http.identity.map(|identity| format!("identity={identity}")));
                all.extend(http.hides_query.then(|| "query=off".to_owned()));
                all.extend(http.mask.as_ref().map(|mask| format!("mask={mask}")));
                all.extend(http.operand.as_ref().map(|operand| format!("operand={operand}")));
                all.extend(http.origins.as_ref().map(|origins| format!("origins={origins}")));
                all.extend(http.keep.as_ref().map(|keep| format!("keep={keep}")));
            }
            Inspection::Modbus(options) => all.extend(options.words()),
            Inspection::Coap => {}
        }
        all.extend(self.synced.then(|| "audit=sync".to_owned()));
        f.write_str(&all.join("&"))
    }
}
