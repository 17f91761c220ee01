//! Header fields: their bounds, and which are forwarded.

use http::header::{CONNECTION, HeaderMap, HeaderName};
use smallvec::SmallVec;

use super::claims::CLAIMS;

/// The most header fields of a message.
pub const FIELDS: usize = 100;
/// The most bytes of names and values of all header fields of a message.
pub const FIELD_BYTES: usize = 32 * 1024;

/// Fields between two neighbours only (RFC 9110 section 7.6.1; `HTTP2-Settings` by RFC 7540 section
/// 3.2.1).
const HOP: &[&str] = &[
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-*",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Fields that make a backend do something other than the method and the target say, which were
/// decided. `Proxy` becomes a program's HTTP_PROXY (CVE-2016-5385).
const OTHERWISE: &[&str] = &[
    "method-override",
    "proxy",
    "x-host",
    "x-http-host-override",
    "x-http-method",
    "x-http-method-override",
    "x-method",
    "x-method-override",
    "x-original-*",
    "x-rewrite-*",
    "x-script-name",
];

/// Fields that the gateway handles or writes itself.
const OWN: &[&str] = &["doorward-*", "expect", "host", "max-forwards"];

/// Fields of a backend's answer that clients must not get. `Alt-Svc` would lead past the gateway
/// (RFC 7838), and `Doorward-*` would speak for it.
const NOT_FOR_CLIENTS: &[&str] = &["alt-svc", "doorward-*"];

/// Fields that a trailer section cannot set (RFC 9110 section 6.5.1).
const HEAD_ONLY: &[&str] = &[
    "authorization",
    "cache-control",
    "content-*",
    "cookie",
    "if-*",
    "location",
    "range",
    "set-cookie",
];

/// The prefix that CGI puts before a field's name (RFC 3875 section 4.1.18), folded.
const CGI: &[u8] = b"http-";

/// Returns whether a client's field is never forwarded to the backend, whatever the interface's
/// options are.
fn is_never_for_backend(name: &Folded) -> bool {
    [HOP, OTHERWISE, OWN].into_iter().any(|list| name.is_one_of(list))
}

/// Returns whether a client's field is not forwarded to the backend.
pub(super) fn is_not_for_backend(name: &str) -> bool {
    let folded = Folded::new(name);
    is_never_for_backend(&folded)
        || folded.is_one_of(CLAIMS)
        // A backend that folds names would read it as Content-Length, which frames the message.
        || name != "content-length" && folded.is("content-length")
}

/// Returns whether a field is forwarded only if an interface keeps it (`keep=`), because clients
/// could claim an identity with it. The gateway's own fields, and fields that change what a request
/// does, are never kept.
#[must_use]
pub fn may_be_kept(name: &str) -> bool {
    let folded = Folded::new(name);
    folded.is_one_of(CLAIMS) && !is_never_for_backend(&folded)
}

/// Returns whether a backend's field is not forwarded to the client.
pub(super) fn is_not_for_client(name: &str) -> bool {
    let folded = Folded::new(name);
    folded.is_one_of(HOP) || folded.is_one_of(NOT_FOR_CLIENTS)
}

/// Returns whether a field of a trailer section is not forwarded, in either direction.
pub(super) fn is_no_trailer(name: &str) -> bool {
    is_not_for_backend(name) || is_not_for_client(name) || Folded::new(name).is_one_of(HEAD_ONLY)
}

/// A field's name for programs that ignore case and read every other character as a hyphen, as CGI
/// does: to them, `X_Forwarded_For` and `X.Forwarded.For` are `X-Forwarded-For`. CGI calls that
/// `HTTP_X_FORWARDED_FOR`, and some programs look for a field of this name.
pub(super) struct Folded(SmallVec<[u8; 32]>);

impl Folded {
    pub(super) fn new(name: &str) -> Self {
        Self(without_cgi(name.as_bytes()).iter().map(|byte| fold(*byte)).collect())
    }

    pub(super) fn is(&self, known: &str) -> bool {
        *self.0 == *known.as_bytes()
    }

    /// Returns whether it is in a list of names. A name with a star stands for all names with that
    /// beginning. The list is sorted by its names without stars, and no name in it begins like one
    /// with a star.
    fn is_one_of(&self, list: &[&str]) -> bool {
        let before = |known: &&str| known.trim_end_matches('*').as_bytes() <= &*self.0;
        let nearest = list.partition_point(before).checked_sub(1).and_then(|at| list.get(at));
        nearest.is_some_and(|known| match known.strip_suffix('*') {
            Some(front) => self.0.starts_with(front.as_bytes()),
            None => self.is(known),
        })
    }
}

fn fold(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

/// Returns a field's name without CGI's prefix, which may be repeated.
fn without_cgi(mut name: &[u8]) -> &[u8] {
    while let Some((front, rest)) = name.split_at_checked(CGI.len())
        && front.iter().map(|byte| fold(*byte)).eq(CGI.iter().copied())
    {
        name = rest;
    }
    name
}

/// Returns whether the number and the length of the fields are within the bounds of a message.
pub(super) fn are_bounded(fields: &HeaderMap) -> bool {
    let bytes = fields.iter().map(|(name, value)| name.as_str().len() + value.len());
    fields.len() <= FIELDS && bytes.sum::<usize>() <= FIELD_BYTES
}

/// Yields the elements of a list field (RFC 9110 section 5.6.1), in all its lines.
pub(super) fn elements(fields: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    let lines = fields.get_all(name).into_iter();
    let elements = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    elements.map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

/// Removes the fields for which `is_removed` returns true, and those that `Connection` names.
pub(super) fn remove(fields: &mut HeaderMap, is_removed: impl Fn(&str) -> bool) {
    // A name that no field can have is in no header.
    let named = elements(fields, CONNECTION).filter_map(|name| HeaderName::from_bytes(name).ok());
    let removed = fields.keys().filter(|name| is_removed(name.as_str())).cloned();
    let names: SmallVec<[HeaderName; 8]> = named.chain(removed).collect();
    for name in names {
        fields.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_told_apart_however_they_are_spelt() {
        for (name, for_backend, for_client) in [
            ("accept", true, true),
            ("cookie", true, true),
            ("content-length", true, true),
            ("via", true, true),
            ("x-real-ip-address", true, true),
            ("doorwards", true, true),
            ("x-http-methods", true, true),
            ("connection", false, false),
            ("keep-alive", false, false),
            ("proxy-authorization", false, false),
            ("proxy-anything", false, false),
            ("te", false, false),
            ("trailer", false, false),
            ("transfer-encoding", false, false),
            ("transfer_encoding", false, false),
            ("upgrade", false, false),
            ("http2-settings", false, false),
            ("doorward-subject", false, false),
            ("doorward_subject", false, false),
            ("doorward.subject", false, false),
            ("doorward-", false, false),
            ("alt-svc", true, false),
            ("alt_svc", true, false),
            ("forwarded", false, true),
            ("x-forwarded", false, true),
            ("x-forwarded-for", false, true),
            ("x_forwarded_for", false, true),
            ("x.forwarded~for", false, true),
            ("x-forwarded-anything", false, true),
            ("x-real-ip", false, true),
            ("client-cert", false, true),
            ("ssl_client_verify", false, true),
            ("x-http-method-override", false, true),
            ("x_http_method_override", false, true),
            ("method-override", false, true),
            ("http-method-override", false, true),
            ("x-method", false, true),
            ("x-original-url", false, true),
            ("x-rewrite-url", false, true),
            // Names in CGI's form.
            ("http_x_forwarded_for", false, true),
            ("HTTP_CLIENT_IP", false, true),
            ("http-forwarded", false, true),
            ("http.remote.user", false, true),
            ("http_http_x_real_ip", false, true),
            ("http_x_http_method_override", false, true),
            ("http_proxy", false, true),
            ("http_host", false, true),
            ("http_content_length", false, true),
            ("http_doorward_identity", false, false),
            ("http_connection", false, false),
            ("proxy", false, true),
            ("host", false, true),
            ("expect", false, true),
            ("content_length", false, true),
            ("remote-user", false, true),
            ("remote_user", false, true),
            ("x-remote-user", false, true),
            ("x_webauth_user", false, true),
            ("x-auth-request-preferred-username", false, true),
            ("x-authenticated-user", false, true),
            ("x-user", false, true),
            ("x-userinfo", false, true),
            ("x-remote-group", false, true),
            ("x-client-dn", false, true),
            ("x-arr-clientcert", false, true),
            ("x-envoy-original-path", false, true),
            ("x-originating-ip", false, true),
            ("cf-connecting-ip", false, true),
            ("cf_access_jwt_assertion", false, true),
            ("impersonate-extra-scopes", false, true),
            ("x-amzn-oidc-data", false, true),
            ("tailscale-user-login", false, true),
            ("x-token-user-roles", false, true),
            ("sm_user", false, true),
            ("iv-creds", false, true),
            ("x-script-name", false, true),
            ("kubeflow-userid", false, true),
            ("kubeflow-groups", false, true),
            ("x-trino-user", false, true),
            ("x-presto-user", false, true),
            ("x-rapidapi-user", false, true),
            ("x-rapidapi-proxy-secret", false, true),
            ("x-hasura-role", false, true),
            ("x-clientip", false, true),
            ("x-client-ip", false, true),
            ("cdn-src-ip", false, true),
            ("ali-cdn-real-ip", false, true),
            ("x-scope-orgid", false, true),
            // Fields with which clients authenticate, and fields about the request alone.
            ("authorization", true, true),
            ("x-auth-token", true, true),
            ("x-auth-key", true, true),
            ("x-api-key", true, true),
            ("x-access-token", true, true),
            ("x-csrf-token", true, true),
            ("x-requested-with", true, true),
            ("user-agent", true, true),
            ("sec-fetch-user", true, true),
            ("x-request-id", true, true),
            ("x-amz-date", true, true),
            ("x-client-data", true, true),
            ("x-client-version", true, true),
            ("from", true, true),
            ("http-referer", true, true),
            ("http_accept", true, true),
            ("http-", true, true),
            ("https", true, true),
            ("x-trino-catalog", true, true),
            ("x-methods", true, true),
            ("x", true, true),
        ] {
            assert_eq!(!is_not_for_backend(name), for_backend, "{name}");
            assert_eq!(!is_not_for_client(name), for_client, "{name}");
        }
    }

    #[test]
    fn lists_are_in_the_order_in_which_they_are_searched() {
        for list in [HOP, CLAIMS, OTHERWISE, OWN, NOT_FOR_CLIENTS, HEAD_ONLY] {
            let names: Vec<&str> = list.iter().map(|name| name.trim_end_matches('*')).collect();
            assert!(names.is_sorted() && names.iter().all(|name| !name.is_empty()), "{list:?}");
            for (at, name) in list.iter().enumerate() {
                let front = name.strip_suffix('*');
                let covered = |other: &&str| front.is_some_and(|front| other.starts_with(front));
                let others = names.iter().enumerate().filter(|(other, _)| *other != at);
                assert!(!others.into_iter().any(|(_, other)| covered(other)), "{name}");
                assert!(Folded::new(names[at]).is(names[at]), "{name} is folded");
                assert!(Folded::new(&format!("{}x", names[at])).is_one_of(list) == front.is_some());
                assert!(Folded::new(names[at]).is_one_of(list), "{name}");
            }
        }
    }

    #[test]
    fn only_claims_are_kept() {
        for (name, may) in [
            ("X-Remote-User", true),
            ("x_remote_user", true),
            ("X-Forwarded-For", true),
            ("Remote-User", true),
            ("HTTP_X_FORWARDED_FOR", true),
            ("HTTP_Doorward_Identity", false),
            ("Doorward-Identity", false),
            ("doorward_identity", false),
            ("X-HTTP-Method-Override", false),
            ("X-Original-URL", false),
            ("Proxy", false),
            ("Proxy-Authorization", false),
            ("Host", false),
            ("Transfer-Encoding", false),
            // Such a field is always forwarded.
            ("Accept", false),
        ] {
            assert_eq!(may_be_kept(name), may, "{name}");
        }
    }
}
