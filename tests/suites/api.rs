//! The administration's API as programs see it: lists in pages, problems with kinds, errors as data.

use std::path::Path;
use std::process::Command;

use doorward_tests::gateway::agent;
use doorward_tests::tools::program;
use doorward_tests::{Gateway, Ran};
use serde_json::{Value, json};

/// Asks the management listener as the owner, and returns the status and the JSON of the answer.
fn ask(gateway: &Gateway, method: &str, path: &str, body: &Value) -> (u16, Value) {
    as_somebody(gateway, Some(&gateway.identity("owner")), method, path, body)
}

fn as_somebody(
    gateway: &Gateway,
    who: Option<&Path>,
    method: &str,
    path: &str,
    body: &Value,
) -> (u16, Value) {
    let mut curl = Command::new(program("curl"));
    curl.args(["-sk", "-w", "\n%{http_code}", "-X", method, "-d", &body.to_string()]);
    if let Some(dir) = who {
        curl.arg("--cert").arg(dir.join("cert.pem")).arg("--key").arg(dir.join("key.pem"));
    }
    curl.arg(format!("https://{}{path}", gateway.management));
    let out = Ran::of(curl.output().unwrap()).ok();
    let (text, status) = out.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), serde_json::from_str(text).unwrap_or_else(|_| panic!("{text}")))
}

#[test]
fn lists_come_in_pages_and_commands_print_them_whole() {
    let gateway = Gateway::start();
    let names = ["alpha", "beta", "gamma", "delta", "zeta"];
    for name in names {
        gateway.owner(&["device", "add", name, "--agentless"]);
    }
    let (status, _) = ask(&gateway, "GET", "/v1/devices?limit=0", &Value::Null);
    assert_eq!(status, 400);
    let (status, refused) = ask(&gateway, "GET", "/v1/devices?after=!!", &Value::Null);
    assert_eq!((status, refused["type"].as_str()), (400, Some("/problems/wrong-request")));
    let (mut seen, mut path) = (vec![], "/v1/devices?limit=2".to_owned());
    loop {
        let (status, page) = ask(&gateway, "GET", &path, &Value::Null);
        assert_eq!((status, &page["total"]), (200, &json!(5)));
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        seen.extend(items.iter().map(|one| one["name"].as_str().unwrap().to_owned()));
        // A device that comes meanwhile, before the cursor, moves no other from its page.
        gateway.run("owner", &["device", "add", "aaa", "--agentless"]);
        gateway.run("owner", &["device", "remove", "aaa"]);
        match page["next"].as_str() {
            Some(next) => path = format!("/v1/devices?limit=2&after={next}"),
            None => break,
        }
    }
    assert_eq!(seen, ["alpha", "beta", "delta", "gamma", "zeta"]);
    let listed = gateway.owner_json(&["device", "list"]);
    assert_eq!(listed.as_array().map(Vec::len), Some(5), "{listed}");
    for path in ["/v1/users", "/v1/interfaces", "/v1/sessions", "/v1/policies/revisions"] {
        let (status, list) = ask(&gateway, "GET", path, &Value::Null);
        assert_eq!(status, 200);
        let count = list["items"].as_array().unwrap().len();
        assert_eq!((&list["total"], &list["next"]), (&json!(count), &Value::Null), "{path}");
    }
}

#[test]
fn the_history_of_bundles_comes_in_pages_the_newest_first() {
    let gateway = Gateway::start();
    for number in 1..=4 {
        gateway.rules(&format!("p, user/alice, box, web{number}, connect, , allow"));
    }
    let newest = gateway.owner_json(&["policy", "history"])[0]["revision"].as_u64().unwrap();
    let (mut seen, mut path) = (vec![], "/v1/policies/revisions?limit=2".to_owned());
    loop {
        let (status, page) = ask(&gateway, "GET", &path, &Value::Null);
        assert_eq!((status, page["total"].as_u64()), (200, Some(newest)));
        let items = page["items"].as_array().unwrap();
        seen.extend(items.iter().map(|one| one["revision"].as_u64().unwrap()));
        match page["next"].as_str() {
            Some(next) => path = format!("/v1/policies/revisions?limit=2&after={next}"),
            None => break,
        }
    }
    assert_eq!(seen, (1..=newest).rev().collect::<Vec<_>>());
    // A cursor of another list is none of this one.
    let (_, devices) = ask(&gateway, "GET", "/v1/users?limit=1", &Value::Null);
    assert_eq!(devices["next"], Value::Null);
    let foreign = "/v1/policies/revisions?after=YWxpY2U";
    assert_eq!(ask(&gateway, "GET", foreign, &Value::Null).0, 400);
}

