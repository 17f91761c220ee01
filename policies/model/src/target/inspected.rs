use std::fmt;

use super::error::TargetError;
use super::http::{HttpHost, HttpOptions, RequestRate, ToldIdentity, base_of, number};
use super::modbus::{self, ModbusOptions};
use crate::path::Path;
use crate::protocol::Protocol;

/// What is read in an interface's traffic, so that each operation can be decided.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Inspected {
    /// The protocol, and how it is handled.
    pub spoken: Inspection,
    /// Whether an operation waits until its record is on disk (`audit=sync`), instead of its being
    /// there within a second.
    pub synced: bool,
}

/// A protocol that is inspected.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Inspection {
    /// HTTP: `http://HOST:PORT/BASE?body=1048576&rate=10/s` or `http+agent:NAME`.
    Http(Box<HttpOptions>),
    /// Modbus: `modbus://HOST:PORT?unit=any&tables=alias`, `modbus+serial:/dev/DEVICE?baud=9600`,
    /// `modbus+agent:NAME` or `modbus+serial+agent:NAME?baud=9600`. Clients speak Modbus/TCP,
    /// whatever the device does.
    Modbus(ModbusOptions),
    /// MQTT: `mqtt://HOST:PORT?client-id=bound` or `mqtt+agent:NAME`.
    Mqtt(ClientIds),
    /// CoAP: `coap://HOST:PORT` or `coap+agent:NAME`.
    Coap,
}

/// What becomes of the client identifiers that MQTT clients choose (`client-id=`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ClientIds {
    /// The broker sees `SUBJECT:ID`, so that nobody can take over another's session.
    #[default]
    Bound,
    /// The client has to choose its subject's name, or `SUBJECT:ID`.
    Strict,
    /// The broker sees what the client chose.
    Off,
}

impl ClientIds {
    fn of_word(word: &str) -> Option<Self> {
        [Self::Bound, Self::Strict, Self::Off].into_iter().find(|one| one.as_str() == word)
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Bound => "bound",
            Self::Strict => "strict",
            Self::Off => "off",
        }
    }
}

impl Inspection {
    /// Its protocol.
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

/// The own options of one interface, as they are read from its URL.
struct Options {
    protocol: Protocol,
    http: HttpOptions,
    ids: Option<ClientIds>,
    modbus: ModbusOptions,
    synced: Option<bool>,
}

impl Options {
    /// Takes one of the parts of a query. `None` if it is no option of the protocol; `false` if it
    /// has no such value, or was given before.
    fn take(&mut self, key: &str, word: &str) -> Option<bool> {
        fn put<T>(place: &mut Option<T>, value: Option<T>) -> bool {
            value.is_some_and(|value| place.replace(value).is_none())
        }
        /// Declares what has one word for it, once.
        fn declare(place: &mut bool, is_word: bool) -> bool {
            is_word && !std::mem::replace(place, true)
        }
        let (http, modbus) = (&mut self.http, &mut self.modbus);
        Some(match (self.protocol, key) {
            (_, "audit") => {
                let synced = matches!(word, "sync" | "second").then_some(word == "sync");
                put(&mut self.synced, synced)
            }
            (Protocol::Mqtt, "client-id") => put(&mut self.ids, ClientIds::of_word(word)),
            (Protocol::Modbus, "unit") => declare(&mut modbus.any_unit, word == modbus::ANY),
            (Protocol::Modbus, "tables") => {
                declare(&mut modbus.aliased_tables, word == modbus::ALIAS)
            }
            (Protocol::Http, "body") => put(&mut http.body, number(word)),
            (Protocol::Http, "rate") => put(&mut http.rate, RequestRate::of_word(word)),
            (Protocol::Http, "host") => put(&mut http.host, HttpHost::of_word(word)),
            (Protocol::Http, "identity") => put(&mut http.identity, ToldIdentity::of_word(word)),
            _ => return None,
        })
    }
}

impl Inspected {
    /// Takes what is its own out of the query of a URL. What is not, is left.
    pub(super) fn take(
        protocol: Protocol,
        base: &str,
        query: Option<&str>,
    ) -> Result<(Self, Option<String>), TargetError> {
        let http = HttpOptions { base: base_of(base)?, ..HttpOptions::default() };
        let modbus = ModbusOptions::default();
        let mut options = Options { protocol, http, ids: None, modbus, synced: None };
        let mut others = Vec::new();
        for part in query.into_iter().flat_map(|query| query.split('&')) {
            let taken = part.split_once('=').and_then(|(key, word)| options.take(key, word));
            match taken {
                Some(true) => {}
                Some(false) => return Err(TargetError::Option(part.to_owned())),
                None => others.push(part),
            }
        }
        let Options { http, ids, modbus, synced, .. } = options;
        let spoken = match protocol {
            Protocol::Http => Inspection::Http(Box::new(http)),
            Protocol::Mqtt => Inspection::Mqtt(ids.unwrap_or_default()),
            Protocol::Coap => Inspection::Coap,
            _ => Inspection::Modbus(modbus),
        };
        let rest = (!others.is_empty()).then(|| others.join("&"));
        Ok((Self { spoken, synced: synced.unwrap_or_default() }, rest))
    }

    /// The path behind the place in its URL.
    pub(super) fn base(&self) -> &str {
        match &self.spoken {
            Inspection::Http(http) => &http.base,
            Inspection::Modbus(_) | Inspection::Mqtt(_) | Inspection::Coap => "",
        }
    }

    /// Other names of the message that `path` names, as its device may read it. A rule that denies
    /// one of them denies the message; a rule that allows has to name it as it was asked for.
    #[must_use]
    pub fn aliases(&self, path: &Path) -> Vec<Path> {
        match &self.spoken {
            Inspection::Modbus(options) => {
                path.modbus_aliases(options.any_unit, options.aliased_tables)
            }
            Inspection::Http(_) | Inspection::Mqtt(_) | Inspection::Coap => Vec::new(),
        }
    }
}

/// As in the query of a URL: what is not as it is by default.
impl fmt::Display for Inspected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all: Vec<String> = Vec::new();
        match &self.spoken {
            Inspection::Mqtt(ids) if *ids != ClientIds::default() => {
                all.push(format!("client-id={}", ids.as_str()));
            }
            Inspection::Http(http) => {
                all.extend(http.host.as_ref().map(|host| format!("host={host}")));
                all.extend(http.body.map(|body| format!("body={body}")));
                all.extend(http.rate.map(|rate| format!("rate={rate}")));
                all.extend(http.identity.map(|identity| format!("identity={identity}")));
            }
            Inspection::Modbus(options) => all.extend(options.words()),
            Inspection::Mqtt(_) | Inspection::Coap => {}
        }
        all.extend(self.synced.then(|| "audit=sync".to_owned()));
        f.write_str(&all.join("&"))
    }
}
