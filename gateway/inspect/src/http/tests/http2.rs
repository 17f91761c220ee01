//! Requests over HTTP/2, and the heads that are forwarded.

use http::header::{HeaderName, HeaderValue};
use http::{Method, Request, Version};

use super::super::{Extended, HttpRefusal};
use super::{NAME, interface, outcome};

/// Returns a head as it comes over HTTP/2.
fn over_http2(method: &str, uri: &str, fields: &[(&str, &str)]) -> http::request::Parts {
    let (mut head, ()) = Request::new(()).into_parts();
    head.method = Method::from_bytes(method.as_bytes()).unwrap();
    head.uri = uri.parse().unwrap();
    head.version = Version::HTTP_2;
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        head.headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    head
}

#[test]
fn requests_over_http2_are_forwarded_over_http1() {
    type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], Option<&'a str>, &'a str);
    let url = "https://web--plc.gw.example/ws";
    let cases: &[Case<'_>] = &[
        ("GET", url, &[("accept", "x")], None, "get web/ws | GET /ws | accept: x"),
        ("GET", url, &[("host", NAME)], None, "get web/ws | GET /ws"),
        ("GET", url, &[("host", "other.example")], None, "400 host"),
        ("GET", "/ws", &[("host", NAME)], None, "get web/ws | GET /ws"),
        ("GET", "/ws", &[], None, "400 host"),
        (
            "GET",
            url,
            &[("cookie", "a=1"), ("x", "y"), ("cookie", "b=2")],
            None,
            "get web/ws | GET /ws | cookie: a=1; b=2 | x: y",
        ),
        ("GET", "https://b.example/", &[], None, "421 misdirected"),
        ("GET", "https://u@web--plc.gw.example/", &[], None, "400 host"),
        ("GET", url, &[("connection", "x")], None, "400 framing"),
        ("GET", url, &[("upgrade", "websocket")], None, "400 framing"),
        ("POST", url, &[("transfer-encoding", "chunked")], None, "400 framing"),
        ("POST", url, &[("content-length", "1"), ("content-length", "1")], None, "400 framing"),
        (
            "GET",
            url,
            &[("te", "trailers")],
            None,
            "get web/ws | GET /ws | connection: te | te: trailers",
        ),
        ("CONNECT", "web--plc.gw.example:443", &[], None, "405 method"),
        ("CONNECT", url, &[], None, "405 method"),
        (
            "CONNECT",
            url,
            &[("sec-websocket-key", "mine")],
            Some("websocket"),
            "get web/ws, connect web/ws | GET /ws | connection: upgrade | sec-websocket-key: c2l4dGVlbiBieXRlcy4gIQ== | upgrade: websocket",
        ),
        (
            "CONNECT",
            url,
            &[("sec-websocket-key", "mine")],
            Some("connect-udp"),
            "get web/ws, connect web/ws | GET /ws | connection: upgrade | upgrade: connect-udp",
        ),
        ("CONNECT", url, &[("content-length", "1")], Some("websocket"), "400 content"),
        ("CONNECT", url, &[], Some("h2c"), "501 upgrade"),
        ("CONNECT", url, &[], Some(""), "501 upgrade"),
        ("CONNECT", url, &[], Some("a, b"), "501 upgrade"),
        ("CONNECT", "web--plc.gw.example:443", &[], Some("websocket"), "400 target"),
        ("GET", url, &[], Some("websocket"), "400 upgrade"),
    ];
    for (method, uri, fields, protocol, expected) in cases {
        let extended = protocol.map(|protocol| Extended { protocol, key: *b"sixteen bytes. !" });
        let came = outcome(&interface(""), over_http2(method, uri, fields), extended);
        assert_eq!(came, *expected, "{method} {uri} {fields:?} {protocol:?}");
    }
    let mut head = over_http2("GET", url, &[]);
    head.version = Version::HTTP_3;
    assert_eq!(outcome(&interface(""), head, None), "505 version");
    let head = over_http2("POST", url, &[]);
    assert!(interface("").read(head, None, true).unwrap().content, "content may come undeclared");
    let head = over_http2("CONNECT", url, &[]);
    let extended = Extended { protocol: "websocket", key: [0; 16] };
    assert!(!interface("").read(head, Some(extended), true).unwrap().content, "it is the tunnel's");
    let head = over_http2("GET", url, &[]);
    assert_eq!(interface("").read(head, None, true).unwrap_err(), HttpRefusal::Content);
}
