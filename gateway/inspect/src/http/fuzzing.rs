//! A fuzzing target: heads of requests and answers.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use doorward_model::{Action, HttpOptions, Inspection, Path, Target};
use http::header::{CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, TE, UPGRADE};
use http::{Method, Request, Response, StatusCode, Uri, Version};

use super::fields::{are_bounded, is_no_trailer, is_not_for_backend, is_not_for_client};
use super::*;
use crate::Judge;

/// A judge that permits while its bits are set, and stores its questions.
struct Bits(u8, Vec<(Action, Path, bool)>);

impl Judge for Bits {
    fn may(&mut self, action: Action, path: &Path) -> bool {
        let yes = self.0 & 1 == 1;
        self.0 = self.0 >> 1 | 0x80;
        self.1.push((action, path.clone(), yes));
        yes
    }
}

/// Sends a request through an interface, and its answer back. It checks that only permitted
/// requests are forwarded, and that the forwarded head reads as the one that was decided.
///
/// The first two bytes choose the interface and the judge's answers. Then come lines: method and
/// target, fields, an empty line, a status, fields.
pub(crate) fn http(bytes: &[u8]) {
    let &[kind, says, ref text @ ..] = bytes else { return };
    let flag = |bit: u8| kind >> bit & 1 == 1;
    let base = if flag(0) { "/base/x" } else { "" };
    let mut lines = text.split(|byte| *byte == b'\n');
    let Some(head) = request(lines.next().unwrap_or_default(), &mut lines, flag(3)) else { return };
    let backend = HttpBackend::new(&"plc.lan".parse().unwrap(), 8080, base).unwrap();
    let name = "web--plc.gw.example";
    let served_host = if flag(1) { ServedHost::tunnel(name) } else { ServedHost::named(name) };
    let interface =
        HttpInterface::new("web".parse().unwrap(), backend, served_host).with(&options(flag(2)));
    let extended = flag(4).then_some(Extended { protocol: "websocket", key: *b"sixteen bytes. !" });
    let asked = match interface.read(head, extended, flag(5)) {
        Ok(asked) => asked,
        Err(refusal) => {
            assert!(refusal.status().is_client_error() || refusal.status().is_server_error());
            return;
        }
    };
    let asks: Vec<(Action, Path)> =
        asked.asks().map(|(action, path)| (action, path.clone())).collect();
    assert!((1..=36).contains(&asks.len()));
    assert!(asks.iter().all(|(_, path)| path.raw().starts_with("web/")));

    let mut judge = Bits(says, vec![]);
    let judged = asked.judge(&mut judge);
    let asked: Vec<_> = judge.1.iter().map(|(action, path, _)| (*action, path.clone())).collect();
    assert!(asks.starts_with(&asked));
    let yes = asked.len() == asks.len() && judge.1.iter().all(|(_, _, yes)| *yes);
    assert_eq!(judged.is_ok(), yes);
    let Ok(permitted) = judged else { return };

    let (head, forwarded) = interface.forward(permitted);
    let path = head.uri.path().strip_prefix(base).unwrap();
    assert_eq!(doorward_model::spelt_path(path).unwrap(), path);
    let named = asks[0].1.raw();
    let part = named.strip_prefix(&format!("web{path}")).unwrap();
    assert!(part.is_empty() || flag(2) && part.starts_with("/@cmd="), "{named}");
    let said =
        head.uri.query().is_some_and(|query| query.split('&').any(|one| one.starts_with("cmd=")));
    let anywhere =
        head.uri.query().is_some_and(|query| query.to_ascii_lowercase().contains("cmd="));
    assert!(!(flag(2) && (said || anywhere) && part.is_empty()), "{}", head.uri);
    assert!(!(flag(2) && segments_of(path).last().unwrap().starts_with('@')));
    assert!(path.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\?#".contains(&byte)));
    let segments = segments_of(path);
    let (last, before) = segments.split_last().unwrap();
    assert!(before.iter().all(|segment| !segment.is_empty()));
    assert!(before.iter().chain([last]).all(|segment| {
        let name = segment.split(';').next().unwrap();
        name != "." && name != ".."
    }));
    for hidden in ["%00", "%2F", "%5C", "%2E", "%2e", "%2f", "%5c"] {
        assert!(!path.contains(hidden));
    }
    assert!(head.uri.authority().is_none() && head.version == Version::HTTP_11);
    assert_eq!(head.headers.get_all(HOST).iter().collect::<Vec<_>>(), ["plc.lan:8080"]);
    assert_eq!(head.headers.contains_key(UPGRADE), forwarded.is_upgrade());
    if forwarded.is_upgrade() {
        assert_eq!((asks[0].0, asks.last().unwrap().0), (Action::Get, Action::Connect));
        assert_eq!(head.method, Method::GET);
    }
    for (name, value) in &head.headers {
        let own = [CONNECTION, HOST, TE, UPGRADE].contains(name);
        let kept = flag(2) && name == "x-user";
        assert!(own || kept || !is_not_for_backend(name.as_str()), "{name}");
        assert!(*name != TE || value == "trailers");
        let options = ["close", "close, te", "te", "upgrade"];
        assert!(*name != CONNECTION || options.iter().any(|option| value == option));
    }

    let Some(mut head) = response(&mut lines) else { return };
    let status = head.status;
    let mut trailers = head.headers.clone();
    HttpInterface::trailers(&mut trailers);
    assert!(trailers.keys().all(|name| !is_no_trailer(name.as_str())));
    if flag(6) {
        head.headers.append(UPGRADE, HeaderValue::from_static("WebSocket"));
    }
    let Ok(head) = interface.answer(&forwarded, head) else { return };
    assert!(
        are_bounded(&head.headers) && (200..600).contains(&head.status.as_u16())
            || status == StatusCode::SWITCHING_PROTOCOLS
    );
    let switched = status == StatusCode::SWITCHING_PROTOCOLS;
    assert!(!switched || forwarded.is_upgrade());
    for name in head.headers.keys() {
        let own = switched && [CONNECTION, UPGRADE].contains(name);
        assert!(own || !is_not_for_client(name.as_str()), "{name}");
    }
    for cookie in head.headers.get_all(http::header::SET_COOKIE) {
        let cookie = String::from_utf8_lossy(cookie.as_bytes()).to_ascii_lowercase();
        let mut attributes = cookie.split(';').skip(1);
        assert!(!attributes.any(|one| one.split('=').next().unwrap().trim() == "domain"));
    }
}

/// The options of an interface: a bound alone, or all.
fn options(all: bool) -> HttpOptions {
    let rest = "&operand=query:cmd&mask=token&origins=https://ha.example&keep=X-User";
    let url = format!("http://plc.lan:8080?body=1000{}", if all { rest } else { "" });
    let target: Target = url.parse().unwrap();
    let Inspection::Http(options) = &target.inspected().unwrap().spoken else { panic!() };
    HttpOptions::clone(options)
}

fn segments_of(path: &str) -> Vec<&str> {
    path.split('/').skip(1).collect()
}

fn request<'t>(
    line: &[u8],
    lines: &mut impl Iterator<Item = &'t [u8]>,
    over_http2: bool,
) -> Option<http::request::Parts> {
    let mut words = line.splitn(2, |byte| *byte == b' ');
    let (mut head, ()) = Request::new(()).into_parts();
    head.method = Method::from_bytes(words.next()?).ok()?;
    head.uri = Uri::try_from(words.next()?).ok()?;
    head.version = if over_http2 { Version::HTTP_2 } else { Version::HTTP_11 };
    fields(lines, &mut head.headers);
    Some(head)
}

