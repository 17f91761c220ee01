//! The backend of an interface.

use std::borrow::Cow;

use doorward_model::{Host, Misspelt, spelt_path};
use http::header::HeaderValue;

use super::authority::RequestAuthority;

/// The backend of an interface: `http://HOST:PORT/BASE`, as it was declared.
#[derive(Clone, Debug)]
pub struct HttpBackend {
    /// `http://HOST:PORT`, without the port if it is 80.
    origin: HeaderValue,
    /// The part of the origin after the scheme.
    authority: HeaderValue,
    host: Box<str>,
    port: u16,
    /// Empty, or a path as [`spelt_path`] writes it, without a slash at its end.
    base: Box<str>,
}

impl HttpBackend {
    /// The port of HTTP.
    const PORT: u16 = 80;

    /// Returns a backend. `base` is empty or a path; a slash at its end makes no difference.
    ///
    /// # Errors
    /// When `base` is no path that can be decided.
    pub fn new(host: &Host, port: u16, base: &str) -> Result<Self, Misspelt> {
        let base = match base {
            "" => Cow::Borrowed(""),
            path => spelt_path(path)?,
        };
        let host = host.to_string();
        let authority = if port == Self::PORT { host.clone() } else { format!("{host}:{port}") };
        let origin = format!("http://{authority}");
        let value = |text: String| HeaderValue::try_from(text).map_err(|_| Misspelt::Character);
        Ok(Self {
            origin: value(origin)?,
            authority: value(authority)?,
            host: host.into(),
            port,
            base: base.strip_suffix('/').unwrap_or(&base).into(),
        })
    }

    pub(super) fn origin(&self) -> &HeaderValue {
        &self.origin
    }

    pub(super) fn authority(&self) -> &HeaderValue {
        &self.authority
    }

    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// Returns the client's name for the backend's `path`, which may have a query. `None` if it is
    /// outside of the base, or would be read as another host (RFC 3986 section 4.2).
    fn outside<'p>(&self, path: &'p str) -> Option<&'p str> {
        let rest = path.strip_prefix(&*self.base)?;
        let within = rest.is_empty() || rest.starts_with(['/', '?', '#']);
        let other = rest.starts_with("//") || rest.starts_with("/\\");
        (within && !other).then_some(rest)
    }

    /// Rewrites a reference (`Location`, RFC 9110 section 10.2.2) for the client: a reference to
    /// the backend becomes a path at the interface. `None` if no client can reach it.
    pub(super) fn reference<'r>(&self, reference: &'r HeaderValue) -> Option<Cow<'r, HeaderValue>> {
        let Ok(text) = reference.to_str() else { return Some(Cow::Borrowed(reference)) };
        let path = match authority_and_path(text) {
            Some((authority, path)) if self.is(authority) => path,
            None if text.starts_with('/') => text,
            // A reference to another server, or one relative to the request.
            _ => return Some(Cow::Borrowed(reference)),
        };
        let path = self.outside(if path.is_empty() { "/" } else { path })?;
        if path == text {
            return Some(Cow::Borrowed(reference));
        }
        let path =
            if path.starts_with('/') { Cow::Borrowed(path) } else { format!("/{path}").into() };
        HeaderValue::from_str(&path).ok().map(Cow::Owned)
    }

    fn is(&self, authority: &str) -> bool {
        RequestAuthority::read(authority).is_some_and(|authority| {
            authority.is(&self.host) && authority.port.unwrap_or(Self::PORT) == self.port
        })
    }

    /// Rewrites a cookie (RFC 6265 section 4.1) for the interface's host name alone, and for the
    /// interface's path. `None` if its path is one that no client can reach.
    pub(super) fn cookie(&self, cookie: &HeaderValue) -> Option<HeaderValue> {
        let mut told = Vec::with_capacity(cookie.len());
        for (index, part) in cookie.as_bytes().split(|byte| *byte == b';').enumerate() {
            let mut halves = part.splitn(2, |byte| *byte == b'=').map(<[u8]>::trim_ascii);
            let name = halves.next().unwrap_or_default();
            let attribute = |known: &[u8]| index > 0 && name.eq_ignore_ascii_case(known);
            if attribute(b"domain") {
                continue;
            }
            if index > 0 {
                told.push(b';');
            }
            if attribute(b"path") && !self.base.is_empty() {
                let path = str::from_utf8(halves.next().unwrap_or_default()).ok()?;
                // A value that is no path means the default path, which the client computes itself.
                let path = if path.starts_with('/') { self.below(path)? } else { path };
                told.extend_from_slice(b" Path=");
                told.extend_from_slice(path.as_bytes());
            } else {
                told.extend_from_slice(part);
            }
        }
        HeaderValue::from_bytes(&told).ok()
    }

    /// Returns the interface's path for which a cookie of `path` is sent.
    fn below<'p>(&self, path: &'p str) -> Option<&'p str> {
        // A path above the base covers all of the base.
        let above = path.strip_suffix('/').unwrap_or(path);
        let rest = self.base.strip_prefix(above);
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
            return Some("/");
        }
        self.outside(path)
    }
}

