//! Hostile HTTP, as a table of what becomes of it: HTTP/1.1 as bytes, and HTTP/2 as whatever a
//! library without scruples makes of it.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use doorward_tests::Gateway;
use doorward_tests::gateway::Ran;
use doorward_tests::http::HttpBackend;
use doorward_tests::tools::{python, script};
use serde_json::{Value, json};

const RULES: &str = "p, user/probe, plc, web/ok/**, *, , allow\n\
                     p, user/probe, plc, web/ok/no/**, *, , deny";

/// What no request may have that reaches the backend, however it is spelt.
const NEVER: &[&str] = &[
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-real-ip",
    "doorward-subject",
    "x-original-url",
    "x-rewrite-url",
    "x-http-method-override",
    "proxy",
    "proxy-authorization",
    "http2-settings",
    "keep-alive",
    "te",
    "client-cert",
    "x-secret-hop",
    "expect",
    "x-host",
    "remote-user",
    "x-remote-user",
    "x-webauth-user",
    "x-auth-request-user",
    "x-authenticated-user",
    "x-user",
    "x-remote-group",
    "x-client-dn",
    "x-arr-clientcert",
    "x-envoy-original-path",
    "cf-connecting-ip",
    "impersonate-user",
    "doorward-identity",
];

/// Name; what is said (`$` is the one right Host, a line's end is CR LF); the statuses of the
/// answers, and `end` if the connection is over then (`-` if there
/// is none); what reaches the backend, in order: method,
/// target, and content after a colon.
const TABLE: &[(&str, &str, &str, &[&str])] = &[
    ("a request", "GET /ok/a HTTP/1.1\n$\n\n", "200", &["GET /ok/a"]),
    ("another, not permitted", "GET /no HTTP/1.1\n$\n\n", "403", &[]),
    ("denied beneath what is allowed", "GET /ok/no/x HTTP/1.1\n$\n\n", "403", &[]),
    ("the root", "GET / HTTP/1.1\n$\n\n", "403", &[]),
    // Paths.
    ("up", "GET /ok/../secret HTTP/1.1\n$\n\n", "400", &[]),
    ("up, escaped", "GET /ok/%2e%2e/secret HTTP/1.1\n$\n\n", "400", &[]),
    ("up, half escaped", "GET /ok/.%2E/secret HTTP/1.1\n$\n\n", "400", &[]),
    ("up, with a parameter", "GET /ok/..;a=b/secret HTTP/1.1\n$\n\n", "400", &[]),
    ("up, with an escaped parameter", "GET /ok/..%3ba/secret HTTP/1.1\n$\n\n", "400", &[]),
    ("here", "GET /ok/./a HTTP/1.1\n$\n\n", "400", &[]),
    ("an empty segment", "GET /ok//no/x HTTP/1.1\n$\n\n", "400", &[]),
    ("an empty first segment", "GET //ok/a HTTP/1.1\n$\n\n", "400", &[]),
    ("an escaped slash", "GET /ok%2fno/x HTTP/1.1\n$\n\n", "400", &[]),
    ("a backslash", "GET /ok\\..\\secret HTTP/1.1\n$\n\n", "400", &[]),
    ("an escaped backslash", "GET /ok/%5c..%5csecret HTTP/1.1\n$\n\n", "400", &[]),
    ("an escaped NUL", "GET /ok/a%00.png HTTP/1.1\n$\n\n", "400", &[]),
    ("an escaped line's end", "GET /ok/a%0d%0aX:%20y HTTP/1.1\n$\n\n", "400", &[]),
    ("escaped twice", "GET /ok/%252e%252e/secret HTTP/1.1\n$\n\n", "400", &[]),
    ("overlong UTF-8", "GET /ok/%c0%ae%c0%ae/secret HTTP/1.1\n$\n\n", "400", &[]),
    ("half an escape", "GET /ok/%4 HTTP/1.1\n$\n\n", "400", &[]),
    ("an IIS escape", "GET /ok/%u002e%u002e/ HTTP/1.1\n$\n\n", "400", &[]),
    ("a denied name, escaped", "GET /ok/n%6F/x HTTP/1.1\n$\n\n", "403", &[]),
    ("a denied name with a parameter", "GET /ok/no;v=1/x HTTP/1.1\n$\n\n", "403", &[]),
    ("a permitted name, escaped", "GET /ok/%61%7e HTTP/1.1\n$\n\n", "200", &["GET /ok/a~"]),
    (
        "escapes get one spelling",
        "GET /ok/caf%c3%a9 HTTP/1.1\n$\n\n",
        "200",
        &["GET /ok/caf%C3%A9"],
    ),
    ("a fragment", "GET /ok/a#/no HTTP/1.1\n$\n\n", "200", &["GET /ok/a"]),
    (
        "a query that looks like a path",
        "GET /ok/a?/../no HTTP/1.1\n$\n\n",
        "200",
        &["GET /ok/a?/../no"],
    ),
    ("raw UTF-8", "GET /ok/\u{e9} HTTP/1.1\n$\n\n", "400", &[]),
    ("a space in the target", "GET /ok/a b HTTP/1.1\n$\n\n", "400 end", &[]),
    ("no target", "GET HTTP/1.1\n$\n\n", "400 end", &[]),
    ("a target without a slash", "GET ok/a HTTP/1.1\n$\n\n", "400", &[]),
    ("the server itself", "OPTIONS * HTTP/1.1\n$\n\n", "400", &[]),
    // Whose it is.
    ("absolute form", "GET http://localhost/ok/a HTTP/1.1\n$\n\n", "200", &["GET /ok/a"]),
    ("absolute form, another host", "GET http://other/ok/a HTTP/1.1\n$\n\n", "400", &[]),
    ("somebody's name", "GET /ok/a HTTP/1.1\nHost: rebound.example\n\n", "421", &[]),
    (
        "absolute form of somebody",
        "GET http://rebound.example/ok/a HTTP/1.1\nHost: rebound.example\n\n",
        "421",
        &[],
    ),
    ("another scheme", "GET ftp://localhost/ok/a HTTP/1.1\n$\n\n", "400", &[]),
    ("no host", "GET /ok/a HTTP/1.1\n\n", "400", &[]),
    ("two hosts", "GET /ok/a HTTP/1.1\n$\nHost: other\n\n", "400", &[]),
    ("one host twice", "GET /ok/a HTTP/1.1\n$\n$\n\n", "400", &[]),
    ("two hosts in one", "GET /ok/a HTTP/1.1\nHost: localhost, other\n\n", "400", &[]),
    ("a user in the host", "GET /ok/a HTTP/1.1\nHost: localhost@other\n\n", "400", &[]),
    ("HTTP/1.0 without a host", "GET /ok/a HTTP/1.0\n\n", "200 end", &["GET /ok/a"]),
    ("HTTP/0.9", "GET /ok/a\n\n", "400 end", &[]),
    ("HTTP/3.0", "GET /ok/a HTTP/3.0\n$\n\n", "400 end", &[]),
    // Methods.
    ("TRACE", "TRACE /ok/a HTTP/1.1\n$\n\n", "405", &[]),
    ("CONNECT", "CONNECT localhost:80 HTTP/1.1\n$\n\n", "405", &[]),
    ("a method of one's own", "BREW /ok/a HTTP/1.1\n$\n\n", "501", &[]),
    ("a method in small letters", "get /ok/a HTTP/1.1\n$\n\n", "501", &[]),
    ("a method that is none", "GE{T /ok/a HTTP/1.1\n$\n\n", "400 end", &[]),
    ("an expectation", "POST /ok/a HTTP/1.1\n$\nExpect: 200-ok\nContent-Length: 0\n\n", "417", &[]),
    // Where content ends.
    ("content", "POST /ok/a HTTP/1.1\n$\nContent-Length: 2\n\nhi", "200", &["POST /ok/a:hi"]),
    ("GET with content", "GET /ok/a HTTP/1.1\n$\nContent-Length: 2\n\nhi", "400", &[]),
    (
        "both framings",
        "POST /ok/a HTTP/1.1\n$\nContent-Length: 5\nTransfer-Encoding: chunked\n\n0\n\nGET /ok/b HTTP/1.1\n$\n\n",
        "200 end",
        &["POST /ok/a"],
    ),
    (
        "both framings, the other way",
        "POST /ok/a HTTP/1.1\n$\nTransfer-Encoding: chunked\nContent-Length: 5\n\n0\n\n",
        "200",
        &["POST /ok/a"],
    ),
    (
        "an unknown coding",
        "POST /ok/a HTTP/1.1\n$\nTransfer-Encoding: xchunked\n\n0\n\n",
        "400 end",
        &[],
    ),
    (
        "two codings",
        "POST /ok/a HTTP/1.1\n$\nTransfer-Encoding: gzip, chunked\n\n0\n\n",
        "501",
        &[],
    ),
    (
        "chunked twice",
        "POST /ok/a HTTP/1.1\n$\nTransfer-Encoding: chunked\nTransfer-Encoding: chunked\n\n0\n\n",
        "501",
        &[],
    ),
    (
        "chunked, then not",
        "POST /ok/a HTTP/1.1\n$\nTransfer-Encoding: chunked\nTransfer-Encoding: identity\n\n0\n\n",
        "400 end",
        &[],
    ),
    (
        "a space before a colon",
        "POST /ok/a HTTP/1.1\n$\nTransfer-Encoding : chunked\n\n0\n\n",
        "400 end",
        &[],
    ),
    (
        "a folded line",
        "POST /ok/a HTTP/1.1\n$\nTransfer-Encoding:\n chunked\n\n0\n\n",
        "400 end",
        &[],
    ),
    (
        "chunked over HTTP/1.0",
        "POST /ok/a HTTP/1.0\n$\nTransfer-Encoding: chunked\n\n0\n\n",
        "400 end",
        &[],
    ),
    (
        "two lengths",
        "POST /ok/a HTTP/1.1\n$\nContent-Length: 2\nContent-Length: 3\n\nhi!",
        "400 end",
        &[],
    ),
    (
        "one length twice",
        "POST /ok/a HTTP/1.1\n$\nContent-Length: 2\nContent-Length: 2\n\nhi",
        "200",
        &["POST /ok/a:hi"],
    ),
    ("two lengths in one", "POST /ok/a HTTP/1.1\n$\nContent-Length: 2, 2\n\nhi", "400 end", &[]),
    ("a signed length", "POST /ok/a HTTP/1.1\n$\nContent-Length: +2\n\nhi", "400 end", &[]),
    ("a negative length", "POST /ok/a HTTP/1.1\n$\nContent-Length: -2\n\nhi", "400 end", &[]),
    (
        "a length beyond numbers",
        "POST /ok/a HTTP/1.1\n$\nContent-Length: 99999999999999999999\n\n",
        "400 end",
        &[],
    ),
    (
        "a length with an underscore",
        "POST /ok/a HTTP/1.1\n$\nContent_Length: 9\nContent-Length: 2\n\nhi",
        "200",
        &["POST /ok/a:hi"],
    ),
    (
        "a hidden length",
        "POST /ok/a HTTP/1.1\n$\nConnection: content-length\nContent-Length: 2\n\nhi",
        "200",
        &["POST /ok/a:hi"],
    ),
    (
        "chunks",
        "POST /ok/a HTTP/1.1\n$\nTransfer-Encoding: chunked\n\n1;a=b\nh\n1\ni\n0\n\n",
        "200",
        &["POST /ok/a:hi"],
    ),
    (
        "a request in a trailer section",
        "POST /ok/a HTTP/1.1\n$\nTransfer-Encoding: chunked\n\n0\nGET /no HTTP/1.1\nX: y\n\n",
        "- end",
        &[],
    ),
    (
        "a chunk's size in C",
        "POST /ok/a HTTP/1.1\n$\nTransfer-Encoding: chunked\n\n0x2\nhi\n0\n\n",
        "- end",
        &[],
    ),
    (
        "a chunk's size beyond numbers",
        "POST /ok/a HTTP/1.1\n$\nTransfer-Encoding: chunked\n\nfffffffffffffffff\nhi\n0\n\n",
        "- end",
        &[],
    ),
    (
        "a chunk longer than said",
        "POST /ok/a HTTP/1.1\n$\nTransfer-Encoding: chunked\n\n1\nhi\n0\n\n",
        "- end",
        &[],
    ),
    // Bytes.
    (
        "lines without CR",
        "GET /ok/a HTTP/1.1\u{b6}Host: localhost\u{b6}\u{b6}",
        "200",
        &["GET /ok/a"],
    ),
    ("a NUL in a field", "GET /ok/a HTTP/1.1\n$\nX: a\0b\n\n", "400 end", &[]),
    ("a CR in a field", "GET /ok/a HTTP/1.1\n$\nX: a\rX-Real-IP: b\n\n", "400 end", &[]),
    ("a space in a name", "GET /ok/a HTTP/1.1\n$\nX Y: a\n\n", "400 end", &[]),
    ("TLS", "\u{16}\u{3}\u{1}\0\u{5}hello\n\n", "400 end", &[]),
    ("an empty line first", "\nGET /ok/a HTTP/1.1\n$\n\n", "200", &["GET /ok/a"]),
    // What a client says of itself.
    (
        "claims",
        "GET /ok/a HTTP/1.1\n$\nX-Forwarded-For: ::1\nForwarded: for=x\nX-Real-IP: 1\nDoorward-Subject: user/root\nClient-Cert: x\n\n",
        "200",
        &["GET /ok/a"],
    ),
    (
        "claims in other spellings",
        "GET /ok/a HTTP/1.1\n$\nX_Forwarded_For: ::1\nx-forwarded.for: 2\nDOORWARD_SUBJECT: root\nX_Real-IP: 1\n\n",
        "200",
        &["GET /ok/a"],
    ),
    (
        "overrides",
        "POST /ok/a HTTP/1.1\n$\nX-HTTP-Method-Override: DELETE\nX-Original-URL: /no\nX_Rewrite_URL: /no\nX-Host: y\nProxy: z\nContent-Length: 0\n\n",
        "200",
        &["POST /ok/a"],
    ),
    (
        "fields of neighbours",
        "GET /ok/a HTTP/1.1\n$\nConnection: keep-alive, x-secret-hop\nX-Secret-Hop: 1\nKeep-Alive: 5\nTE: gzip\nProxy-Authorization: x\n\n",
        "200",
        &["GET /ok/a"],
    ),
    ("a hidden host", "GET /ok/a HTTP/1.1\n$\nConnection: host, via\n\n", "200", &["GET /ok/a"]),
    // Upgrades.
    (
        "h2c",
        "GET /ok/a HTTP/1.1\n$\nConnection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABkAAQAAP__\n\n",
        "200",
        &["GET /ok/a"],
    ),
    (
        "WebSocket by POST",
        "POST /ok/a HTTP/1.1\n$\nConnection: Upgrade\nUpgrade: websocket\nContent-Length: 0\n\n",
        "400",
        &[],
    ),
    (
        "WebSocket where there is none",
        "GET /ok/a HTTP/1.1\n$\nConnection: Upgrade\nUpgrade: websocket\n\n",
        "200",
        &["GET /ok/a"],
    ),
    (
        "two protocols",
        "GET /ok/a HTTP/1.1\n$\nConnection: Upgrade\nUpgrade: websocket, other\n\n",
        "400",
        &[],
    ),
    (
        "an upgrade without right",
        "GET /ok/no/a HTTP/1.1\n$\nConnection: Upgrade\nUpgrade: websocket\n\n",
        "403",
        &[],
    ),
    // What browsers send unasked.
    (
        "another site's form",
        "POST /ok/a HTTP/1.1\n$\nSec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: document\nOrigin: https://evil.example\nContent-Length: 0\n\n",
        "403",
        &[],
    ),
    (
        "another interface's page",
        "PUT /ok/a HTTP/1.1\n$\nSec-Fetch-Site: same-site\nContent-Length: 0\n\n",
        "403",
        &[],
    ),
    (
        "an old browser's page of elsewhere",
        "POST /ok/a HTTP/1.1\n$\nOrigin: http://evil.example\nContent-Length: 0\n\n",
        "403",
        &[],
    ),
    ("a page without an origin", "DELETE /ok/a HTTP/1.1\n$\nOrigin: null\n\n", "403", &[]),
    (
        "an image of elsewhere",
        "GET /ok/a HTTP/1.1\n$\nSec-Fetch-Site: cross-site\nSec-Fetch-Mode: no-cors\nSec-Fetch-Dest: image\n\n",
        "403",
        &[],
    ),
    (
        "a frame of elsewhere",
        "GET /ok/a HTTP/1.1\n$\nSec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: iframe\n\n",
        "403",
        &[],
    ),
    (
        "a WebSocket of elsewhere",
        "GET /ok/a HTTP/1.1\n$\nConnection: Upgrade\nUpgrade: websocket\nOrigin: http://evil.example\n\n",
        "403",
        &[],
    ),
    (
        "a WebSocket of another port",
        "GET /ok/a HTTP/1.1\nHost: localhost:81\nConnection: Upgrade\nUpgrade: websocket\nOrigin: http://localhost:82\n\n",
        "403",
        &[],
    ),
    (
        "a preflight",
        "OPTIONS /ok/a HTTP/1.1\n$\nOrigin: http://evil.example\nAccess-Control-Request-Method: PUT\n\n",
        "403",
        &[],
    ),
    (
        "a link of elsewhere",
        "GET /ok/a HTTP/1.1\n$\nSec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: document\n\n",
        "200",
        &["GET /ok/a"],
    ),
    (
        "its own page",
        "POST /ok/a HTTP/1.1\n$\nSec-Fetch-Site: same-origin\nOrigin: http://localhost\nContent-Length: 0\n\n",
        "200",
        &["POST /ok/a"],
    ),
    (
        "an old browser's own page",
        "POST /ok/a HTTP/1.1\nHost: localhost:8080\nOrigin: http://localhost:8080\nContent-Length: 0\n\n",
        "200",
        &["POST /ok/a"],
    ),
    (
        "a page of a name that was made to lead here",
        "POST /ok/a HTTP/1.1\nHost: rebound.example\nOrigin: http://rebound.example\nSec-Fetch-Site: same-origin\nContent-Length: 0\n\n",
        "421",
        &[],
    ),
    (
        "claims of proxies that authenticate",
        "GET /ok/a HTTP/1.1\n$\nRemote-User: root\nX_Remote_User: root\nX-WEBAUTH-USER: root\nX-Auth-Request-User: root\nX-Authenticated_User: root\nX-User: root\nX-Remote-Group: root\nX-Client-DN: CN=root\nX-ARR-ClientCert: a\nX-Envoy-Original-Path: /no\nCF_Connecting_IP: 127.0.0.1\nImpersonate-User: root\nDOORWARD_IDENTITY: a\n\n",
        "200",
        &["GET /ok/a"],
    ),
    (
        "the same behind the content",
        "POST /ok/a HTTP/1.1\n$\nTransfer-Encoding: chunked\nTrailer: X-User, Remote_User\n\n1\na\n0\nX-User: root\nRemote_User: root\n\n",
        "200",
        &["POST /ok/a:a"],
    ),
    // One after the other.
    (
        "a forbidden one between two",
        "GET /ok/a HTTP/1.1\n$\n\nGET /no HTTP/1.1\n$\n\nGET /ok/b HTTP/1.1\n$\n\n",
        "200 403 200",
        &["GET /ok/a", "GET /ok/b"],
    ),
    (
        "a forbidden one with content between two",
        "GET /ok/a HTTP/1.1\n$\n\nPOST /no HTTP/1.1\n$\nContent-Length: 37\n\nGET /ok/never HTTP/1.1\nHost: local\n\n\n\nGET /ok/b HTTP/1.1\n$\n\n",
        "200 403 200",
        &["GET /ok/a", "GET /ok/b"],
    ),
    (
        "a refused one between two",
        "GET /ok/a HTTP/1.1\n$\n\nGET /ok/../no HTTP/1.1\n$\n\nGET /ok/b HTTP/1.1\n$\n\n",
        "200 400 200",
        &["GET /ok/a", "GET /ok/b"],
    ),
    (
        "nothing after close",
        "GET /ok/a HTTP/1.1\n$\nConnection: close\n\nGET /ok/b HTTP/1.1\n$\n\n",
        "200 end",
        &["GET /ok/a"],
    ),
    ("half a request", "GET /ok/a HTTP/1.1\n$\n\nGET /ok/b HTTP/1.1\nHos", "200", &["GET /ok/a"]),
    // Sizes: `{n*x}` is n times x.
    ("a long path", "GET /ok/{20000*a} HTTP/1.1\n$\n\n", "414", &[]),
    ("a long query", "GET /ok/a?{9000*a} HTTP/1.1\n$\n\n", "414", &[]),
    ("many fields", "GET /ok/a HTTP/1.1\n$\n{110*X: y\n}\n", "431", &[]),
    ("very many fields", "GET /ok/a HTTP/1.1\n$\n{300*X: y\n}\n", "431 end", &[]),
    ("a long field", "GET /ok/a HTTP/1.1\n$\nX: {40000*y}\n\n", "431", &[]),
    ("a very long field", "GET /ok/a HTTP/1.1\n$\nX: {200000*y}\n\n", "431 end", &[]),
];

