//! The options of HTTP interfaces.

use std::fmt;

use super::digits::number;
use super::error::TargetError;
use super::field::FieldName;
use super::host::Host;
use super::origin::Origin;
use super::query::{Operand, SecretParameter};
use super::several::Several;

/// The options of an HTTP interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct HttpOptions {
    /// The path before that of every request: empty, or a slash and segments joined by slashes.
    /// Rules do not name it.
    pub base: String,
    /// The `Host` that the gateway sends to the backend (`host=`), instead of the target's.
    pub host: Option<HttpHost>,
    /// The most bytes of a request's content (`body=`).
    pub body: Option<u64>,
    /// The rate of requests from all clients (`rate=`).
    pub rate: Option<RequestRate>,
    /// How the gateway tells the backend who asks (`identity=`), if it does.
    pub identity: Option<ToldIdentity>,
    /// Whether the audit log leaves out the query (`query=off`).
    pub hides_query: bool,
    /// The parameters of the query whose values the audit log leaves out (`mask=`).
    pub mask: Option<Several<SecretParameter>>,
    /// The parameter of the query that is decided like one more segment of the path (`operand=`).
    pub operand: Option<Operand>,
    /// Whether the device reads paths exactly as they are decided (`paths=exact`). Otherwise deny
    /// rules meet a path under each of its readings.
    pub exact_paths: bool,
    /// The other origins whose pages may act at the interface (`origins=`).
    pub origins: Option<Several<Origin>>,
    /// The fields that are forwarded although clients can claim an identity with them (`keep=`).
    pub keep: Option<Several<FieldName>>,
}

impl HttpOptions {
    /// Returns whether the audit log leaves out the value of the query's parameter `name`.
    #[must_use]
    pub fn masks(&self, name: &str) -> bool {
        self.mask
            .iter()
            .flat_map(Several::iter)
            .any(|secret| secret.as_str().eq_ignore_ascii_case(name))
    }

    /// Returns the parameter that is both an operand and a secret, if there is one.
    pub(super) fn masked_operand(&self) -> Option<&str> {
        self.operand.as_ref().map(Operand::key).filter(|key| self.masks(key))
    }

    /// Reads one option of a query. `None` if it is no option of HTTP, and `false` if it does not
    /// have that value.
    pub(super) fn take(&mut self, key: &str, word: &str) -> Option<bool> {
        fn put<T>(option: &mut Option<T>, value: Option<T>) -> bool {
            *option = value;
            option.is_some()
        }
        Some(match key {
            "body" => put(&mut self.body, number(word)),
            "rate" => put(&mut self.rate, RequestRate::of_word(word)),
            "host" => put(&mut self.host, HttpHost::of_word(word)),
            "identity" => put(&mut self.identity, ToldIdentity::of_word(word)),
            "query" => {
                self.hides_query = word == "off";
                self.hides_query
            }
            "mask" => put(&mut self.mask, Several::of_word(word, SecretParameter::of_word)),
            "operand" => put(&mut self.operand, Operand::of_word(word)),
            "paths" => {
                self.exact_paths = word == "exact";
                self.exact_paths
            }
            "origins" => put(&mut self.origins, Several::of_word(word, |one| one.parse().ok())),
            "keep" => put(&mut self.keep, Several::of_word(word, FieldName::of_word)),
            _ => return None,
        })
    }

    /// Yields the options that differ from the defaults, as in the query of a URL.
    pub(super) fn words(&self) -> impl Iterator<Item = String> {
        let all = [
            self.host.as_ref().map(|host| format!("host={host}")),
            self.body.map(|body| format!("body={body}")),
            self.rate.map(|rate| format!("rate={rate}")),
            self.identity.map(|identity| format!("identity={identity}")),
            self.hides_query.then(|| "query=off".to_owned()),
            self.mask.as_ref().map(|mask| format!("mask={mask}")),
            self.operand.as_ref().map(|operand| format!("operand={operand}")),
            self.exact_paths.then(|| "paths=exact".to_owned()),
            self.origins.as_ref().map(|origins| format!("origins={origins}")),
            self.keep.as_ref().map(|keep| format!("keep={keep}")),
        ];
        all.into_iter().flatten()
    }
}

/// How the gateway tells a backend who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ToldIdentity {
    /// In a header that the gateway signs for this interface and for one minute.
    Signed,
}

impl ToldIdentity {
    pub(super) fn of_word(word: &str) -> Option<Self> {
        (word == Self::Signed.as_str()).then_some(Self::Signed)
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Signed => "signed",
        }
    }
}

impl fmt::Display for ToldIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A host, with or without a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HttpHost {
    /// The host.
    pub host: Host,
    /// The port, if one is given.
    pub port: Option<u16>,
}

impl HttpHost {
    pub(super) fn of_word(word: &str) -> Option<Self> {
        let (host, port) = match word.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                (host, Some(number(port).and_then(|port| u16::try_from(port).ok())?))
            }
            _ => (word, None),
        };
        Some(Self { host: host.parse().ok()?, port: port.filter(|port| *port != 0) })
    }
}

impl fmt::Display for HttpHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => self.host.fmt(f),
        }
    }
}

/// A rate of requests: `count` within `seconds`, and at most `count` at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestRate {
    /// The number of requests, from 1 to 1,000,000.
    pub count: u32,
    /// The period in seconds: 1, 60 or 3600.
    pub seconds: u32,
}

const UNITS: [(&str, u32); 3] = [("s", 1), ("m", 60), ("h", 3600)];

impl RequestRate {
    pub(super) fn of_word(word: &str) -> Option<Self> {
        let (count, unit) = word.split_once('/')?;
        let (_, seconds) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
        let count = number(count).and_then(|count| u32::try_from(count).ok());
        let count = count.filter(|count| (1..=1_000_000).contains(count))?;
        Some(Self { count, seconds })
    }
}

impl fmt::Display for RequestRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS.into_iter().find(|(_, seconds)| *seconds == self.seconds);
        write!(f, "{}/{}", self.count, unit.map_or("s", |(name, _)| name))
    }
}

/// Returns the path after a host, without a slash at its end.
pub(super) fn base_of(path: &str) -> Result<String, TargetError> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let sound = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(plain);
    let segments = path.strip_prefix('/').map(|rest| rest.split('/').all(sound));
    if path.is_empty() || segments == Some(true) && path.len() <= 1024 {
        return Ok(path.to_owned());
    }
    Err(TargetError::Base(path.to_owned()))
}
