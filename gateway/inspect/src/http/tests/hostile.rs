//! Hostile requests over HTTP/1.1, and the result of each.

use super::{interface, outcome, parse, sent};

/// The result of each request; `unread` if the HTTP library refuses it.
#[test]
fn requests_are_forwarded_as_decided_or_refused() {
    let cases: &[(&str, &str, &str)] = &[
        // Methods.
        ("get", "GET /a/b HTTP/1.1\n$", "get web/a/b | GET /a/b"),
        ("head", "HEAD /a HTTP/1.1\n$", "head web/a | HEAD /a"),
        ("post", "POST / HTTP/1.1\n$", "post web/ | POST /"),
        ("put", "PUT /a HTTP/1.1\n$", "put web/a | PUT /a"),
        ("patch", "PATCH /a HTTP/1.1\n$", "patch web/a | PATCH /a"),
        ("delete", "DELETE /a/ HTTP/1.1\n$", "delete web/a/ | DELETE /a/"),
        ("options", "OPTIONS /a HTTP/1.1\n$", "options web/a | OPTIONS /a"),
        ("small letters", "get /a HTTP/1.1\n$", "501 method"),
        ("mixed letters", "Get /a HTTP/1.1\n$", "501 method"),
        ("longer", "GETT /a HTTP/1.1\n$", "501 method"),
        ("unknown", "PROPFIND /a HTTP/1.1\n$", "501 method"),
        ("preface", "PRI * HTTP/1.1\n$", "501 method"),
        ("trace", "TRACE /a HTTP/1.1\n$", "405 method"),
        ("connect", "CONNECT web--plc.gw.example:80 HTTP/1.1\n$", "405 method"),
        ("connect a path", "CONNECT /a HTTP/1.1\n$", "405 method"),
        // Targets.
        ("asterisk", "OPTIONS * HTTP/1.1\n$", "400 target"),
        ("authority", "GET web--plc.gw.example HTTP/1.1\n$", "400 target"),
        ("absolute", "GET http://web--plc.gw.example/a HTTP/1.1\n$", "get web/a | GET /a"),
        ("absolute, bare", "GET https://WEB--plc.gw.example HTTP/1.1\n$", "get web/ | GET /"),
        ("absolute, query", "GET http://web--plc.gw.example?q HTTP/1.1\n$", "get web/ | GET /?q"),
        ("absolute, fragment", "GET http://web--plc.gw.example#f HTTP/1.1\n$", "get web/ | GET /"),
        ("absolute, other", "GET http://other.example/a HTTP/1.1\n$", "400 host"),
        (
            "absolute, both other",
            "GET http://b.example/ HTTP/1.1\nHost: b.example",
            "421 misdirected",
        ),
        ("absolute, user", "GET http://u@web--plc.gw.example/ HTTP/1.1\n$", "400 host"),
        ("ftp", "GET ftp://web--plc.gw.example/a HTTP/1.1\n$", "400 target"),
        ("relative: an authority", "GET a HTTP/1.1\n$", "400 host"),
        ("other's path", "GET //other.example/a HTTP/1.1\n$", "400 path"),
        (
            "query as it came",
            "GET /a?b=%2e%2f/../\\&c='[x] HTTP/1.1\n$",
            "get web/a | GET /a?b=%2e%2f/../\\&c='[x]",
        ),
        ("empty query", "GET /a? HTTP/1.1\n$", "get web/a | GET /a?"),
        ("query beyond ASCII", "GET /a?ü HTTP/1.1\n$", "400 query"),
        ("query with a space", "GET /a?b c HTTP/1.1\n$", "unread"),
        ("query with a control", "GET /a?b\x01c HTTP/1.1\n$", "unread"),
        // Only the client uses a fragment: the library removes it.
        ("fragment", "GET /a#/../b HTTP/1.1\n$", "get web/a | GET /a"),
        // Paths. The table of `spelt_path` has more.
        ("unreserved escapes", "GET /%61%2Db HTTP/1.1\n$", "get web/a-b | GET /a-b"),
        ("small digits", "GET /%c3%a9 HTTP/1.1\n$", "get web/%C3%A9 | GET /%C3%A9"),
        ("unwise", "GET /a[0]|b HTTP/1.1\n$", "get web/a%5B0%5D%7Cb | GET /a%5B0%5D%7Cb"),
        ("reserved escape", "GET /u%40b HTTP/1.1\n$", "get web/u%40b | GET /u%40b"),
        ("parameters", "GET /a;s=1/b HTTP/1.1\n$", "get web/a;s=1/b | GET /a;s=1/b"),
        ("hidden parameters", "GET /a%3Bx/b HTTP/1.1\n$", "get web/a%3Bx/b | GET /a%3Bx/b"),
        ("percent", "GET /100%25 HTTP/1.1\n$", "get web/100%25 | GET /100%25"),
        ("dots", "GET /a/../b HTTP/1.1\n$", "400 path"),
        ("a dot", "GET /./a HTTP/1.1\n$", "400 path"),
        ("escaped dots", "GET /a/%2e%2E/b HTTP/1.1\n$", "400 path"),
        ("dots with parameters", "GET /a/..;/b HTTP/1.1\n$", "400 path"),
        ("dots escaped twice", "GET /%252e%252e/b HTTP/1.1\n$", "400 path"),
        ("escaped slash", "GET /a%2Fb HTTP/1.1\n$", "400 path"),
        ("backslash", "GET /a\\b HTTP/1.1\n$", "400 path"),
        ("escaped backslash", "GET /..%5cb HTTP/1.1\n$", "400 path"),
        ("NUL", "GET /a%00.png HTTP/1.1\n$", "400 path"),
        ("line", "GET /a%0d%0aX:y HTTP/1.1\n$", "400 path"),
        ("doubled slash", "GET /a//b HTTP/1.1\n$", "400 path"),
        ("overlong", "GET /%c0%ae%c0%ae/b HTTP/1.1\n$", "400 path"),
        ("half an escape", "GET /a% HTTP/1.1\n$", "400 path"),
        ("beyond ASCII", "GET /ü HTTP/1.1\n$", "400 path"),
        // Hosts.
        ("no host", "GET / HTTP/1.1\nAccept: x", "400 host"),
        ("no host, 1.0", "GET / HTTP/1.0\nAccept: x", "get web/ | GET / | accept: x"),
        ("host twice", "GET / HTTP/1.1\n$\n$", "400 host"),
        ("two hosts", "GET / HTTP/1.1\n$\nHost: other.example", "400 host"),
        ("two hosts, 1.0", "GET / HTTP/1.0\n$\nHost: other.example", "400 host"),
        ("a list of hosts", "GET / HTTP/1.1\n$, other.example", "400 host"),
        ("empty host", "GET / HTTP/1.1\nHost:", "400 host"),
        ("user", "GET / HTTP/1.1\nHost: u@web--plc.gw.example", "400 host"),
        ("space", "GET / HTTP/1.1\nHost: web--plc.gw.example x", "400 host"),
        ("a path in it", "GET / HTTP/1.1\nHost: web--plc.gw.example/x", "400 host"),
        ("port 0", "GET / HTTP/1.1\n$:0", "400 host"),
        ("any port", "GET / HTTP/1.1\n$:8443", "get web/ | GET /"),
        ("two ports", "GET http://web--plc.gw.example:1/ HTTP/1.1\n$:2", "400 host"),
        ("other", "GET / HTTP/1.1\nHost: other--plc.gw.example", "421 misdirected"),
        ("backend's", "GET / HTTP/1.1\nHost: plc.lan:8080", "421 misdirected"),
        ("address", "GET / HTTP/1.1\nHost: 127.0.0.1", "421 misdirected"),
        ("space before the colon", "GET / HTTP/1.1\nHost : x", "unread"),
        ("folded", "GET / HTTP/1.1\n$\nX: a\n b", "unread"),
        // Framing.
        (
            "length",
            "POST / HTTP/1.1\n$\nContent-Length: 5",
            "post web/ | POST / | connection: close | content-length: 5",
        ),
        (
            "length 0",
            "POST / HTTP/1.1\n$\nContent-Length: 0",
            "post web/ | POST / | content-length: 0",
        ),
        (
            "chunked",
            "POST / HTTP/1.1\n$\nTransfer-Encoding: Chunked",
            "post web/ | POST / | connection: close",
        ),
        (
            "both",
            "POST / HTTP/1.1\n$\nContent-Length: 5\nTransfer-Encoding: chunked",
            "400 framing",
        ),
        ("two lengths", "POST / HTTP/1.1\n$\nContent-Length: 5\nContent-Length: 6", "400 framing"),
        (
            "a length twice",
            "POST / HTTP/1.1\n$\nContent-Length: 5\nContent-Length: 5",
            "400 framing",
        ),
        ("a list of lengths", "POST / HTTP/1.1\n$\nContent-Length: 5, 5", "400 framing"),
        ("signed", "POST / HTTP/1.1\n$\nContent-Length: +5", "400 framing"),
        ("hexadecimal", "POST / HTTP/1.1\n$\nContent-Length: 0x5", "400 framing"),
        ("no number", "POST / HTTP/1.1\n$\nContent-Length:", "400 framing"),
        (
            "too long a number",
            "POST / HTTP/1.1\n$\nContent-Length: 18446744073709551616",
            "400 framing",
        ),
        ("underscored length", "POST / HTTP/1.1\n$\nContent_Length: 5", "post web/ | POST /"),
        ("identity", "POST / HTTP/1.1\n$\nTransfer-Encoding: identity", "501 framing"),
        (
            "chunked, identity",
            "POST / HTTP/1.1\n$\nTransfer-Encoding: chunked, identity",
            "501 framing",
        ),
        ("gzip, chunked", "POST / HTTP/1.1\n$\nTransfer-Encoding: gzip, chunked", "501 framing"),
        (
            "chunked twice",
            "POST / HTTP/1.1\n$\nTransfer-Encoding: chunked\nTransfer-Encoding: chunked",
            "501 framing",
        ),
        ("vertical tab", "POST / HTTP/1.1\n$\nTransfer-Encoding: \x0bchunked", "unread"),
        ("chunked, 1.0", "POST / HTTP/1.0\n$\nTransfer-Encoding: chunked", "400 framing"),
        ("get with content", "GET / HTTP/1.1\n$\nContent-Length: 5", "400 content"),
        (
            "get with length 0",
            "GET / HTTP/1.1\n$\nContent-Length: 0",
            "get web/ | GET / | content-length: 0",
        ),
        ("head with content", "HEAD / HTTP/1.1\n$\nTransfer-Encoding: chunked", "400 content"),
        (
            "delete with content",
            "DELETE / HTTP/1.1\n$\nContent-Length: 5",
            "delete web/ | DELETE / | connection: close | content-length: 5",
        ),
        (
            "continue",
            "POST / HTTP/1.1\n$\nContent-Length: 5\nExpect: 100-Continue",
            "post web/ | POST / | connection: close | content-length: 5",
        ),
        ("other expectation", "POST / HTTP/1.1\n$\nExpect: a-miracle", "417 expectation"),
        (
            "two expectations",
            "POST / HTTP/1.1\n$\nExpect: 100-continue\nExpect: x",
            "417 expectation",
        ),
        // Fields.
        (
            "plain",
            "GET / HTTP/1.1\n$\nAccept: a\nCookie: b\nAuthorization: c",
            "get web/ | GET / | accept: a | authorization: c | cookie: b",
        ),
        (
            "several lines",
            "GET / HTTP/1.1\n$\nX: 1\nY: 2\nX: 3",
            "get web/ | GET / | x: 1 | x: 3 | y: 2",
        ),
        (
            "hop by hop",
            "GET / HTTP/1.1\n$\nConnection: keep-alive, X-A\nKeep-Alive: 5\nX-A: b\nTrailer: x\nTE: gzip",
            "get web/ | GET /",
        ),
        (
            "connection twice",
            "GET / HTTP/1.1\n$\nConnection: X-A\nConnection: close,, x-b ,\nX-A: a\nX-B: b\nX-C: c",
            "get web/ | GET / | x-c: c",
        ),
        (
            "connection names host",
            "GET / HTTP/1.1\n$\nConnection: host, via, doorward-subject",
            "get web/ | GET /",
        ),
        (
            "connection names length",
            "POST / HTTP/1.1\n$\nConnection: content-length\nContent-Length: 5",
            "post web/ | POST / | connection: close",
        ),
        (
            "connection names nothing",
            "GET / HTTP/1.1\n$\nConnection: (), \"x\"\nX: y",
            "get web/ | GET / | x: y",
        ),
        (
            "trailers",
            "GET / HTTP/1.1\n$\nTE: gzip, Trailers",
            "get web/ | GET / | connection: te | te: trailers",
        ),
        (
            "trailers, content",
            "POST / HTTP/1.1\n$\nTE: trailers\nContent-Length: 1",
            "post web/ | POST / | connection: close, te | content-length: 1 | te: trailers",
        ),
        (
            "proxy's",
            "GET / HTTP/1.1\n$\nProxy-Authorization: x\nProxy-Connection: close\nProxy: evil:80",
            "get web/ | GET /",
        ),
        (
            "claims",
            "GET / HTTP/1.1\n$\nX-Forwarded-For: 1\nForwarded: for=1\nX-Real-IP: 1\nX-Forwarded-Host: x\nClient-Cert: :x:",
            "get web/ | GET /",
        ),
        (
            "claims of proxies that authenticate",
            "GET / HTTP/1.1\n$\nRemote-User: a\nX-Remote-User: a\nX-WEBAUTH-USER: a\nX-Auth-Request-User: a\nX-Authenticated-User: a\nX-User: a\nX-Remote-Group: a\nX-Forwarded-User: a\nX-Client-DN: a\nX-ARR-ClientCert: a\nX-Envoy-Original-Path: a\nX-Remote-Addr: a\nX-Originating-IP: a\nCF-Connecting-IP: a\nX-Forwarded-Client-Cert: a\nCf-Access-Jwt-Assertion: a\nX-Amzn-Oidc-Data: a\nX-Goog-Authenticated-User-Email: a\nTailscale-User-Login: a\nX-authentik-username: a\nX-Vouch-User: a\nX-Pomerium-Claim-Email: a\nX-Token-Subject: a\nImpersonate-User: root\nTrue-Client-IP: a\nFastly-Client-IP: a\nSSL_CLIENT_S_DN: a",
            "get web/ | GET /",
        ),
        (
            "the same, folded",
            "GET / HTTP/1.1\n$\nREMOTE_USER: a\nX_Remote_User: a\nX_WEBAUTH-USER: a\nX-Auth_Request-User: a\nx.user: a\nCF_Connecting_IP: a\nIMPERSONATE_USER: root\nDOORWARD_IDENTITY: a\nDoorward.Identity: a",
            "get web/ | GET /",
        ),
        (
            "what proves who it is",
            "GET / HTTP/1.1\n$\nAuthorization: a\nX-Auth-Token: b\nX-API-Key: c",
            "get web/ | GET / | authorization: a | x-api-key: c | x-auth-token: b",
        ),
        (
            "claims, folded",
            "GET / HTTP/1.1\n$\nX_Forwarded_For: 1\nX-Forwarded_For: 1\nHTTP_X_FORWARDED_FOR: 1\nHTTP_CLIENT_IP: 1\nX.Real.IP: 1\nDoorward_Subject: x",
            "get web/ | GET /",
        ),
        (
            "doorward's",
            "GET / HTTP/1.1\n$\nDoorward-Subject: user/root\nDoorward-Anything: x",
            "get web/ | GET /",
        ),
        (
            "other method",
            "POST / HTTP/1.1\n$\nX-HTTP-Method-Override: DELETE\nX_HTTP_Method: PUT\nX-Method-Override: x",
            "post web/ | POST /",
        ),
        (
            "other method, otherwise",
            "POST / HTTP/1.1\n$\nMethod-Override: DELETE\nHTTP-Method-Override: PUT\nX-Method: x\nHTTP_X_METHOD: x",
            "post web/ | POST /",
        ),
        (
            "other method, in the query",
            "POST /a?x=1&_method=delete HTTP/1.1\n$",
            "post web/a, delete web/a | POST /a?x=1&_method=delete",
        ),
        (
            "other method, in the query of a GET",
            "GET /a?_method=%50OST HTTP/1.1\n$",
            "get web/a, post web/a | GET /a?_method=%50OST",
        ),
        (
            "other method, spaced",
            "POST /a?_method=PUT+ HTTP/1.1\n$",
            "post web/a, put web/a | POST /a?_method=PUT+",
        ),
        (
            "other method, upgrade",
            "GET /a?_method=put HTTP/1.1\n$\nConnection: upgrade\nUpgrade: a",
            "get web/a, put web/a, connect web/a | GET /a?_method=put | connection: upgrade | upgrade: a",
        ),
        ("the same method", "POST /?_method=POST HTTP/1.1\n$", "post web/ | POST /?_method=POST"),
        ("no method", "POST /?_method= HTTP/1.1\n$", "post web/ | POST /?_method="),
        ("no method's name", "GET /?_method=a.b HTTP/1.1\n$", "get web/ | GET /?_method=a.b"),
        (
            "parameters named alike",
            "POST /?method=DELETE&x_method=DELETE&x=_method HTTP/1.1\n$",
            "post web/ | POST /?method=DELETE&x_method=DELETE&x=_method",
        ),
        ("a method that is not served", "POST /?_method=TRACE HTTP/1.1\n$", "400 query"),
        ("a method that is not known", "POST /?_method=M-SEARCH HTTP/1.1\n$", "400 query"),
        ("two methods", "POST /?_method=PUT&_method=DELETE HTTP/1.1\n$", "400 query"),
        ("a method, capital", "POST /?_METHOD=DELETE HTTP/1.1\n$", "400 query"),
        ("a method, PHP's dot", "POST /?.method=DELETE HTTP/1.1\n$", "400 query"),
        ("a method, list", "POST /?_method[]=DELETE HTTP/1.1\n$", "400 query"),
        ("a method, escaped", "POST /?%5fmethod=DELETE HTTP/1.1\n$", "400 query"),
        ("a method behind ;", "POST /?x=1;_method=DELETE HTTP/1.1\n$", "400 query"),
        ("a method behind %26", "POST /?x=1%26_method%3DDELETE HTTP/1.1\n$", "400 query"),
        (
            "other path",
            "GET /a HTTP/1.1\n$\nX-Original-URL: /admin\nX-Rewrite-URL: /admin",
            "get web/a | GET /a",
        ),
        ("hops", "OPTIONS / HTTP/1.1\n$\nMax-Forwards: 0", "options web/ | OPTIONS /"),
        (
            "own page",
            "POST / HTTP/1.1\n$:8443\nOrigin: https://web--plc.gw.example:8443",
            "post web/ | POST / | origin: http://plc.lan:8080",
        ),
        (
            "page at another port",
            "POST / HTTP/1.1\n$:8443\nOrigin: https://web--plc.gw.example",
            "403 cross-origin",
        ),
        (
            "page without TLS",
            "POST / HTTP/1.1\n$\nOrigin: http://web--plc.gw.example",
            "403 cross-origin",
        ),
        ("other's page", "POST / HTTP/1.1\n$\nOrigin: https://evil.example", "403 cross-origin"),
        (
            "other interface's page",
            "POST / HTTP/1.1\n$\nOrigin: https://web--camera.gw.example",
            "403 cross-origin",
        ),
        ("other site's", "GET /a HTTP/1.1\n$\nSec-Fetch-Site: cross-site", "403 cross-origin"),
        (
            "link",
            "GET /a HTTP/1.1\n$\nSec-Fetch-Site: cross-site\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: document",
            "get web/a | GET /a | sec-fetch-dest: document | sec-fetch-mode: navigate | sec-fetch-site: cross-site",
        ),
        (
            "other's websocket",
            "GET /ws HTTP/1.1\n$\nConnection: upgrade\nUpgrade: websocket\nOrigin: https://evil.example",
            "403 cross-origin",
        ),
        // Upgrades.
        (
            "websocket",
            "GET /ws HTTP/1.1\n$\nConnection: keep-alive, Upgrade\nUpgrade: WebSocket\nSec-WebSocket-Key: k",
            "get web/ws, connect web/ws | GET /ws | connection: upgrade | sec-websocket-key: k | upgrade: WebSocket",
        ),
        (
            "other upgrade",
            "GET /a HTTP/1.1\n$\nConnection: upgrade\nUpgrade: SPDY/3.1",
            "get web/a, connect web/a | GET /a | connection: upgrade | upgrade: SPDY/3.1",
        ),
        (
            "upgrade, parameters",
            "GET /a;x HTTP/1.1\n$\nConnection: upgrade\nUpgrade: a",
            "get web/a;x, connect web/a;x | GET /a;x | connection: upgrade | upgrade: a",
        ),
        (
            "h2c",
            "GET /a HTTP/1.1\n$\nConnection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: x",
            "get web/a | GET /a",
        ),
        (
            "h2c, named otherwise",
            "GET /a HTTP/1.1\n$\nConnection: upgrade\nUpgrade: H2C/1, HTTP/2.0, tls/1.0",
            "get web/a | GET /a",
        ),
        (
            "h2c, post",
            "POST /a HTTP/1.1\n$\nConnection: upgrade\nUpgrade: h2c",
            "post web/a | POST /a",
        ),
        (
            "h2c or websocket",
            "GET /a HTTP/1.1\n$\nConnection: upgrade\nUpgrade: h2c, websocket",
            "get web/a, connect web/a | GET /a | connection: upgrade | upgrade: websocket",
        ),
        ("not an option", "GET /a HTTP/1.1\n$\nUpgrade: websocket", "get web/a | GET /a"),
        (
            "upgrade, 1.0",
            "GET /a HTTP/1.0\n$\nConnection: upgrade\nUpgrade: websocket",
            "get web/a | GET /a",
        ),
        (
            "upgrade without protocol",
            "GET /a HTTP/1.1\n$\nConnection: upgrade",
            "get web/a | GET /a",
        ),
        (
            "two upgrades",
            "GET /a HTTP/1.1\n$\nConnection: upgrade\nUpgrade: websocket, foo",
            "400 upgrade",
        ),
        (
            "two lines",
            "GET /a HTTP/1.1\n$\nConnection: upgrade\nUpgrade: websocket\nUpgrade: foo",
            "400 upgrade",
        ),
        ("no token", "GET /a HTTP/1.1\n$\nConnection: upgrade\nUpgrade: web socket", "400 upgrade"),
        (
            "upgrade by post",
            "POST /a HTTP/1.1\n$\nConnection: upgrade\nUpgrade: websocket",
            "400 upgrade",
        ),
        (
            "upgrade with content",
            "GET /a HTTP/1.1\n$\nConnection: upgrade\nUpgrade: websocket\nContent-Length: 1",
            "400 content",
        ),
        (
            "upgrade, folded",
            "GET /a HTTP/1.1\n$\nConnection: upgrade\nUp_grade: x\nUpgrade_: x\nUpgrade: a",
            "get web/a, connect web/a | GET /a | connection: upgrade | up_grade: x | upgrade: a | upgrade_: x",
        ),
        // Lines.
        ("a bare return", "GET / HTTP/1.1\n$\nX: a\rb", "unread"),
        ("a NUL", "GET / HTTP/1.1\n$\nX: a\0b", "unread"),
        ("no version", "GET /", "unread"),
        ("version 2", "GET / HTTP/2.0\n$", "unread"),
    ];
    assert!(cases.len() >= 60);
    for (name, text, expected) in cases {
        let read = parse(&sent(text));
        let came = read.map(|head| outcome(&interface(""), head, None));
        assert_eq!(came.as_deref().unwrap_or("unread"), *expected, "{name}");
    }
}