/// The bytes that a row says.
fn bytes(said: &str) -> Vec<u8> {
    let mut said = said.replace('$', "Host: localhost");
    while let Some(from) = said.find("{").filter(|_| said.contains('}')) {
        let to = from + said[from..].find('}').unwrap();
        let (times, what) = said[from + 1..to].split_once('*').unwrap();
        let what = what.repeat(times.parse().unwrap());
        said.replace_range(from..=to, &what);
    }
    said.replace('\n', "\r\n").replace('\u{b6}', "\n").into_bytes()
}

/// The statuses of the answers that have come, if they are whole.
fn statuses(mut answers: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    while let Some(end) = answers.windows(4).position(|four| four == b"\r\n\r\n") {
        let head = String::from_utf8_lossy(&answers[..end]).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.unwrap_or("0").parse().unwrap();
        if answers.len() < end + 4 + length {
            break;
        }
        answers = &answers[end + 4 + length..];
        let status = head.split(' ').nth(1).unwrap();
        if !head.contains("doorward-request-id: ") && !head.contains("content-length: 0") {
            found.push(format!("{status}-without-id"));
        } else {
            found.push(status.to_owned());
        }
    }
    found
}

/// What is answered to that, said in pieces of that many bytes, and whether the connection is over
/// then.
fn answered(
    at: SocketAddr,
    (said, piece): (&[u8], usize),
    expected: usize,
    ends: bool,
) -> (Vec<String>, bool) {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let said = said.to_vec();
    let speaker = std::thread::spawn(move || {
        // It may be over before all is said.
        drop(said.chunks(piece).try_for_each(|piece| writer.write_all(piece)));
    });
    let (mut answers, mut chunk, mut ended) = (Vec::new(), [0; 4096], false);
    while statuses(&answers).len() < expected || ends {
        match stream.read(&mut chunk) {
            Ok(0) => ended = true,
            Ok(count) => answers.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
            Err(_) => ended = true,
        }
        if ended {
            break;
        }
    }
    speaker.join().unwrap();
    if !ended {
        let _ = stream.shutdown(Shutdown::Write);
        while let Ok(count @ 1..) = stream.read(&mut chunk) {
            answers.extend_from_slice(&chunk[..count]);
        }
    }
    (statuses(&answers), ended)
}

