//! Makes the request for the backend.

use http::header::{CONNECTION, COOKIE, HOST, HeaderMap, HeaderValue, ORIGIN, TE, VIA};
use http::request::Parts;
use http::{Method, Version};
use smallvec::SmallVec;

use super::fields::{are_bounded, elements, is_no_trailer, is_not_for_backend, remove};
use super::interface::HttpInterface;
use super::request::{PermittedRequest, UnjudgedRequest};
use super::upgrade::Upgrade;

/// A forwarded request that is to be answered.
#[derive(Debug)]
pub struct Forwarded {
    pub(super) upgrade: Option<Upgrade>,
}

impl Forwarded {
    /// Returns whether the request asks for an upgrade.
    #[must_use]
    pub fn is_upgrade(&self) -> bool {
        self.upgrade.is_some()
    }
}

impl HttpInterface {
    /// Returns the head for the backend, as HTTP/1.1: the target as it was decided, the declared
    /// host, the client's fields without those for the gateway alone, and the gateway's own fields.
    #[must_use]
    pub fn forward(&self, permitted: PermittedRequest) -> (Parts, Forwarded) {
        let PermittedRequest(UnjudgedRequest {
            mut head, target, upgrade, content, from_here, ..
        }) = permitted;
        let via = match head.version {
            Version::HTTP_10 => "1.0 doorward",
            Version::HTTP_11 => "1.1 doorward",
            _ => "2.0 doorward",
        };
        let fields = &mut head.headers;
        let trailers = elements(fields, TE).any(|one| one.eq_ignore_ascii_case(b"trailers"));
        remove(fields, |name| is_not_for_backend(name) && !self.keeps(name));
        join_cookies(fields);

        fields.insert(HOST, self.backend.authority().clone());
        // The backend has another host than the interface, and would take its own page for a
        // foreign one.
        if from_here {
            fields.insert(ORIGIN, self.backend.origin().clone());
        }
        fields.append(VIA, HeaderValue::from_static(via));
        if let Some(upgrade) = &upgrade {
            upgrade.ask(fields);
        } else if let Some(options) = match (content, trailers) {
            // A backend that overlooks the content would read it as the next request, which nobody
            // has decided. So no request may follow.
            (true, false) => Some("close"),
            (true, true) => Some("close, te"),
            (false, true) => Some("te"),
            (false, false) => None,
        } {
            fields.insert(CONNECTION, HeaderValue::from_static(options));
            if trailers {
                fields.insert(TE, HeaderValue::from_static("trailers"));
            }
        }

        if upgrade.is_some() {
            head.method = Method::GET;
        }
        head.uri = target.into();
        head.version = Version::HTTP_11;
        (head, Forwarded { upgrade })
    }

    /// Removes the fields of a trailer section, in either direction, that must not be there or must
    /// not be forwarded. A section that is too large is emptied.
    pub fn trailers(fields: &mut HeaderMap) {
        if are_bounded(fields) {
            remove(fields, is_no_trailer);
        } else {
            fields.clear();
        }
    }
}

/// Joins cookies. HTTP/2 sends them in several lines, and HTTP/1.1 in one (RFC 9113 section 8.2.3).
fn join_cookies(fields: &mut HeaderMap) {
    let lines = fields.get_all(COOKIE).into_iter().map(HeaderValue::as_bytes);
    let lines: SmallVec<[&[u8]; 8]> = lines.collect();
    if lines.len() < 2 {
        return;
    }
    let line = HeaderValue::from_bytes(&lines.join(&b"; "[..]));
    drop(lines);
    if let Ok(line) = line {
        fields.insert(COOKIE, line);
    }
}
