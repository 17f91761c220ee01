//! The host and port that a request names.

use std::net::{Ipv4Addr, Ipv6Addr};

use http::Version;
use http::header::HOST;
use http::request::Parts;

use super::refusal::HttpRefusal;

/// A host with an optional port, without user information (RFC 3986 section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RequestAuthority<'a> {
    /// A name, an IPv4 address, or an IPv6 address in brackets.
    pub(super) host: &'a str,
    pub(super) port: Option<u16>,
}

impl<'a> RequestAuthority<'a> {
    /// Reads `HOST` or `HOST:PORT`. A name has labels of letters, digits, `-` and `_`; a port is 1
    /// to 65535.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let end = match text.strip_prefix('[') {
            Some(inner) => {
                let (address, _) = inner.split_once(']')?;
                address.parse::<Ipv6Addr>().ok()?;
                address.len() + 2
            }
            None => text.find(':').unwrap_or(text.len()),
        };
        let (host, port) = text.split_at_checked(end)?;
        if !host.starts_with('[') && !is_name(host) {
            return None;
        }
        let port = match port.strip_prefix(':') {
            Some(digits) => Some(read_port(digits)?),
            None if port.is_empty() => None,
            None => return None,
        };
        Some(Self { host, port })
    }

    /// Returns whether both can mean the same server: the same host, and not two different ports.
    pub(super) fn agrees(self, other: Self) -> bool {
        let ports = self.port.is_none() || other.port.is_none() || self.port == other.port;
        ports && self.is(other.host)
    }

    /// Returns whether `host` is meant. Names are compared without regard to case (RFC 3986 section
    /// 3.2.2).
    pub(super) fn is(self, host: &str) -> bool {
        self.host.eq_ignore_ascii_case(host)
    }

    /// Returns whether another party may own the name and let it resolve to any address.
    pub(super) fn may_be_anybodys(self) -> bool {
        let address = self.host.starts_with('[') || self.host.parse::<Ipv4Addr>().is_ok();
        let local = self.host.rsplit('.').next().unwrap_or_default();
        !address && self.host.contains('.') && !local.eq_ignore_ascii_case("localhost")
    }
}

fn is_name(host: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    host.len() <= 253 && host.split('.').all(label)
}

fn read_port(digits: &str) -> Option<u16> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|port| plain && *port != 0)
}

/// Returns the authority that a request names (RFC 9112 section 3.2, RFC 9113 section 8.3.1).
/// `None` for HTTP/1.0 only, which need not name one.
pub(super) fn named_authority(head: &Parts) -> Result<Option<RequestAuthority<'_>>, HttpRefusal> {
    let mut hosts = head.headers.get_all(HOST).into_iter();
    let read = |text| RequestAuthority::read(text).ok_or(HttpRefusal::Host);
    let host = match hosts.next() {
        Some(host) => Some(read(host.to_str().map_err(|_| HttpRefusal::Host)?)?),
        None if head.version == Version::HTTP_11 => return Err(HttpRefusal::Host),
        None => None,
    };
    if hosts.next().is_some() {
        return Err(HttpRefusal::Host);
    }
    let target = head.uri.authority().map(|target| read(target.as_str())).transpose()?;
    match (target, host) {
        (Some(target), Some(host)) if !target.agrees(host) => Err(HttpRefusal::Host),
        (None, None) if head.version == Version::HTTP_2 => Err(HttpRefusal::Host),
        (target, host) => Ok(target.or(host)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_a_host_and_perhaps_a_port() {
        type Expected = Option<(&'static str, Option<u16>)>;
        let cases: &[(&str, Expected)] = &[
            ("a.example", Some(("a.example", None))),
            ("web--plc_1.example:8443", Some(("web--plc_1.example", Some(8443)))),
            ("10.0.0.1:80", Some(("10.0.0.1", Some(80)))),
            ("[::1]", Some(("[::1]", None))),
            ("[::1]:80", Some(("[::1]", Some(80)))),
            ("", None),
            (":80", None),
            ("a:", None),
            ("a:0", None),
            ("a:65536", None),
            ("a:+80", None),
            ("a:80:80", None),
            ("a:80 ", None),
            (" a", None),
            ("a b", None),
            ("a,b", None),
            ("u@a", None),
            ("u:p@a", None),
            ("a.", None),
            (".a", None),
            ("a..b", None),
            ("a/b", None),
            ("a%41", None),
            ("::1", None),
            ("[::1", None),
            ("[a]", None),
            ("[::1]x", None),
            ("[::1%25lo]", None),
            ("[]", None),
        ];
        for (text, expected) in cases {
            let expected = expected.map(|(host, port)| RequestAuthority { host, port });
            assert_eq!(RequestAuthority::read(text), expected, "{text:?}");
        }
        assert_eq!(RequestAuthority::read(&format!("{}.example", "a".repeat(253))), None);
    }
}