fn world() -> (HttpBackend, Gateway) {
    let gateway = Gateway::start();
    let backend = HttpBackend::start(&gateway);
    gateway.declare("plc/web", &backend.url());
    gateway.enrol("user/probe", &[]);
    gateway.rules(RULES);
    (backend, gateway)
}

/// What has reached the backend since then, and that nothing came with it that may not.
fn reached(backend: &HttpBackend, before: usize) -> Vec<String> {
    let told = |note: Value| {
        let head = note["head"].as_str().unwrap().to_owned();
        let mut lines = head.trim_end().split("\r\n");
        let line = lines.next().unwrap().strip_suffix(" HTTP/1.1").unwrap().to_owned();
        let names: Vec<String> = lines
            .map(|line| line.split(':').next().unwrap().to_lowercase().replace(['_', '.'], "-"))
            .collect();
        for never in NEVER {
            assert!(!names.iter().any(|name| name == never), "{never}: {head}");
        }
        assert_eq!(names.iter().filter(|name| *name == "host").count(), 1, "{head}");
        let framings = ["content-length", "transfer-encoding"];
        assert!(
            names.iter().filter(|name| framings.contains(&name.as_str())).count() <= 1,
            "{head}"
        );
        match note["body"].as_str().unwrap() {
            "" => line,
            body => format!("{line}:{body}"),
        }
    };
    backend.requests().split_off(before).into_iter().map(told).collect()
}

