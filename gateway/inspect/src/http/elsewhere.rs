//! Decides whether a page of another origin makes a request. A browser sends its certificate, and
//! reaches local ports, for any page that it displays.

use doorward_model::{Origin, Several};
use http::header::{AsHeaderName, HeaderMap, ORIGIN, REFERER};
use http::request::Parts;
use http::{HeaderValue, Method};

use super::authority::{RequestAuthority, named_authority};

/// The scheme in the URLs of pages of the server that a request goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `https`: clients use TLS with the gateway.
    Https,
    /// `http` or `https`: clients use the near end of a tunnel, or a program before it.
    Hidden,
}

impl Scheme {
    /// Returns whether a page of `authority` has the origin `origin` (RFC 6454 section 7).
    pub(super) fn is_origin(self, origin: &str, authority: RequestAuthority<'_>) -> bool {
        let Some((scheme, rest)) = origin.split_once("://") else { return false };
        let may_be_plain = match self {
            Self::Https => false,
            Self::Hidden => true,
        };
        let own = match scheme {
            "https" => 443,
            "http" if may_be_plain => 80,
            _ => return false,
        };
        RequestAuthority::read(rest).is_some_and(|origin| {
            origin.is(authority.host) && origin.port.unwrap_or(own) == authority.port.unwrap_or(own)
        })
    }
}

/// Returns whether a browser says that a page of another origin makes this request, and none of
/// `admitted`. `upgrade` says whether it is an upgrade, such as a WebSocket.
///
/// - `Sec-Fetch-Site` (W3C Fetch Metadata) refuses requests from other origins, also of the same
///   site. A GET that navigates to a document, such as a link, is let through; a document in a
///   frame is no such navigation.
/// - Browsers without that field, and browsers that do not trust the near end of a tunnel, send
///   `Origin` with everything except links and plain subresources.
/// - The `Origin` of a WebSocket is always compared.
///
/// Programs that send neither field are let through.
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
            // Requests of frames and images have no Origin. Their Referer comes from the browser as
            // well.
            matches!(Said::by(fields, REFERER), Said::Once(page) if is_one_of(page, admitted))
        }
        Said::Nothing | Said::Otherwise => false,
        Said::Once(origin) => is_one_of(origin, admitted),
    };
    let is_foreign = match origin {
        Said::Nothing => false,
        Said::Once(origin) => {
            let here = named_authority(head).ok().flatten();
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

/// Returns whether a person follows a link or types an address, so that the answer replaces the
/// page.
fn navigates_to_a_document(head: &Parts) -> bool {
    let says =
        |name, what| matches!(Said::by(&head.headers, name), Said::Once(said) if said == what);
    head.method == Method::GET
        && says("sec-fetch-mode", "navigate")
        && says("sec-fetch-dest", "document")
}

/// Returns whether `url`, which may be an origin alone, has one of these origins.
fn is_one_of(url: &str, origins: Option<&Several<Origin>>) -> bool {
    let Some(origins) = origins else { return false };
    let authority = url.find("://").map_or(0, |at| at + "://".len());
    let path = url.get(authority..).and_then(|rest| rest.find(['/', '?', '#']));
    let origin = path.map_or(url, |at| url.get(..authority + at).unwrap_or_default());
    origin.parse().is_ok_and(|origin: Origin| origins.iter().any(|known| *known == origin))
}

/// The value of a field that must occur at most once.
#[derive(Clone, Copy)]
enum Said<'f> {
    Nothing,
    Once(&'f str),
    /// It occurs several times, or is no text.
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