fn response<'t>(lines: &mut impl Iterator<Item = &'t [u8]>) -> Option<http::response::Parts> {
    let (mut head, ()) = Response::new(()).into_parts();
    head.status = StatusCode::from_bytes(lines.next()?).ok()?;
    fields(lines, &mut head.headers);
    Some(head)
}

/// Reads the fields that an HTTP library would accept.
fn fields<'t>(lines: &mut impl Iterator<Item = &'t [u8]>, fields: &mut HeaderMap) {
    for line in lines.take_while(|line| !line.is_empty()).take(2 * FIELDS) {
        let mut halves = line.splitn(2, |byte| *byte == b':');
        let name = halves.next().and_then(|name| HeaderName::from_bytes(name).ok());
        let value = halves.next().map(<[u8]>::trim_ascii).map(HeaderValue::from_bytes);
        if let (Some(name), Some(Ok(value))) = (name, value) {
            fields.append(name, value);
        }
    }
}

/// Requests and answers that reach deep into the code.
#[must_use]
pub(crate) fn http_corpus() -> Vec<Vec<u8>> {
    let host = "Host: web--plc.gw.example";
    let cases = [
        (0, format!("GET /a/b?q=1 x\n{host}\n\n200\nServer: x\nLocation: http://plc.lan:8080/y")),
        (0, format!("GET /a/b?q=1\n{host}\n\n302\nLocation: http://plc.lan:8080/y\nAlt-Svc: h3")),
        (1, format!("GET /%7Ea/caf%C3%A9;v=1/%40\n{host}\nCookie: a=b\n\n200\nSet-Cookie: a=1; Path=/base/x/y; Domain=gw.example\nContent-Length: 3")),
        (0, format!("POST /a\n{host}\nContent-Length: 9\nDoorward-Subject: x\nDoorward_Subject: y\n\n204\nDoorward-Request-Id: 1")),
        (0, format!("PUT /a\n{host}\nTransfer-Encoding: chunked\nTE: trailers, gzip\nExpect: 100-continue\nConnection: close, x-a\nX-A: b\n\n200\nTransfer-Encoding: chunked")),
        (0x40, format!("GET /ws\n{host}\nConnection: keep-alive, Upgrade\nUpgrade: websocket\nOrigin: https://web--plc.gw.example\n\n101\nConnection: Upgrade")),
        (0x58, "CONNECT https://web--plc.gw.example/ws/x\nSec-WebSocket-Version: 13\n\n101\nSec-WebSocket-Accept: x".to_owned()),
        (0x58, "CONNECT https://web--plc.gw.example/ws/x\n\n403\nServer: x".to_owned()),
        (2, "GET http://localhost:8080/a\nHost: localhost:8080\nX-Forwarded-For: ::1\nX_Real_IP: 1\nX-HTTP-Method-Override: DELETE\n\n200\nConnection: x\nX: y".to_owned()),
        (2, "GET http://localhost:8080#a\nHost: localhost:8080\n\n200".to_owned()),
        (2, "GET http://localhost:8080?a\nHost: localhost:8080\n\n200".to_owned()),
        (8, "DELETE https://web--plc.gw.example/a/\nte: trailers\n\n502".to_owned()),
        (3, "OPTIONS /\nHost: [::1]:8080\nVia: 1.1 x\n\n200\nContent-Location: /base/x/a".to_owned()),
        (0, format!("PATCH /..;/%2e%2e/%2f//a\\%00%c0%ae%2525\n{host}\n\n100")),
        (4, format!("GET /a?x=1&cmd=a+b&y\n{host}\nX-User: a\nX_User: b\nRemote-User: c\n\n200")),
        (4, format!("GET /a/?cmd&x=%26cmd%3D\n{host}\n\n200")),
        (6, "POST /%40cmd=x?cmd=%41;x\nHost: [::1]\nOrigin: http://[::1]\n\n200".to_owned()),
        (4, format!("POST /a?_method=put&x=_method\n{host}\n\n200")),
        (4, format!("POST /a?token=x\n{host}\nSec-Fetch-Site: cross-site\nOrigin: https://ha.example\n\n200")),
        (0, format!("GET /a\n{host}\nSec-Fetch-Site: same-site\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: document\n\n200")),
        (0x20, format!("HEAD /a\n{host}\nContent-Length: 1001\nForwarded: for=x\n\n101\nUpgrade: h2c")),
    ];
    let case = |(kind, text): (u8, String)| [&[kind, 0xff][..], text.as_bytes()].concat();
    cases.into_iter().map(case).collect()
}
