//! The answers that clients get.

use http::header::{HeaderName, HeaderValue};
use http::{Response, StatusCode};

use super::super::{Extended, FIELDS, HttpInterface};
use super::{Yes, interface, parse, shown};

const PLAIN: &str = "GET /a HTTP/1.1\r\nHost: web--plc.gw.example\r\n\r\n";
const UPGRADE: &str = "GET /a HTTP/1.1\r\nHost: web--plc.gw.example\r\nConnection: upgrade\r\n\
                       Upgrade: websocket\r\n\r\n";

/// Returns the client's answer for a backend's answer, or the fault.
fn answered(
    interface: &HttpInterface,
    asked: Option<&str>,
    status: u16,
    fields: &[(&str, &str)],
) -> String {
    let (head, extended) = match asked {
        Some(text) => (parse(text).unwrap(), None),
        None => {
            let mut head = parse(PLAIN).unwrap();
            head.method = http::Method::CONNECT;
            head.uri = "https://web--plc.gw.example/a".parse().unwrap();
            head.version = http::Version::HTTP_2;
            (head, Some(Extended { protocol: "websocket", key: [0; 16] }))
        }
    };
    let asked = interface.read(head, extended, false).unwrap();
    let (_, forwarded) = interface.forward(asked.judge(&mut Yes).unwrap());
    let (mut head, ()) = Response::new(()).into_parts();
    head.status = StatusCode::from_u16(status).unwrap();
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        head.headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    match interface.answer(&forwarded, head) {
        Ok(head) => {
            let status = head.status.as_u16().to_string();
            [vec![status], shown(head.headers, &[])].concat().join(" | ")
        }
        Err(fault) => fault.what.to_owned(),
    }
}

#[test]
fn answers_come_without_what_is_not_for_clients() {
    type Case<'a> = (u16, &'a [(&'a str, &'a str)], &'a str);
    let cases: &[Case<'_>] = &[
        (200, &[("Server", "x"), ("ETag", "y")], "200 | etag: y | server: x"),
        (200, &[("Connection", "close, X-A"), ("X-A", "b"), ("Keep-Alive", "5")], "200"),
        (200, &[("Transfer-Encoding", "chunked"), ("Trailer", "x"), ("TE", "x")], "200"),
        (200, &[("Content-Length", "5")], "200 | content-length: 5"),
        (200, &[("Content-Length", "5"), ("Transfer-Encoding", "chunked")], "200"),
        (
            200,
            &[("Content-Length", "5"), ("Content-Length", "5")],
            "declares two lengths of one answer",
        ),
        (200, &[("Content-Length", "5, 6")], "declares two lengths of one answer"),
        (200, &[("Content-Length", "-1")], "declares two lengths of one answer"),
        (403, &[("Doorward-Request-Id", "1"), ("Doorward_Request_Id", "1")], "403"),
        (200, &[("Alt-Svc", "h3=\":443\"")], "200"),
        (407, &[("Proxy-Authenticate", "Basic")], "407"),
        (426, &[("Upgrade", "h2c"), ("Connection", "upgrade")], "426"),
        (302, &[("Location", "http://plc.lan:8080/base/x")], "302 | location: /x"),
        (302, &[("Location", "http://other/x")], "302 | location: http://other/x"),
        (302, &[("Location", "/x")], "302"),
        (302, &[("Location", "/base/x"), ("Location", "/base/y")], "302"),
        (201, &[("Content-Location", "/base/x")], "201 | content-location: /x"),
        (
            200,
            &[
                ("Set-Cookie", "a=1; Domain=gw.example"),
                ("Set-Cookie", "b=2; Path=/base/x"),
                ("Set-Cookie", "c=3; Path=/x"),
            ],
            "200 | set-cookie: a=1 | set-cookie: b=2; Path=/x",
        ),
        (304, &[], "304"),
        (599, &[], "599"),
        (600, &[], "answers with an invalid status"),
        (100, &[], "gives no final answer"),
        (103, &[("Link", "x")], "gives no final answer"),
        (101, &[], "switches to what was not asked for"),
        (101, &[("Upgrade", "websocket")], "switches to what was not asked for"),
    ];
    for (status, fields, expected) in cases {
        let came = answered(&interface("/base"), Some(PLAIN), *status, fields);
        assert_eq!(came, *expected, "{status} {fields:?}");
    }
    let fields = vec![("X", "y"); FIELDS + 1];
    assert_eq!(
        answered(&interface(""), Some(PLAIN), 200, &fields),
        "answers with a header that is too large"
    );
    assert!(answered(&interface(""), Some(PLAIN), 200, &fields[1..]).starts_with("200 | x: y"));
}

#[test]
fn an_upgrade_happens_only_as_it_was_asked_for() {
    type Case<'a> = (Option<&'a str>, u16, &'a [(&'a str, &'a str)], &'a str);
    let over_http2 = None;
    let agreed: &[(&str, &str)] = &[
        ("Upgrade", "WebSocket"),
        ("Connection", "Upgrade, X"),
        ("X", "y"),
        ("Content-Length", "0"),
        ("Sec-WebSocket-Accept", "z"),
    ];
    let cases: &[Case<'_>] = &[
        (
            Some(UPGRADE),
            101,
            agreed,
            "101 | connection: upgrade | sec-websocket-accept: z | upgrade: websocket",
        ),
        (Some(UPGRADE), 101, &[], "switches to what was not asked for"),
        (Some(UPGRADE), 101, &[("Upgrade", "h2c")], "switches to what was not asked for"),
        (
            Some(UPGRADE),
            101,
            &[("Upgrade", "websocket, h2c")],
            "switches to what was not asked for",
        ),
        (Some(UPGRADE), 200, &[("Upgrade", "websocket")], "200"),
        (Some(UPGRADE), 403, &[], "403"),
        (over_http2, 101, agreed, "200"),
        (over_http2, 101, &[("Upgrade", "foo")], "switches to what was not asked for"),
        (over_http2, 200, &[], "does not upgrade"),
        (over_http2, 204, &[], "does not upgrade"),
        (over_http2, 302, &[("Location", "/x")], "302 | location: /x"),
        (over_http2, 403, &[], "403"),
    ];
    for (asked, status, fields, expected) in cases {
        assert_eq!(
            answered(&interface(""), *asked, *status, fields),
            *expected,
            "{status} {fields:?}"
        );
    }
}

#[test]
fn trailers_say_nothing_that_belongs_in_a_head() {
    let mut fields: http::HeaderMap = [
        ("grpc-status", "0"),
        ("x-checksum", "1"),
        ("content-length", "5"),
        ("content-encoding", "x"),
        ("transfer-encoding", "chunked"),
        ("host", "x"),
        ("set-cookie", "a=1"),
        ("authorization", "x"),
        ("doorward-request-id", "1"),
        ("x_forwarded_for", "1"),
        ("alt-svc", "x"),
    ]
    .into_iter()
    .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
    .collect();
    HttpInterface::trailers(&mut fields);
    assert_eq!(shown(fields, &[]), ["grpc-status: 0", "x-checksum: 1"]);
    let mut many = http::HeaderMap::new();
    for _ in 0..=FIELDS {
        many.append("x", HeaderValue::from_static("y"));
    }
    HttpInterface::trailers(&mut many);
    assert!(many.is_empty());
}
