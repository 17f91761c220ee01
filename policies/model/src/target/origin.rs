//! Origins of web pages (RFC 6454) that may act at an interface (`origins=`).

use std::fmt;
use std::str::FromStr;

use super::digits::number;
use super::host::Host;

/// An origin of web pages, as browsers write it: `https://ha.example` or `http://ha.lan:8123`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: Scheme,
    host: Host,
    port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Scheme {
    Http,
    Https,
}

impl Scheme {
    fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// Returns the port that a URL may leave out.
    fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// A text that is no origin with the scheme `http` or `https`. `null` is no origin, because pages
/// of many sites have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an origin is SCHEME://HOST or SCHEME://HOST:PORT, as in https://ha.example")]
pub struct NoOrigin;

impl FromStr for Origin {
    type Err = NoOrigin;

    /// Reads an origin. It may have the scheme's own port.
    fn from_str(text: &str) -> Result<Self, NoOrigin> {
        let (scheme, rest) = text.split_once("://").ok_or(NoOrigin)?;
        let known = [Scheme::Http, Scheme::Https].into_iter();
        let scheme = known.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(scheme));
        let scheme = scheme.ok_or(NoOrigin)?;
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, digits)) if !digits.ends_with(']') => {
                let port = number(digits).and_then(|port| u16::try_from(port).ok());
                (host, port.filter(|port| *port != 0).ok_or(NoOrigin)?)
            }
            _ => (rest, scheme.port()),
        };
        Ok(Self { scheme, host: host.parse().map_err(|_| NoOrigin)?, port })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scheme, host, port } = self;
        write!(f, "{}://{host}", scheme.as_str())?;
        if *port == scheme.port() { Ok(()) } else { write!(f, ":{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_one_spelling() {
        for (text, shown) in [
            ("https://ha.example", "https://ha.example"),
            ("HTTPS://HA.example:443", "https://ha.example"),
            ("https://ha.example:80", "https://ha.example:80"),
            ("http://ha.lan:8123", "http://ha.lan:8123"),
            ("http://10.0.0.7:80", "http://10.0.0.7"),
            ("http://[::1]:81", "http://[::1]:81"),
            ("http://[::1]", "http://[::1]"),
        ] {
            assert_eq!(text.parse::<Origin>().unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn what_names_more_or_less_than_an_origin_is_refused() {
        for text in [
            "",
            "null",
            "*",
            "ha.example",
            "//ha.example",
            "https:ha.example",
            "https://",
            "https://*",
            "https://*.example",
            "https://ha.example/",
            "https://ha.example:",
            "https://ha.example:0",
            "https://ha.example:65536",
            "https://ha.example:+1",
            "https://u@ha.example",
            "https://ha.example.",
            "https://ha.example https://b.example",
            "https://127.1",
            "ws://ha.example",
            "file://x",
            "chrome-extension://abc",
        ] {
            assert_eq!(text.parse::<Origin>(), Err(NoOrigin), "{text}");
        }
    }
}
