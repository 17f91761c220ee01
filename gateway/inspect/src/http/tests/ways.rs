//! Fields that tell a backend about the request's path through proxies.

use doorward_model::{HttpOptions, Inspection, Target};

use super::super::{FIELD_BYTES, FIELDS, HttpInterface, HttpRefusal};
use super::{NAME, Yes, interface, outcome, parse, sent, tunnel};

#[test]
fn a_base_stands_before_what_was_decided() {
    for (target, expected) in [
        ("/", "get web/ | GET /base/"),
        ("/a/b?q", "get web/a/b | GET /base/a/b?q"),
        ("/%41", "get web/A | GET /base/A"),
        ("/..", "400 path"),
        ("/../base2/x", "400 path"),
        ("/%2e%2e/x", "400 path"),
        ("/..%2fx", "400 path"),
        ("//x", "400 path"),
    ] {
        let head = parse(&sent(&format!("GET {target} HTTP/1.1\n$"))).unwrap();
        assert_eq!(outcome(&interface("/base/"), head, None), expected, "{target}");
    }
}

#[test]
fn a_tunnel_is_called_as_its_client_likes_but_not_as_somebody_else() {
    for (text, expected) in [
        ("GET /a HTTP/1.1\nHost: localhost:8080", "get web/a | GET /a"),
        ("GET http://10.0.0.1/a HTTP/1.1\nHost: 10.0.0.1", "get web/a | GET /a"),
        ("GET /a HTTP/1.1\n$", "get web/a | GET /a"),
        ("GET /a HTTP/1.1\nHost: web--plc", "get web/a | GET /a"),
        (
            "GET /a HTTP/1.1\nHost: localhost\nOrigin: http://localhost",
            "get web/a | GET /a | origin: http://plc.lan:8080",
        ),
        ("GET /a HTTP/1.1\nHost: rebound.example:8080", "421 misdirected"),
        ("GET http://localhost/a HTTP/1.1\nHost: 127.0.0.1", "400 host"),
        ("GET /a HTTP/1.1\nHost: a\nHost: a", "400 host"),
        ("GET /a HTTP/1.1\nHost: localhost:x", "400 host"),
    ] {
        assert_eq!(outcome(&tunnel(), parse(&sent(text)).unwrap(), None), expected, "{text}");
    }
}

#[test]
fn the_way_is_told_to_the_backend() {
    for (version, via, expected) in [
        ("1.1", "", &["1.1 doorward"][..]),
        ("1.0", "", &["1.0 doorward"]),
        ("1.1", "\nVia: 1.1 before", &["1.1 before", "1.1 doorward"]),
    ] {
        let head = parse(&sent(&format!("GET / HTTP/{version}\n${via}"))).unwrap();
        let asked = interface("").read(head, None, false).unwrap();
        let (head, _) = interface("").forward(asked.judge(&mut Yes).unwrap());
        assert_eq!(head.headers.get_all("via").iter().collect::<Vec<_>>(), expected);
    }
}

#[test]
fn an_interface_keeps_a_claim_that_it_names_and_in_that_spelling_alone() {
    let target: Target = "http://plc.lan:8080?keep=X-User|x_remote_user".parse().unwrap();
    let Inspection::Http(options) = &target.inspected().unwrap().spoken else { panic!() };
    let interface = interface("").with(options);
    let text = "GET / HTTP/1.1\n$\nX-User: a\nX_User: b\nX-Remote-User: c\nX_Remote_User: d\n\
                X-Users: e\nRemote-User: f\nDoorward-Identity: g\nProxy: h\nX-User: i";
    let forwarded = outcome(&interface, parse(&sent(text)).unwrap(), None);
    assert_eq!(forwarded, "get web/ | GET / | x-user: a | x-user: i | x_remote_user: d");
    // A client must not have a claim removed by naming it in Connection.
    let text = "GET / HTTP/1.1\n$\nConnection: X-User\nX-User: a";
    assert_eq!(outcome(&interface, parse(&sent(text)).unwrap(), None), "get web/ | GET /");
    let mut trailers = http::HeaderMap::new();
    trailers.append("x-user", "a".parse().unwrap());
    HttpInterface::trailers(&mut trailers);
    assert!(trailers.is_empty(), "a trailer section claims nothing");
}

#[test]
fn heads_and_contents_are_bounded() {
    let get = |target: &str, fields: &str| {
        let head = parse(&sent(&format!("POST {target} HTTP/1.1\n$\n{fields}"))).unwrap();
        interface("")
            .with(&HttpOptions { body: Some(1000), ..HttpOptions::default() })
            .read(head, None, false)
            .map(|_| ())
            .map_err(HttpRefusal::word)
    };
    let path = |length: usize| format!("/{}", "a".repeat(length));
    let fields = |count: usize| "X: y\n".repeat(count).trim_end().to_owned();
    let long = |bytes: usize| format!("X: {}", "y".repeat(bytes - "hostX".len() - NAME.len()));
    for (name, target, fields, expected) in [
        ("path", path(8192 - 4), String::new(), None),
        ("path", path(8192 - 3), String::new(), Some("target-too-long")),
        ("path", path(60_000), String::new(), Some("target-too-long")),
        ("segments", "/a".repeat(127), String::new(), None),
        ("segments", "/a".repeat(128), String::new(), Some("target-too-long")),
        ("query", format!("/?{}", "q".repeat(8192)), String::new(), None),
        ("query", format!("/?{}", "q".repeat(8193)), String::new(), Some("target-too-long")),
        ("fields", path(1), fields(FIELDS - 1), None),
        ("fields", path(1), fields(FIELDS), Some("header-too-large")),
        ("bytes", path(1), long(FIELD_BYTES), None),
        ("bytes", path(1), long(FIELD_BYTES + 1), Some("header-too-large")),
        ("content", path(1), "Content-Length: 1000".to_owned(), None),
        ("content", path(1), "Content-Length: 1001".to_owned(), Some("content-too-large")),
    ] {
        let fields = if fields.is_empty() { "X: y" } else { &fields };
        assert_eq!(get(&target, fields).err(), expected, "{name} {}", target.len());
    }
}
