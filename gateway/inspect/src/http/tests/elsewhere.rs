//! Requests of pages, by the origin of the page.

use doorward_model::{HttpOptions, Inspection, Target};

use super::super::{Extended, HttpInterface, HttpRefusal};
use super::{Yes, interface, parse, sent, tunnel};

const NAMED: &str = "https://web--plc.gw.example:8443";

/// Returns the options after `?` in an interface's URL.
fn options(query: &str) -> HttpOptions {
    let target: Target = format!("http://plc.lan:8080?{query}").parse().unwrap();
    let Inspection::Http(options) = &target.inspected().unwrap().spoken else { panic!() };
    HttpOptions::clone(options)
}

/// Returns whether a request is let in. The method is `GET`, for example, or `WS` for a WebSocket.
fn is_let_in(interface: &HttpInterface, method: &str, host: &str, fields: &str) -> bool {
    let (method, more) = match method {
        "WS" => ("GET", "\nConnection: upgrade\nUpgrade: websocket"),
        method => (method, ""),
    };
    let text = format!("{method} /a HTTP/1.1\nHost: {host}{more}\n{fields}");
    let head = parse(&sent(text.trim_end())).unwrap();
    let extended = interface.read(head, None, false).unwrap();
    match extended.judge(&mut Yes) {
        Ok(_) => true,
        Err(refusal) => {
            assert_eq!((refusal, refusal.status().as_u16()), (HttpRefusal::CrossOrigin, 403));
            false
        }
    }
}

