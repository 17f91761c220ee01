//! `identity=signed`: a backend is told who asks in a header that it can verify, and nobody else
//! says anything in that header. PyJWT is the judge of it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use doorward_tests::gateway::Ran;
use doorward_tests::http::{DOMAIN, RULES, World, local, run, with};
use doorward_tests::running::PATIENCE;
use doorward_tests::tools::{python, script};
use serde_json::{Value, json};

const ISSUER: &str = "spiffe://doorward.home.arpa/gateway/main";

/// What every client here says of itself, in spellings that somebody may fold into one.
const CLAIMED: [&str; 10] = [
    "-HDoorward-Identity: a.b.c",
    "-Hdoorward-identity: a.b.c",
    "-HDOORWARD_IDENTITY: a.b.c",
    "-HDoorward.Identity: a.b.c",
    "-HDoorward_Identity: a.b.c",
    "-HDoorward~Identity: a.b.c",
    "-HDoorward-Identity;",
    "-HDoorward-Subject: user/owner",
    "-HDoorward-: a.b.c",
    "-HDoorward-Identity-2: a.b.c",
];

/// What a request says in the gateway's name, however it is spelt: the fields' values.
fn told(request: &Value) -> Vec<String> {
    let head = request["head"].as_str().unwrap();
    let fields = head.lines().chain(request["trailers"].as_str().unwrap().lines());
    let fields = fields.filter(|line| line.to_lowercase().starts_with("doorward"));
    let value = |line: &str| {
        let (name, value) = line.split_once(':').unwrap();
        assert_eq!(name.to_lowercase(), "doorward-identity");
        value.trim().to_owned()
    };
    fields.map(value).collect()
}

/// What each request since then was told; exactly one thing.
#[track_caller]
fn tokens(world: &World, before: usize) -> Vec<String> {
    let requests = world.backend.requests().split_off(before);
    let one = |request: &Value| <[String; 1]>::try_from(told(request)).expect("one").concat();
    requests.iter().map(one).collect()
}

/// The keys as an operator gives them to a backend.
fn keys(world: &World, name: &str) -> PathBuf {
    let file = world.gateway.dir().join(name);
    std::fs::write(&file, world.gateway.owner(&["ca", "jwks"])).unwrap();
    file
}

/// What a backend makes of a token.
fn verified(token: &str, keys: &PathBuf, audience: &str) -> Value {
    let mut command = Command::new(python());
    command.arg(script("identity_verify.py")).arg(keys).args([audience, ISSUER]);
    Ran::fed(command, token.as_bytes()).json()
}