/// An empty variable is an absent one.
#[test]
fn an_empty_variable_counts_as_unset() {
    let gateway = Gateway::start();
    let home = gateway.dir().join("home");
    for program in [agent(), doorward_tests::gateway::doorward()] {
        let mut program = program;
        let arguments: &[&str] = if program.get_program().to_string_lossy().ends_with("-agent") {
            &["status"]
        } else {
            &["agent", "status"]
        };
        program.args(arguments).env("DOORWARD_IDENTITY", "").env("DOORWARD_SERVER", "");
        program.env("HOME", &home).env("XDG_CONFIG_HOME", home.join("config"));
        let ran = Ran::of(program.output().unwrap());
        assert_eq!(ran.status, Some(1), "{ran:?}");
        assert!(ran.err.contains("home/config/doorward/identity"), "{ran:?}");
    }
}

/// More than one page of the largest size: the command follows the cursors.
#[test]
fn a_command_lists_more_than_one_page() {
    let gateway = Gateway::start();
    gateway.owner(&["device", "add", "box", "--agentless"]);
    let owner = gateway.identity("owner");
    // One connection for all of them: a handshake each would take most of the time.
    let mut config = String::new();
    for number in 0..510 {
        let url = format!("https://{}/v1/interfaces/box/i{number}", gateway.management);
        let body = r#"{\"url\":\"tcp://127.0.0.1:7\"}"#;
        config.push_str(&format!("url = \"{url}\"\nrequest = POST\ndata = \"{body}\"\nnext\n"));
        config.push_str("insecure\nsilent\noutput = /dev/null\n");
        config.push_str(&format!("cert = {0}/cert.pem\nkey = {0}/key.pem\n", owner.display()));
    }
    let mut curl = Command::new(program("curl"));
    curl.args(["-sk", "-o", "/dev/null", "--cert"]).arg(owner.join("cert.pem"));
    curl.arg("--key").arg(owner.join("key.pem")).args(["-K", "-"]);
    let config = config.rsplit_once("next\n").unwrap().0.to_owned();
    Ran::fed(curl, config.as_bytes()).ok();
    let listed = gateway.owner_json(&["interface", "list"]);
    assert_eq!(listed.as_array().map(Vec::len), Some(510));
}

#[test]
fn a_problem_names_its_kind_and_says_where_a_bundle_is_wrong() {
    let gateway = Gateway::start();
    gateway.owner(&["device", "add", "box", "--agentless"]);
    let kind = |(status, problem): (u16, Value)| {
        assert_eq!(problem["status"], json!(status));
        let kind = problem["type"].as_str().unwrap().strip_prefix("/problems/").unwrap();
        assert_ne!(problem["title"], Value::Null);
        kind.to_owned()
    };
    let none = Value::Null;
    assert_eq!(kind(as_somebody(&gateway, None, "GET", "/v1/status", &none)), "identity-needed");
    assert_eq!(kind(ask(&gateway, "GET", "/v1/devices/nothing", &none)), "nothing-here");
    assert_eq!(kind(ask(&gateway, "PUT", "/v1/devices", &none)), "wrong-method");
    assert_eq!(kind(ask(&gateway, "POST", "/v1/devices/box", &json!({}))), "name-taken");
    let wrong = json!({ "policy": "p, user/alice, device/box, ssh, connect, , Allow\nq, a, b\n" });
    let (status, problem) = ask(&gateway, "PUT", "/v1/policies", &wrong);
    assert_eq!((status, problem["type"].as_str()), (400, Some("/problems/does-not-read")));
    let errors = problem["errors"].as_array().unwrap();
    let place =
        |error: &Value| (error["file"].clone(), error["line"].clone(), error["code"].clone());
    let device = errors.iter().find(|error| error["code"] == "device-prefix").unwrap();
    assert_eq!(place(device), (json!("policy.csv"), json!(1), json!("device-prefix")));
    assert_eq!((&device["column"], &device["length"]), (&json!(16), &json!(10)));
    assert_eq!(device["fix"], "box");
    let marker = errors.iter().find(|error| error["line"] == 2).unwrap();
    assert_eq!((&marker["code"], &marker["fix"]), (&json!("marker"), &json!("p")));
    assert!(marker["message"].as_str().unwrap().ends_with('.'));
}