/// Returns the authority of a reference, if it has one, and the part after it.
fn authority_and_path(text: &str) -> Option<(&str, &str)> {
    let rest = match text.get(..5) {
        Some(scheme) if scheme.eq_ignore_ascii_case("http:") => text.get(5..)?,
        _ => text,
    };
    let rest = rest.strip_prefix("//")?;
    rest.split_at_checked(rest.find(['/', '?', '#']).unwrap_or(rest.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backend(port: u16, base: &str) -> HttpBackend {
        HttpBackend::new(&"plc.lan".parse().unwrap(), port, base).unwrap()
    }

    #[test]
    fn a_backend_is_called_as_it_was_declared() {
        assert_eq!(backend(80, "").authority(), "plc.lan");
        assert_eq!(backend(8080, "").authority(), "plc.lan:8080");
        assert_eq!(backend(8080, "").origin(), "http://plc.lan:8080");
        for (base, spelt) in [("", ""), ("/", ""), ("/a/", "/a"), ("/%61/b", "/a/b")] {
            assert_eq!(backend(80, base).base(), spelt, "{base}");
        }
        for base in ["a", "/../a", "/a//", "/a%2fb", "/a b"] {
            assert!(HttpBackend::new(&"plc.lan".parse().unwrap(), 80, base).is_err(), "{base}");
        }
        let six = HttpBackend::new(&"[fd00::1]".parse().unwrap(), 81, "").unwrap();
        assert_eq!(six.authority(), "[fd00::1]:81");
    }

    #[test]
    fn references_to_the_backend_are_told_as_paths() {
        let cases: &[(&str, &str, Option<&str>)] = &[
            ("", "/a", Some("/a")),
            ("", "a", Some("a")),
            ("", "?q", Some("?q")),
            ("", "http://plc.lan:8080/a?q#f", Some("/a?q#f")),
            ("", "HTTP://PLC.lan:8080", Some("/")),
            ("", "http://plc.lan:8080?q", Some("/?q")),
            ("", "//plc.lan:8080/a", Some("/a")),
            ("", "http://plc.lan/a", Some("http://plc.lan/a")),
            ("", "https://plc.lan:8080/a", Some("https://plc.lan:8080/a")),
            ("", "http://other/a", Some("http://other/a")),
            ("", "//other/a", Some("//other/a")),
            ("", "http://plc.lan:8080@other/a", Some("http://plc.lan:8080@other/a")),
            ("", "http://plc.lan:8080.other/a", Some("http://plc.lan:8080.other/a")),
            ("", "http://plc.lan:8080//other/a", None),
            ("", "http://plc.lan:8080/\\other/a", None),
            ("", "/\\other/a", None),
            ("/base", "http://plc.lan:8080/base/a", Some("/a")),
            ("/base", "/base/a", Some("/a")),
            ("/base", "/base", Some("/")),
            ("/base", "/base?q", Some("/?q")),
            ("/base", "/based/a", None),
            ("/base", "/other", None),
            ("/base", "/base//other", None),
            ("/base", "http://plc.lan:8080/", None),
            ("/base", "//other/base/a", Some("//other/base/a")),
            ("/base", "a", Some("a")),
        ];
        for (base, reference, expected) in cases {
            let value = HeaderValue::from_static(reference);
            let backend = backend(8080, base);
            let told = backend.reference(&value).map(|told| told.to_str().unwrap().to_owned());
            assert_eq!(told.as_deref(), *expected, "{base} {reference}");
        }
    }

    #[test]
    fn cookies_are_of_the_interface_alone() {
        let cases: &[(&str, &str, Option<&str>)] = &[
            ("", "a=1", Some("a=1")),
            ("", "a=1; Path=/x; HttpOnly", Some("a=1; Path=/x; HttpOnly")),
            ("", "a=1; Domain=gw.example; Secure", Some("a=1; Secure")),
            ("", "a=1;DOMAIN = .gw.example", Some("a=1")),
            ("", "domain=x; domain", Some("domain=x")),
            ("/base", "a=1; path=/base/x; Secure", Some("a=1; Path=/x; Secure")),
            ("/base", "a=1; path=/base", Some("a=1; Path=/")),
            ("/base", "a=1; path=/base/", Some("a=1; Path=/")),
            ("/base", "a=1; path=/", Some("a=1; Path=/")),
            ("/base", "a=1; path=x", Some("a=1; Path=x")),
            ("/base", "a=1; path=/other", None),
            ("/base", "a=1; path=/bas", None),
            ("/base", "path=/other; Secure", Some("path=/other; Secure")),
            ("/base/x", "a=1; path=/base", Some("a=1; Path=/")),
        ];
        for (base, cookie, expected) in cases {
            let told = backend(8080, base).cookie(&HeaderValue::from_static(cookie));
            assert_eq!(told.as_ref().map(|told| told.to_str().unwrap()), *expected, "{cookie}");
        }
    }
}