/// Everything by which one asks, by every door and in both versions.
fn doors(world: &World, who: &str, agent: SocketAddr, path: &str) -> [(&'static str, Command); 5] {
    let knowing = ["--http2-prior-knowledge"];
    [
        ("name", world.curl(who, path)),
        ("proxy", world.proxied(who, path)),
        ("proxy, h2", with(world.proxied(who, path), &knowing)),
        ("agent", local(agent, path)),
        ("agent, h2", with(local(agent, path), &knowing)),
    ]
}

/// The status of the answer to what is written to the agent's port as it is.
fn raw(at: SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(text.replace('\n', "\r\n").as_bytes()).unwrap();
    let mut line = [0; "HTTP/1.1 200".len()];
    stream.read_exact(&mut line).unwrap();
    String::from_utf8_lossy(&line[line.len() - 3..]).into_owned()
}

#[test]
fn nothing_is_told_where_that_is_not_declared_and_nobody_tells_it_instead() {
    for (options, expected) in [("", 0), ("?identity=signed", 1)] {
        let world = World::with(options);
        let (_agent, at) = world.listening("alice");
        for (door, curl) in doors(&world, "alice", at, "/echo") {
            let before = world.backend.lines().len();
            assert_eq!(run(with(curl, &CLAIMED)).ok(), "", "{door}");
            let requests = world.backend.requests().split_off(before);
            assert_eq!(requests.len(), 1, "{door}");
            let told = told(&requests[0]);
            assert_eq!(told.len(), expected, "{door}: {told:?}");
            assert!(!told.iter().any(|told| told == "a.b.c"), "{door}");
        }
        let host = format!("Host: {at}");
        for (what, text, status) in [
            (
                "named as a field for the next hop",
                format!(
                    "GET / HTTP/1.1\n{host}\nConnection: close, Doorward-Identity\nDoorward-Identity: a\n\n"
                ),
                "200",
            ),
            (
                "in a trailer section",
                format!(
                    "POST / HTTP/1.1\n{host}\nConnection: close\nTrailer: Doorward-Identity, X-A\n\
                         Transfer-Encoding: chunked\n\n1\na\n0\nDoorward-Identity: a\nDoorward_Identity: b\nX-A: c\n\n"
                ),
                "200",
            ),
            (
                "a blank before the colon",
                format!("GET / HTTP/1.1\n{host}\nConnection: close\nDoorward-Identity : a\n\n"),
                "400",
            ),
            (
                "folded into another",
                format!(
                    "GET / HTTP/1.1\n{host}\nConnection: close\nX-A: b\n Doorward-Identity: a\n\n"
                ),
                "400",
            ),
        ] {
            let before = world.backend.lines().len();
            assert_eq!(raw(at, &text), status, "{what}");
            let requests = world.backend.requests().split_off(before);
            assert_eq!(requests.len(), usize::from(status == "200"), "{what}");
            assert!(requests.iter().all(|request| told(request).len() == expected), "{what}");
        }
    }
}

#[test]
fn who_asks_is_told_at_every_door_and_verifies_elsewhere() {
    let world = World::with("?identity=signed");
    let keys = keys(&world, "keys.json");
    for who in ["alice", "bob"] {
        let (_agent, at) = world.listening(who);
        for (door, curl) in doors(&world, who, at, "/pub/a") {
            let before = world.backend.lines().len();
            let curl = with(with(curl, &CLAIMED), &["-D", "-", "-o", "/dev/null"]);
            let head = run(curl).ok().to_lowercase();
            let flow = head.lines().find_map(|line| line.strip_prefix("doorward-request-id: "));
            let flow = flow.unwrap_or_else(|| panic!("{door}: {head}")).trim();
            let tokens = tokens(&world, before);
            let [token] = &tokens[..] else { panic!("{door}: {tokens:?}") };
            let verified = verified(token, &keys, "box/web");
            let claims = &verified["claims"];
            assert_eq!(claims["sub"], format!("spiffe://{DOMAIN}/user/{who}"), "{door}");
            assert_eq!((&claims["iss"], &claims["aud"]), (&json!(ISSUER), &json!("box/web")));
            assert_eq!(claims["jti"].as_str().unwrap().to_lowercase(), flow, "{door}");
            let (from, until) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
            assert_eq!(until - from, 60);
            assert_eq!(claims.as_object().unwrap().len(), 6, "nothing else is told: {claims}");
            let thumbprint = &verified["thumbprint"];
            assert_eq!(
                verified["head"],
                json!({ "alg": "ES256", "typ": "JWT", "kid": thumbprint })
            );
            let key = &verified["key"];
            assert_eq!(
                (&key["use"], &key["alg"], &key["kid"]),
                (&json!("sig"), &json!("ES256"), thumbprint)
            );
            assert!(key["d"].is_null(), "the private half stays");
            assert_eq!(
                verified["wrong"],
                json!({
                    "key": "InvalidSignatureError",
                    "audience": "InvalidAudienceError",
                    "issuer": "InvalidIssuerError",
                    "claim": "InvalidSignatureError",
                    "signature": "InvalidSignatureError",
                    "time": "ExpiredSignatureError",
                })
            );
        }
    }
    // What is refused reaches no backend, and neither does its name.
    let before = world.backend.lines().len();
    assert!(run(with(world.curl("bob", "/private"), &["-i"])).ok().contains(" 403 "));
    assert_eq!(world.since(before), [""; 0]);
}

#[test]
fn every_request_of_a_flow_is_told_it_also_when_it_is_asked_again_or_upgraded() {
    let world = World::with("?identity=signed");
    let keys = keys(&world, "keys.json");
    let (_agent, at) = world.listening("alice");
    // Each connection of this backend answers once, so the second request is made twice.
    let url = format!("http://{at}/once");
    run(with(local(at, "/once"), &[&url])).ok();
    let tokens = tokens(&world, 0);
    assert_eq!(tokens.len(), 3, "{tokens:?}");
    // Within half a minute it is signed once.
    assert!(tokens.iter().all(|token| *token == tokens[0]));
    assert_eq!(verified(&tokens[0], &keys, "box/web")["wrong"]["key"], "InvalidSignatureError");
    // Of another flow, something else is told.
    run(local(at, "/once")).ok();
    let others = self::tokens(&world, 3);
    assert_eq!(others.len(), 1);
    assert_ne!(others[0], tokens[0]);

    let upgrade = format!(
        "GET /raw HTTP/1.1\nHost: {at}\nConnection: Upgrade\nUpgrade: other\nDoorward-Identity: a\n\n"
    );
    assert_eq!(raw(at, &upgrade), "101");
    let upgraded = self::tokens(&world, 4);
    assert_eq!(upgraded.len(), 1);
    let claims = &verified(&upgraded[0], &keys, "box/web")["claims"];
    assert_eq!(claims["sub"], format!("spiffe://{DOMAIN}/user/alice"));
}

#[test]
fn an_interface_is_told_nothing_that_another_believes() {
    let world = World::with("?identity=signed");
    world.gateway.declare("box/other", &format!("{}/base?identity=signed", world.backend.url()));
    world.gateway.enrol("device/hut", &[]);
    world.gateway.owner(&["interface", "add", "hut/web", "http+agent:web?identity=signed"]);
    world.gateway.rules(&format!(
        "{RULES}\np, user/alice, box, other/**, *, , allow\np, user/alice, hut, web/**, *, , allow"
    ));
    let url = world.backend.url().replace("http:", "tcp:");
    let _hut = world.gateway.agent("hut", &format!("[interfaces.web]\nurl = \"{url}\"\n"));
    let keys = keys(&world, "keys.json");
    for (door, audience) in
        [("web--box", "box/web"), ("other--box", "box/other"), ("web--hut", "hut/web")]
    {
        let before = world.backend.lines().len();
        run(world.curl_at(door, "alice", "/a")).ok();
        let told = tokens(&world, before);
        for one in ["box/web", "box/other", "hut/web"] {
            let verified = verified(&told[0], &keys, one);
            if one == audience {
                assert_eq!(verified["claims"]["aud"], one);
            } else {
                assert_eq!(
                    verified,
                    json!({ "refused": "InvalidAudienceError" }),
                    "{audience} {one}"
                );
            }
        }
    }
    // Nor does anybody who knows another gateway believe it.
    let other = doorward_tests::Gateway::start();
    let others = world.gateway.dir().join("others.json");
    std::fs::write(&others, other.owner(&["ca", "jwks"])).unwrap();
    run(world.curl("alice", "/a")).ok();
    let token = tokens(&world, 0).pop().unwrap();
    assert_eq!(verified(&token, &others, "box/web"), json!({ "refused": "KeyError" }));
}

#[test]
fn the_key_is_kept_for_itself_and_its_public_half_is_for_whoever_may_read_it() {
    let mut world = World::with("?identity=signed");
    let refused = world.gateway.run("mallory", &["ca", "jwks"]).failed();
    assert!(refused.contains("user/mallory may not read ca/jwks"), "{refused}");
    world.gateway.rules(&format!("{RULES}\np, user/bob, gateway, ca/jwks, read, , allow"));
    let shown = world.gateway.run("bob", &["ca", "jwks"]).json();
    world.gateway.run("bob", &["ca", "show"]).failed();
    assert_eq!(world.gateway.owner_json(&["ca", "jwks"]), shown);

    let file = world.gateway.data().join("keys/assertion.sealed");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    run(world.curl("alice", "/a")).ok();
    assert_eq!(world.gateway.stop(), Some(0));
    world.gateway.serve();
    assert_eq!(world.gateway.owner_json(&["ca", "jwks"]), shown, "it is the same after a restart");
    run(world.curl("alice", "/a")).ok();
    let keys = keys(&world, "keys.json");
    for token in tokens(&world, 0) {
        assert!(verified(&token, &keys, "box/web")["claims"].is_object());
    }
    // A gateway from before there was one makes it at its next start.
    assert_eq!(world.gateway.stop(), Some(0));
    std::fs::remove_file(&file).unwrap();
    world.gateway.serve();
    assert_ne!(world.gateway.owner_json(&["ca", "jwks"]), shown);
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    run(world.curl("alice", "/a")).ok();
    let token = tokens(&world, 2).pop().unwrap();
    assert_eq!(verified(&token, &keys, "box/web"), json!({ "refused": "KeyError" }));
    let keys = self::keys(&world, "new.json");
    assert!(verified(&token, &keys, "box/web")["claims"].is_object());
}
