//! Upgrades: WebSocket over HTTP/1.1 and over HTTP/2.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONNECTION, HeaderMap, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE,
};
use http::{Method, Version};

use super::fields::elements;
use super::refusal::HttpRefusal;

/// The parts of an extended CONNECT over HTTP/2 that are not in its head (RFC 8441 section 4).
#[derive(Clone, Copy, Debug)]
pub struct Extended<'a> {
    /// The pseudo-header field `:protocol`.
    pub protocol: &'a str,
    /// The `Sec-WebSocket-Key` for the backend, which HTTP/2 does not have: 16 random bytes (RFC
    /// 6455 section 4.1).
    pub key: [u8; 16],
}

/// The protocol of an upgrade (RFC 9110 section 7.8).
#[derive(Clone, Debug)]
pub(super) struct Upgrade {
    protocol: HeaderValue,
    /// The key for the backend, if the client sent an extended CONNECT.
    extended: Option<[u8; 16]>,
}

impl Upgrade {
    /// Reads the upgrade of a request over HTTP/1.1. An upgrade to HTTP itself (`h2c`, `HTTP/…`) or
    /// to TLS below it (RFC 2817) is ignored, as the RFC allows, because requests that nobody
    /// decides would follow.
    pub(super) fn read(
        method: &Method,
        version: Version,
        fields: &HeaderMap,
    ) -> Result<Option<Self>, HttpRefusal> {
        let asked = version == Version::HTTP_11
            && elements(fields, CONNECTION).any(|option| option.eq_ignore_ascii_case(b"upgrade"));
        let mut offered = elements(fields, UPGRADE).filter(|protocol| !is_http(protocol));
        let Some(protocol) = offered.next().filter(|_| asked) else { return Ok(None) };
        let protocol = Some(protocol).filter(|protocol| is_protocol(protocol));
        let protocol = protocol.and_then(|protocol| HeaderValue::from_bytes(protocol).ok());
        match protocol.filter(|_| offered.next().is_none() && *method == Method::GET) {
            Some(protocol) => Ok(Some(Self { protocol, extended: None })),
            None => Err(HttpRefusal::Upgrade),
        }
    }

    /// Reads an extended CONNECT.
    pub(super) fn extended(extended: Extended<'_>) -> Result<Self, HttpRefusal> {
        let protocol = extended.protocol.as_bytes();
        let known = is_protocol(protocol) && !is_http(protocol);
        let protocol = HeaderValue::from_bytes(protocol).ok().filter(|_| known);
        let protocol = protocol.ok_or(HttpRefusal::Protocol)?;
        Ok(Self { protocol, extended: Some(extended.key) })
    }

    pub(super) fn is_extended(&self) -> bool {
        self.extended.is_some()
    }

    /// Writes the upgrade for a backend, which uses HTTP/1.1.
    pub(super) fn ask(&self, fields: &mut HeaderMap) {
        self.write(fields);
        let Some(key) = self.extended else { return };
        fields.remove(SEC_WEBSOCKET_KEY);
        if self.protocol.as_bytes().eq_ignore_ascii_case(b"websocket")
            && let Ok(key) = HeaderValue::try_from(STANDARD.encode(key))
        {
            fields.insert(SEC_WEBSOCKET_KEY, key);
        }
    }

    /// Returns whether an answer's fields agree to this upgrade, and to no other.
    pub(super) fn is_agreed(&self, fields: &HeaderMap) -> bool {
        let mut agreed = elements(fields, UPGRADE);
        let same = |agreed: &[u8]| agreed.eq_ignore_ascii_case(self.protocol.as_bytes());
        agreed.next().is_some_and(same) && agreed.next().is_none()
    }

    /// Writes for the client that the upgrade has happened.
    pub(super) fn agree(&self, fields: &mut HeaderMap) {
        if self.is_extended() {
            fields.remove(SEC_WEBSOCKET_ACCEPT);
        } else {
            self.write(fields);
        }
    }

    fn write(&self, fields: &mut HeaderMap) {
        fields.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        fields.insert(UPGRADE, self.protocol.clone());
    }
}

/// Returns whether a text is a protocol: a token, and perhaps a version, which is another token
/// (RFC 9110 section 7.8).
fn is_protocol(text: &[u8]) -> bool {
    let token = |part: &[u8]| {
        let mark = |byte: &u8| b"!#$%&'*+-.^_`|~".contains(byte);
        !part.is_empty() && part.iter().all(|byte| byte.is_ascii_alphanumeric() || mark(byte))
    };
    let mut parts = text.splitn(2, |byte| *byte == b'/');
    parts.all(token)
}

fn is_http(protocol: &[u8]) -> bool {
    let name = protocol.split(|byte| *byte == b'/').next().unwrap_or_default();
    [&b"http"[..], b"h2c", b"h2", b"h3", b"tls"].iter().any(|http| name.eq_ignore_ascii_case(http))
}
