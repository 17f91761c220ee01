use http::header::{CONNECTION, HeaderMap, HeaderName};
use smallvec::SmallVec;

/// The most header fields of one message.
pub const FIELDS: usize = 100;
/// The most bytes of names and values of all header fields of one message.
pub const FIELD_BYTES: usize = 32 * 1024;

/// What is between two neighbours only (RFC 9110 section 7.6.1; `HTTP2-Settings` by RFC 7540
/// section 3.2.1).
const HOP: &[&str] = &[
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    "proxy-*",
];

/// What a client says of itself or its way that only a gateway may say (RFC 7239, RFC 9440, and
/// what is in use).
const CLAIMS: &[&str] = &[
    "doorward-*",
    "forwarded",
    "x-forwarded",
    "x-forwarded-*",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "client-ip",
    "true-client-ip",
    "client-cert",
    "client-cert-chain",
    "ssl-*",
    "x-ssl-*",
];

/// What makes a backend do something other than what the method and the target say, which were
/// decided. `Proxy` becomes a program's HTTP_PROXY (CVE-2016-5385).
const OTHERWISE: &[&str] = &[
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-*",
    "x-rewrite-*",
    "x-host",
    "proxy",
];

/// What this gateway answers or writes itself.
const OWN: &[&str] = &["host", "expect", "max-forwards"];

/// What a trailer section cannot change any more (RFC 9110 section 6.5.1).
const HEAD_ONLY: &[&str] = &[
    "content-*",
    "authorization",
    "cookie",
    "set-cookie",
    "location",
    "cache-control",
    "range",
    "if-*",
];

/// Whether a client's field is not forwarded to the backend.
pub(super) fn is_not_for_backend(name: &str) -> bool {
    [HOP, CLAIMS, OTHERWISE, OWN].into_iter().any(|list| is_one_of(list, name))
        // The same field to whoever folds names, but not what frames this message.
        || name != "content-length" && is(name, "content-length")
}

/// Whether a backend's field is not forwarded to the client. `Alt-Svc` would lead around the
/// gateway (RFC 7838), and `Doorward-*` would speak in its name.
pub(super) fn is_not_for_client(name: &str) -> bool {
    is_one_of(HOP, name) || is_one_of(&["doorward-*", "alt-svc"], name)
}

/// Whether a field in a trailer section is not forwarded, either way.
pub(super) fn is_no_trailer(name: &str) -> bool {
    is_not_for_backend(name) || is_not_for_client(name) || is_one_of(HEAD_ONLY, name)
}

/// Whether `name` is `known` to whoever takes every other character for a hyphen, as CGI and its
/// heirs do: `X_Forwarded_For` and `X.Forwarded.For` are `X-Forwarded-For` to them.
pub(super) fn is(name: &str, known: &str) -> bool {
    let alike = |(one, other): (u8, u8)| fold(one) == fold(other);
    name.len() == known.len() && name.bytes().zip(known.bytes()).all(alike)
}

fn is_one_of(list: &[&str], name: &str) -> bool {
    list.iter().any(|known| match known.strip_suffix('*') {
        Some(front) => name.get(..front.len()).is_some_and(|start| is(start, front)),
        None => is(name, known),
    })
}

/// Names are lower case already (`HeaderName`).
fn fold(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte } else { b'-' }
}

/// Whether the fields are as many, and as long, as one message may have.
pub(super) fn are_bounded(fields: &HeaderMap) -> bool {
    let bytes = fields.iter().map(|(name, value)| name.as_str().len() + value.len());
    fields.len() <= FIELDS && bytes.sum::<usize>() <= FIELD_BYTES
}

/// The elements of a field that is a list (RFC 9110 section 5.6.1), in all its lines.
pub(super) fn elements(fields: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    let lines = fields.get_all(name).into_iter();
    let elements = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    elements.map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

/// Removes the fields that `is_removed` says, and those that `Connection` names.
pub(super) fn remove(fields: &mut HeaderMap, is_removed: impl Fn(&str) -> bool) {
    // What is no name of a field is in no header.
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
            ("x-original-url", false, true),
            ("x-rewrite-url", false, true),
            ("proxy", false, true),
            ("host", false, true),
            ("expect", false, true),
            ("content_length", false, true),
        ] {
            assert_eq!(!is_not_for_backend(name), for_backend, "{name}");
            assert_eq!(!is_not_for_client(name), for_client, "{name}");
        }
    }
}
