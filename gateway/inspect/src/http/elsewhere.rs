//! Whether a page of elsewhere makes a request. A browser shows its certificate, and reaches a local
//! port, for whatever page it shows.

use doorward_model::{Origin, Several};
use http::header::{AsHeaderName, HeaderMap, ORIGIN, REFERER};
use http::request::Parts;
use http::{HeaderValue, Method};

use super::authority::RequestAuthority;
use super::request::authority;

/// What the URLs of pages begin with that come from where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `https`: clients speak TLS with the gateway.
    Https,
    /// `http` or `https`: clients speak with the near end of a tunnel, or with something before it.
    Hidden,
}

impl Scheme {
    /// Whether a page of `authority` is of the origin `origin` (RFC 6454 section 7).
    pub(super) fn is_origin(self, origin: &str, authority: RequestAuthority<'_>) -> bool {
        let Some((scheme, rest)) = origin.split_once("://") else { return false };
        let own = match (scheme, self) {
            ("https", _) => 443,
            ("http", Self::Hidden) => 80,
            _ => return false,
        };
        RequestAuthority::read(rest).is_some_and(|origin| {
            origin.is(authority.host) && origin.port.unwrap_or(own) == authority.port.unwrap_or(own)
        })
    }
}

/// Whether a browser says that a page makes this request which is of another origin than the request
/// goes to, and of none of those in `admitted`. `upgrade` says whether it asks for an upgrade, such as
/// a WebSocket.
///
/// - By `Sec-Fetch-Site` (W3C Fetch Metadata) what comes from another origin is refused, also from
///   the same site, but for a GET that navigates to a document: a link. To show the document in a
///   frame is no such navigation.
/// - Browsers that do not send that, and those for which the near end of a tunnel is no trustworthy
///   place, send `Origin` with everything that is no link and no plain subresource.
/// - A WebSocket's `Origin` is compared in any case.
///
/// Programs that send neither are none of its business.
#[must_use]
pub fn comes_from_elsewhere(
    head: &Parts,
    upgrade: bool,
    scheme: Scheme,
    admitted: Option<&Several<Origin>>,
) -> bool {
    let fields = &head.headers;
    let origin = Said::by(fields, ORIGIN);
    let is_admitted = match origin {
        Said::Nothing if matches!(head.method, Method::GET | Method::HEAD) => {
            // It has no Origin, as what a frame or an image asks for; its Referer is the browser's, too.
            matches!(Said::by(fields, REFERER), Said::Once(page) if is_one_of(page, admitted))
        }
        Said::Nothing | Said::Otherwise => false,
        Said::Once(origin) => is_one_of(origin, admitted),
    };
    let is_foreign = match origin {
        Said::Nothing => false,
        Said::Once(origin) => {
            let here = authority(head).ok().flatten();
            !is_admitted && !here.is_some_and(|here| scheme.is_origin(origin, here))
        }
        Said::Otherwise => true,
    };
    match Said::by(fields, "sec-fetch-site") {
        Said::Nothing => is_foreign,
        Said::Once("same-origin" | "none") => upgrade && is_foreign,
        Said::Once(_) | Said::Otherwise => {
            !is_admitted && (upgrade || !navigates_to_a_document(head))
        }
    }
}

/// Whether a person follows a link, or types an address: what comes is shown in the place of the page.
fn navigates_to_a_document(head: &Parts) -> bool {
    let says =
        |name, what| matches!(Said::by(&head.headers, name), Said::Once(said) if said == what);
    head.method == Method::GET
        && says("sec-fetch-mode", "navigate")
        && says("sec-fetch-dest", "document")
}

/// Whether `url`, which may be an origin alone, is of one of these origins.
fn is_one_of(url: &str, origins: Option<&Several<Origin>>) -> bool {
    let Some(origins) = origins else { return false };
    let authority = url.find("://").map_or(0, |at| at + "://".len());
    let path = url.get(authority..).and_then(|rest| rest.find(['/', '?', '#']));
    let origin = path.map_or(url, |at| url.get(..authority + at).unwrap_or_default());
    origin.parse().is_ok_and(|origin: Origin| origins.iter().any(|known| *known == origin))
}

/// What a field says that is there once at most.
#[derive(Clone, Copy)]
enum Said<'f> {
    Nothing,
    Once(&'f str),
    /// It is there several times, or says no text.
    Otherwise,
}

impl<'f> Said<'f> {
    fn by(fields: &'f HeaderMap, name: impl AsHeaderName) -> Self {
        let mut values = fields.get_all(name).into_iter();
        match (values.next().map(HeaderValue::to_str), values.next()) {
            (None, _) => Self::Nothing,
            (Some(Ok(text)), None) => Self::Once(text),
            (Some(_), _) => Self::Otherwise,
        }
    }
}