#[test]
fn a_body_of_another_shape_changes_nothing() {
    let gateway = Gateway::start();
    gateway.owner(&["user", "add", "alice"]);
    let before = gateway.owner_json(&["policy", "history"])[0]["revision"].clone();
    for (method, path, body, says) in [
        ("PATCH", "/v1/users/alice", json!([false]), "The body is a JSON array, not an object."),
        ("PATCH", "/v1/users/alice", json!([true, [["role/operator", null]], []]), "JSON array"),
        (
            "PATCH",
            "/v1/users/alice",
            json!({"grant": [["role/operator", null]]}),
            "grant.1 is an array, not an object.",
        ),
        ("PATCH", "/v1/users/alice", json!({"title": "a\u{1b}b"}), "has 1 to 128 bytes"),
        ("PATCH", "/v1/users/alice", json!({"title": "a", "remove_title": true}), "at once."),
        ("PATCH", "/v1/users/alice", json!(null), "null, expected an object at line 1 column 4."),
        ("PUT", "/v1/policies", json!([]), "JSON array"),
        ("PUT", "/v1/policies", json!([null, null, null, null, null, 1]), "JSON array"),
        ("PUT", "/v1/policies", json!({}), "Nothing is proposed."),
        ("POST", "/v1/users/alice/identity", json!({"ttl_seconds": 0}), "1 second to 30 days"),
        (
            "POST",
            "/v1/users/alice/identity",
            json!({"ttl_seconds": 2_592_001}),
            "1 second to 30 days",
        ),
        (
            "POST",
            "/v1/users/alice/identity",
            json!({"ttl_seconds": "1"}),
            "expected a whole number",
        ),
    ] {
        let (status, problem) = ask(&gateway, method, path, &body);
        assert_eq!((status, &problem["type"]), (400, &json!("/problems/wrong-request")), "{body}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(says) && !detail.contains("struct"), "{body}: {detail}");
    }
    let alice = gateway.owner_json(&["user", "show", "alice"]);
    assert_eq!((&alice["enabled"], &alice["roles"]), (&json!(true), &json!([])), "{alice}");
    assert_eq!(gateway.owner_json(&["policy", "history"])[0]["revision"], before);
    let past = json!({"grant": [{"role": "role/operator", "until": "2020-01-01T00:00:00Z"}]});
    let (_, answer) = ask(&gateway, "PATCH", "/v1/users/alice", &past);
    let warning = "2020-01-01T00:00:00Z is over, so user/alice does not have role/operator";
    assert_eq!(answer["warnings"], json!([warning]), "{answer}");
    // Refusals keep the spelling of names.
    let (_, problem) = ask(&gateway, "POST", "/v1/users/alice", &json!({}));
    assert!(problem["detail"].as_str().unwrap().starts_with("user/alice is there"), "{problem}");
}

#[test]
fn the_page_of_another_origin_is_refused_by_its_own_kind() {
    let gateway = Gateway::start();
    let mut curl = Command::new(program("curl"));
    let dir = gateway.identity("owner");
    curl.args(["-sk", "-H", "Origin: https://evil.example"]);
    curl.arg("--cert").arg(dir.join("cert.pem")).arg("--key").arg(dir.join("key.pem"));
    curl.arg(format!("https://{}/v1/devices", gateway.management));
    let problem: Value = serde_json::from_str(&Ran::of(curl.output().unwrap()).ok()).unwrap();
    assert_eq!(problem["type"], "/problems/from-another-page", "{problem}");
}

#[test]
fn with_json_a_command_fails_in_json() {
    let gateway = Gateway::start();
    let error = |ran: Ran, status: i32| {
        assert_eq!((ran.status, ran.out.as_str()), (Some(status), ""), "{ran:?}");
        let document: Value = serde_json::from_str(&ran.err).unwrap_or_else(|_| panic!("{ran:?}"));
        let error = document["error"].clone();
        let members: Vec<_> = error.as_object().unwrap().keys().cloned().collect();
        assert_eq!(members, ["id", "kind", "message", "next"]);
        assert!(!error["message"].as_str().unwrap().is_empty());
        error
    };
    let refused = error(gateway.run("owner", &["--json", "device", "show", "nothing"]), 1);
    assert_eq!(refused["kind"], "nothing-here");
    assert_eq!(refused["id"].as_str().unwrap().len(), 26);
    let usage = error(gateway.run("owner", &["--json", "device", "add", "No Name"]), 2);
    assert_eq!(usage["kind"], "usage");
    let ran = gateway.run("owner", &["--json", "--server", "https://127.0.0.1:1", "status"]);
    let unreachable = error(ran, 1);
    assert_eq!(unreachable["kind"], "unreachable");
    assert!(unreachable["next"].as_str().unwrap().contains("--server"));
    let mut agent = agent();
    agent.args(["--json", "status", "--dir", "/nonexistent/identity"]);
    let local = error(Ran::of(agent.output().unwrap()), 1);
    assert_ne!(local["kind"], "");
    // Without it, in words.
    let said = gateway.run("owner", &["device", "show", "nothing"]).err;
    assert!(said.starts_with("doorward: ") && said.contains("(request "), "{said}");
}
