//! HTTP CONNECT (RFC 9110 section 9.3.6), without I/O.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::token::ProxyToken;

/// The longest head of a request, in bytes.
pub(super) const LONGEST: usize = 16 * 1024;
/// The largest number of header fields.
const FIELDS: usize = 64;

/// The result of parsing a request's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ConnectHead {
    /// The head is incomplete.
    More,
    /// The request asks for a connection to this host. The head has this length.
    Connect(String, usize),
    /// The request is refused with this answer.
    Refuse(ProxyRefusal),
}

/// A refusal of an HTTP request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ProxyRefusal {
    pub(super) status: u16,
    pub(super) detail: String,
}

impl ProxyRefusal {
    pub(super) fn new(status: u16, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into() }
    }

    /// Encodes the complete response (RFC 9457).
    pub(super) fn encode(&self) -> Vec<u8> {
        let title = match self.status {
            403 => "Forbidden",
            405 => "Method Not Allowed",
            407 => "Proxy Authentication Required",
            408 => "Request Timeout",
            409 => "Conflict",
            431 => "Request Header Fields Too Large",
            502 => "Bad Gateway",
            503 => "Service Unavailable",
            504 => "Gateway Timeout",
            _ => "Bad Request",
        };
        let asks = match self.status {
            405 => "Allow: CONNECT\r\n",
            407 => "Proxy-Authenticate: Basic realm=\"doorward\", charset=\"UTF-8\"\r\n",
            _ => "",
        };
        let problem = json!({
            "type": "about:blank",
            "title": title,
            "status": self.status,
            "detail": self.detail,
        });
        let body = format!("{problem}\n");
        format!(
            "HTTP/1.1 {} {title}\r\nContent-Type: application/problem+json\r\n\
             Content-Length: {}\r\nConnection: close\r\n{asks}\r\n{body}",
            self.status,
            body.len()
        )
        .into_bytes()
    }
}

/// The response to a granted request.
pub(super) const GRANTED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

/// Parses the head of a request from the bytes received so far. Without a token, every program may
/// use the proxy.
pub(super) fn read(bytes: &[u8], token: Option<&ProxyToken>) -> ConnectHead {
    let refuse = |status, detail: &str| ConnectHead::Refuse(ProxyRefusal::new(status, detail));
    let too_long =
        || refuse(431, "the request's head is longer than 16 KiB or has more than 64 fields");
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let length = match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length <= LONGEST => length,
        Ok(httparse::Status::Partial) if bytes.len() < LONGEST => return ConnectHead::More,
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return too_long(),
        Err(_) => {
            return refuse(400, "the request is neither HTTP nor SOCKS 5; use one of the two");
        }
    };
    let shown = request
        .headers
        .iter()
        .filter(|field| field.name.eq_ignore_ascii_case("proxy-authorization"))
        .map(|field| field.value);
    if let Some(token) = token
        && !shown.into_iter().any(|credentials| is_good(credentials, token))
    {
        return refuse(
            407,
            "show the token that the proxy printed when it started, as the password: \
             http://doorward:TOKEN@ADDRESS; it is in the identity directory's file proxy-token",
        );
    }
    let target = request.path.unwrap_or_default();
    if request.method != Some("CONNECT") {
        let detail = "this proxy carries connections only: use CONNECT, as clients do for https:// \
                      or with an option such as curl's --proxytunnel";
        // Clients that do not use CONNECT send a proxy requests in absolute form.
        return refuse(if target.contains("://") { 400 } else { 405 }, detail);
    }
    let host = target.rsplit_once(':').map_or(target, |(host, _port)| host);
    ConnectHead::Connect(host.to_owned(), length)
}

/// Returns whether `Basic` credentials hold the token, as the password or as a user without one.
fn is_good(credentials: &[u8], token: &ProxyToken) -> bool {
    let Some((scheme, encoded)) = credentials.split_at_checked(6) else { return false };
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return false;
    }
    let Ok(pair) = STANDARD.decode(encoded.trim_ascii()) else { return false };
    let mut halves = pair.splitn(2, |byte| *byte == b':');
    let (user, password) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
    token.is(password) | (password.is_empty() & token.is(user))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with(credentials: &str) -> String {
        let encoded = STANDARD.encode(credentials);
        format!("CONNECT ssh--plc:22 HTTP/1.1\r\nProxy-Authorization: basic {encoded}\r\n\r\n")
    }

    fn status(head: ConnectHead) -> u16 {
        let ConnectHead::Refuse(problem) = head else { panic!("{head:?}") };
        problem.status
    }

    #[test]
    fn the_token_is_the_password_or_the_user_without_one() {
        let token = ProxyToken::of("abc");
        for credentials in ["doorward:abc", "abc:", ":abc", "x:abc"] {
            let head = with(credentials);
            let wanted = ConnectHead::Connect("ssh--plc".to_owned(), head.len());
            assert_eq!(read(head.as_bytes(), Some(&token)), wanted, "{credentials}");
        }
        for credentials in ["", ":", "abc:x", "x:ab", "x:abcd", "abc:abd"] {
            let head = with(credentials);
            assert_eq!(status(read(head.as_bytes(), Some(&token))), 407, "{credentials}");
        }
        let plain = b"CONNECT ssh--plc:22 HTTP/1.1\r\n\r\n";
        assert_eq!(status(read(plain, Some(&token))), 407);
        assert!(matches!(read(plain, None), ConnectHead::Connect(..)));
    }

    #[test]
    fn other_requests_say_what_to_do() {
        for (head, code) in [
            ("GET http://http--plc/ HTTP/1.1\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\n\r\n", 405),
            ("SSH-2.0-x\r\n\r\n", 400),
            ("\x04\x01", 400),
        ] {
            let ConnectHead::Refuse(problem) = read(head.as_bytes(), None) else {
                panic!("{head}")
            };
            assert_eq!(problem.status, code, "{head}");
            assert!(problem.detail.contains("use"), "{problem:?}");
        }
        let long = format!("CONNECT a:1 HTTP/1.1\r\nX: {}", "a".repeat(LONGEST));
        assert_eq!(status(read(long.as_bytes(), None)), 431);
        let many = format!("CONNECT a:1 HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(65));
        assert_eq!(status(read(many.as_bytes(), None)), 431);
        let answer = String::from_utf8(ProxyRefusal::new(407, "a \"b\"").encode()).unwrap();
        assert!(answer.contains("Proxy-Authenticate: Basic"), "{answer}");
    }

    proptest! {
        #[test]
        fn it_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            read(&bytes, Some(&ProxyToken::of("abc")));
        }

        #[test]
        fn a_head_that_is_cut_is_waited_for(cut in 0usize..80) {
            let head = with("doorward:abc");
            let cut = cut.min(head.len() - 1);
            let read = read(&head.as_bytes()[..cut], Some(&ProxyToken::of("abc")));
            prop_assert_eq!(read, ConnectHead::More);
        }
    }
}