/// A browser's fields, and the methods that are let in, of GET, HEAD, POST, OPTIONS and WS.
type Case<'a> = (&'a str, &'a str, &'a [&'a str]);

fn check(interface: &HttpInterface, host: &str, cases: &[Case<'_>]) {
    for (name, fields, through) in cases {
        for method in ["GET", "HEAD", "POST", "OPTIONS", "WS"] {
            let expected = through.contains(&method);
            assert_eq!(is_let_in(interface, method, host, fields), expected, "{name}: {method}");
        }
    }
}

const ALL: &[&str] = &["GET", "HEAD", "POST", "OPTIONS", "WS"];
const NONE: &[&str] = &[];

#[test]
fn pages_of_elsewhere_make_no_requests_but_for_links() {
    let cases: &[Case<'_>] = &[
        ("a program", "", ALL),
        ("an address that was typed", "Sec-Fetch-Site: none\nSec-Fetch-Mode: navigate", ALL),
        ("its own page", "Sec-Fetch-Site: same-origin\nOrigin: $", ALL),
        ("its own page without a referrer", "Sec-Fetch-Site: same-origin", ALL),
        (
            "its own page that hides where it is from",
            "Sec-Fetch-Site: same-origin\nOrigin: null",
            &["GET", "HEAD", "POST", "OPTIONS"],
        ),
        ("another site's page", "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: no-cors", NONE),
        ("another interface's page", "Sec-Fetch-Site: same-site\nSec-Fetch-Mode: cors", NONE),
        ("a site of the future", "Sec-Fetch-Site: near-by", NONE),
        ("a site in capitals", "Sec-Fetch-Site: Same-Origin", NONE),
        ("no site", "Sec-Fetch-Site:", NONE),
        ("two sites", "Sec-Fetch-Site: same-origin\nSec-Fetch-Site: cross-site", NONE),
        ("two that agree", "Sec-Fetch-Site: same-origin\nSec-Fetch-Site: same-origin", NONE),
        (
            "a link",
            "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: document",
            &["GET"],
        ),
        (
            "a link of the same site",
            "Sec-Fetch-Site: same-site\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: document\n\
             Sec-Fetch-User: ?1",
            &["GET"],
        ),
        (
            "a form, which is a link that posts",
            "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: document\n\
             Origin: https://evil.example",
            &["GET"],
        ),
        (
            "a frame",
            "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: iframe",
            NONE,
        ),
        (
            "an object",
            "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: object",
            NONE,
        ),
        (
            "an image",
            "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: no-cors\nSec-Fetch-Dest: image",
            NONE,
        ),
        ("a navigation to nothing", "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate", NONE),
        (
            "two destinations",
            "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: document\n\
             Sec-Fetch-Dest: iframe",
            NONE,
        ),
        (
            "two modes",
            "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate\nSec-Fetch-Mode: cors\n\
             Sec-Fetch-Dest: document",
            NONE,
        ),
        (
            "a WebSocket that calls itself a link",
            "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: document\nOrigin: $",
            &["GET"],
        ),
        (
            "a page of elsewhere that is said to be from here",
            "Sec-Fetch-Site: same-origin\nOrigin: https://evil.example",
            &["GET", "HEAD", "POST", "OPTIONS"],
        ),
        ("an old browser's own page", "Origin: $", ALL),
        ("an old browser's page of elsewhere", "Origin: https://evil.example", NONE),
        ("one without an origin", "Origin: null", NONE),
        ("one with an empty origin", "Origin:", NONE),
        ("two origins", "Origin: $\nOrigin: https://evil.example", NONE),
        ("one origin twice", "Origin: $\nOrigin: $", NONE),
        ("two in a line", "Origin: $ https://evil.example", NONE),
        ("the same name at another port", "Origin: https://web--plc.gw.example", NONE),
        ("the same name without TLS", "Origin: http://web--plc.gw.example:8443", NONE),
        ("a longer name", "Origin: https://web--plc.gw.example.evil:8443", NONE),
        ("a user before it", "Origin: https://web--plc.gw.example:8443@evil.example", NONE),
        ("a path behind it", "Origin: https://web--plc.gw.example:8443/", NONE),
        ("an extension", "Origin: chrome-extension://abcdef", NONE),
        ("a referrer alone, which programs send too", "Referer: https://evil.example/x", ALL),
    ];
    let filled = |fields: &str| fields.replace('$', NAMED);
    let fields: Vec<String> = cases.iter().map(|(_, fields, _)| filled(fields)).collect();
    let cases =
        cases.iter().zip(&fields).map(|((name, _, through), said)| (*name, &**said, *through));
    let cases: Vec<Case<'_>> = cases.collect();
    check(&interface(""), "web--plc.gw.example:8443", &cases);
}

#[test]
fn a_default_port_is_written_or_not() {
    for (host, origin, is_here) in [
        ("web--plc.gw.example", "https://web--plc.gw.example", true),
        ("WEB--plc.gw.example:443", "https://web--plc.gw.example", true),
        ("web--plc.gw.example", "https://web--plc.gw.example:443", true),
        ("web--plc.gw.example", "https://web--plc.gw.example:80", false),
        ("web--plc.gw.example:80", "https://web--plc.gw.example", false),
    ] {
        let origin = format!("Origin: {origin}");
        assert_eq!(is_let_in(&interface(""), "POST", host, &origin), is_here, "{host} {origin}");
    }
}

/// At the near end of a tunnel nobody knows whether the client uses TLS with a program before it.
#[test]
fn at_a_local_port_the_page_is_the_ports_own() {
    for (host, origin, is_here) in [
        ("127.0.0.1:8080", "http://127.0.0.1:8080", true),
        ("127.0.0.1:8080", "https://127.0.0.1:8080", true),
        ("localhost:8080", "http://localhost:8080", true),
        ("[::1]:8080", "http://[::1]:8080", true),
        ("localhost", "http://localhost", true),
        ("localhost:80", "http://localhost", true),
        ("localhost:443", "https://localhost", true),
        ("localhost", "https://localhost", true),
        ("web--plc.gw.example", "http://web--plc.gw.example", true),
        ("localhost:8080", "http://127.0.0.1:8080", false),
        ("127.0.0.1:8080", "http://127.0.0.1:8081", false),
        ("127.0.0.1:8080", "http://127.0.0.1", false),
        ("127.0.0.1:8080", "http://evil.example", false),
        ("127.0.0.1:8080", "null", false),
        ("127.0.0.1:8080", "ws://127.0.0.1:8080", false),
    ] {
        for method in ["POST", "WS", "GET"] {
            let origin = format!("Origin: {origin}");
            assert_eq!(is_let_in(&tunnel(), method, host, &origin), is_here, "{host} {origin}");
        }
    }
    // The near end of the tunnel, named by a name that another party lets resolve to it.
    let rebound = "POST /a HTTP/1.1\nHost: rebound.example:8080\nOrigin: http://rebound.example:8080\n\
                   Sec-Fetch-Site: same-origin";
    let read = tunnel().read(parse(&sent(rebound)).unwrap(), None, false);
    assert_eq!(read.unwrap_err(), HttpRefusal::Misdirected);
}

#[test]
fn origins_that_are_named_act_as_the_interfaces_own() {
    let interface = interface("").with(&options("origins=https://ha.example|http://ha.lan:8123"));
    let cases: &[Case<'_>] = &[
        ("one", "Sec-Fetch-Site: cross-site\nOrigin: https://ha.example", ALL),
        ("one with its port", "Sec-Fetch-Site: cross-site\nOrigin: https://ha.example:443", ALL),
        ("the other", "Sec-Fetch-Site: same-site\nOrigin: http://ha.lan:8123", ALL),
        ("an old browser's", "Origin: https://ha.example", ALL),
        ("without TLS", "Sec-Fetch-Site: cross-site\nOrigin: http://ha.example", NONE),
        ("another port", "Origin: https://ha.example:8443", NONE),
        ("below it", "Origin: https://x.ha.example", NONE),
        ("above it", "Origin: https://example", NONE),
        ("none", "Sec-Fetch-Site: cross-site\nOrigin: null", NONE),
        ("both", "Origin: https://ha.example\nOrigin: http://ha.lan:8123", NONE),
        ("another", "Sec-Fetch-Site: cross-site\nOrigin: https://evil.example", NONE),
        // Images and frames have no Origin.
        (
            "its frame",
            "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: iframe\n\
             Referer: https://ha.example/lovelace?x=https://evil.example",
            &["GET", "HEAD", "WS"],
        ),
        (
            "another's frame",
            "Sec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: iframe\n\
             Referer: https://evil.example/https://ha.example/",
            NONE,
        ),
        ("a longer name", "Sec-Fetch-Site: cross-site\nReferer: https://ha.example.evil/", NONE),
        ("a user", "Sec-Fetch-Site: cross-site\nReferer: https://ha.example@evil.example/", NONE),
        (
            "what it says and is are two",
            "Sec-Fetch-Site: cross-site\nOrigin: https://evil.example\nReferer: https://ha.example/",
            NONE,
        ),
    ];
    check(&interface, "web--plc.gw.example:8443", cases);
}

#[test]
fn over_http2_a_websocket_is_held_to_it_too() {
    for (fields, through) in [
        (&[][..], true),
        (&[("origin", "https://web--plc.gw.example")][..], true),
        (&[("origin", "https://evil.example")], false),
        (&[("origin", "null"), ("sec-fetch-site", "same-origin")], false),
        (&[("sec-fetch-site", "cross-site")], false),
    ] {
        let mut head = parse(&sent("GET / HTTP/1.1\n$")).unwrap();
        head.headers.clear();
        head.method = http::Method::CONNECT;
        head.uri = "https://web--plc.gw.example/ws".parse().unwrap();
        head.version = http::Version::HTTP_2;
        for (name, value) in fields {
            head.headers.append(*name, value.parse().unwrap());
        }
        let extended = Extended { protocol: "websocket", key: [0; 16] };
        let asked = interface("").read(head, Some(extended), false).unwrap();
        assert_eq!(asked.judge(&mut Yes).is_ok(), through, "{fields:?}");
    }
}

/// The judge is not asked, so nothing is admitted.
#[test]
fn the_policy_is_not_asked_about_what_is_refused() {
    struct Never;
    impl crate::Judge for Never {
        fn may(&mut self, _: doorward_model::Action, _: &doorward_model::Path) -> bool {
            panic!("the policy was asked");
        }
    }
    let text = "POST /a HTTP/1.1\n$\nSec-Fetch-Site: cross-site";
    let asked = interface("").read(parse(&sent(text)).unwrap(), None, false).unwrap();
    assert_eq!(asked.objection(), Some(HttpRefusal::CrossOrigin));
    assert_eq!(asked.judge(&mut Never).unwrap_err(), HttpRefusal::CrossOrigin);
}