#[test]
fn what_is_said_over_http1_is_forwarded_as_it_was_decided_or_refused() {
    let (backend, gateway) = world();
    let (_listener, at) = gateway.listening("probe", "plc/web");
    assert!(TABLE.len() >= 60);
    let mut wrong = Vec::new();
    // However it is split.
    let both = TABLE.iter().flat_map(|row| [(row, usize::MAX), (row, 1)]);
    for ((name, said, expected, forwarded), piece) in both {
        let before = backend.requests().len();
        let (answers, ends) = match expected.strip_suffix(" end") {
            Some(answers) => (answers, true),
            None => (*expected, false),
        };
        let answers = answers.trim_start_matches('-');
        let (told, ended) = answered(at, (&bytes(said), piece), answers.split(' ').count(), ends);
        let told = told.join(" ");
        let reached = reached(&backend, before);
        if told != answers || ends && !ended || reached != *forwarded {
            let end = if ended { " end" } else { "" };
            wrong.push(format!(
                "{name} by {piece}: {told}{end} {reached:?}, not {expected} {forwarded:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}\n", wrong.join("\n"));
}

/// Name; pseudo-header fields and others, where `:path /ok/a` and so on are there unless they are
/// said or left out by `-`; content, or none; what becomes of it; what reaches the backend.
fn http2_table() -> Vec<(&'static str, Value, &'static str, &'static [&'static str])> {
    let a: &[&str] = &["GET /ok/a"];
    vec![
        ("a request", json!({}), "200", a),
        ("another, not permitted", json!({"h": [[":path", "/no"]]}), "403", &[]),
        ("up", json!({"h": [[":path", "/ok/../no"]]}), "400", &[]),
        ("up, escaped", json!({"h": [[":path", "/ok/%2e%2e/no"]]}), "400", &[]),
        ("an empty segment", json!({"h": [[":path", "/ok//a"]]}), "400", &[]),
        ("a denied name, escaped", json!({"h": [[":path", "/ok/n%6f/a"]]}), "403", &[]),
        ("no path", json!({"h": [["-", ":path"]]}), "reset 1", &[]),
        ("an empty path", json!({"h": [[":path", ""]]}), "reset 1", &[]),
        ("a path without a slash", json!({"h": [[":path", "ok/a"]]}), "reset 1", &[]),
        ("a path with a space", json!({"h": [[":path", "/ok/a HTTP/1.1"]]}), "reset 1", &[]),
        ("a path with lines", json!({"h": [[":path", "/ok/a\r\nX-Real-IP: 1"]]}), "reset 1", &[]),
        ("an absolute path", json!({"h": [[":path", "http://other/ok/a"]]}), "reset 1", &[]),
        ("a star", json!({"h": [[":path", "*"], [":method", "OPTIONS"]]}), "400", &[]),
        ("two paths", json!({"h": [["+:path", "/no"]]}), "reset 1", &[]),
        ("two methods", json!({"h": [["+:method", "POST"]]}), "reset 1", &[]),
        ("an unknown pseudo-field", json!({"h": [[":secret", "1"]]}), "terminated 1", &[]),
        ("a pseudo-field of answers", json!({"h": [[":status", "200"]]}), "reset 1", &[]),
        (
            "a pseudo-field behind others",
            json!({"h": [["x", "y"], ["+:path", "/no"]]}),
            "reset 1",
            &[],
        ),
        ("another scheme", json!({"h": [[":scheme", "ftp"]]}), "400", &[]),
        ("no scheme", json!({"h": [["-", ":scheme"]]}), "reset 1", &[]),
        ("a host that disagrees", json!({"h": [["host", "other"]]}), "400", &[]),
        ("a host that agrees", json!({"h": [["host", "localhost"]]}), "200", a),
        ("no authority", json!({"h": [["-", ":authority"]]}), "400", &[]),
        ("somebody's authority", json!({"h": [[":authority", "rebound.example"]]}), "421", &[]),
        ("a user in the authority", json!({"h": [[":authority", "u@localhost"]]}), "400", &[]),
        ("capitals in a name", json!({"h": [["X-Real-IP", "1"]]}), "terminated 1", &[]),
        ("lines in a value", json!({"h": [["x", "a\r\nx-real-ip: 1"]]}), "terminated 1", &[]),
        ("a colon in a name", json!({"h": [["x:y", "1"]]}), "terminated 1", &[]),
        ("a connection field", json!({"h": [["connection", "close"]]}), "reset 1", &[]),
        (
            "chunked",
            json!({"h": [[":method", "POST"], ["transfer-encoding", "chunked"]], "body": "0\r\n\r\n"}),
            "reset 1",
            &[],
        ),
        ("an upgrade", json!({"h": [["upgrade", "websocket"]]}), "reset 1", &[]),
        ("TE", json!({"h": [["te", "gzip"]]}), "reset 1", &[]),
        (
            "claims",
            json!({"h": [["x-forwarded-for", "::1"], ["doorward_subject", "root"], ["proxy", "x"]]}),
            "200",
            a,
        ),
        (
            "a page of elsewhere",
            json!({"h": [[":method", "POST"], ["sec-fetch-site", "cross-site"]], "body": "hi"}),
            "403",
            &[],
        ),
        (
            "a page that posts without saying its site",
            json!({"h": [[":method", "POST"], ["origin", "https://evil.example"]], "body": "hi"}),
            "403",
            &[],
        ),
        (
            "its own page",
            json!({"h": [[":method", "POST"], ["origin", "http://localhost"]], "body": "hi"}),
            "200",
            &["POST /ok/a:hi"],
        ),
        (
            "a WebSocket of elsewhere",
            json!({"h": [[":method", "CONNECT"], [":protocol", "websocket"], ["origin", "https://evil.example"]]}),
            "403",
            &[],
        ),
        (
            "claims of proxies",
            json!({"h": [["remote_user", "root"], ["x-webauth-user", "root"]]}),
            "200",
            a,
        ),
        ("content", json!({"h": [[":method", "POST"]], "body": "hi"}), "200", &["POST /ok/a:hi"]),
        ("content of GET", json!({"body": "hi"}), "400", &[]),
        (
            "a length",
            json!({"h": [[":method", "POST"], ["content-length", "2"]], "body": "hi"}),
            "200",
            &["POST /ok/a:hi"],
        ),
        (
            "a length too short",
            json!({"h": [[":method", "POST"], ["content-length", "1"]], "body": "hi"}),
            "reset 1",
            &[],
        ),
        (
            "a length too long",
            json!({"h": [[":method", "POST"], ["content-length", "9"]], "body": "hi"}),
            "reset 1",
            &[],
        ),
        (
            "two lengths",
            json!({"h": [[":method", "POST"], ["content-length", "2"], ["content-length", "3"]], "body": "hi"}),
            "reset 1",
            &[],
        ),
        ("TRACE", json!({"h": [[":method", "TRACE"]]}), "405", &[]),
        (
            "CONNECT",
            json!({"h": [[":method", "CONNECT"], ["-", ":path"], ["-", ":scheme"]]}),
            "405",
            &[],
        ),
        (
            "extended CONNECT to nothing",
            json!({"h": [[":method", "CONNECT"], [":protocol", "websocket"]]}),
            "502",
            a,
        ),
        (
            "extended CONNECT to HTTP",
            json!({"h": [[":method", "CONNECT"], [":protocol", "h2c"]]}),
            "501",
            &[],
        ),
        (
            "extended CONNECT without right",
            json!({"h": [[":method", "CONNECT"], [":path", "/ok/no"], [":protocol", "websocket"]]}),
            "403",
            &[],
        ),
        ("a protocol by GET", json!({"h": [[":protocol", "websocket"]]}), "reset 1", &[]),
        ("a method of one's own", json!({"h": [[":method", "BREW"]]}), "501", &[]),
        ("cookies in pieces", json!({"h": [["cookie", "a=1"], ["cookie", "b=2"]]}), "200", a),
        ("many fields", json!({"many": 120}), "431", &[]),
        ("far too many fields", json!({"many": 5000}), "431", &[]),
    ]
}

#[test]
fn what_is_said_over_http2_is_forwarded_as_it_was_decided_or_refused() {
    let (backend, gateway) = world();
    let (_listener, at) = gateway.listening("probe", "plc/web");
    let mut command = Command::new(python());
    command.arg(script("http2_hostile.py")).arg(at.port().to_string());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let table = http2_table();
    let mut wrong = Vec::new();
    for (name, row, expected, forwarded) in &table {
        let before = backend.requests().len();
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(row.to_string().as_bytes()).unwrap();
        let told = Ran::of(child.wait_with_output().unwrap()).ok();
        let (told, reached) = (told.trim(), reached(&backend, before));
        if told != *expected || reached != *forwarded {
            wrong.push(format!("{name}: {told} {reached:?}, not {expected} {forwarded:?}"));
        }
    }
    for (flood, expected) in [
        ("continuation", "over"),
        ("rapid-reset", "over"),
        ("settings", "waits"),
        ("ping", "waits"),
    ] {
        let mut child = command.spawn().unwrap();
        let row = json!({ "flood": flood }).to_string();
        child.stdin.take().unwrap().write_all(row.as_bytes()).unwrap();
        let told = Ran::of(child.wait_with_output().unwrap()).ok();
        if told.trim() != expected {
            wrong.push(format!("{flood}: {told}"));
        }
    }
    assert!(wrong.is_empty(), "{}\n", wrong.join("\n"));
}
