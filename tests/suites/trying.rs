//! `--dry-run` of changes, and changes that would lock everybody out.

use doorward_tests::Gateway;
use doorward_tests::backend::GREETING;
use doorward_tests::running::line;
use doorward_tests::{Backend, Kind};
use serde_json::{Value, json};

/// Alice may reach the PLC by her role, and the PLC is in a group.
fn world() -> (Gateway, Backend) {
    let (gateway, backend) = (Gateway::start(), Backend::tcp(Kind::Echo));
    gateway.declare("plc/tcp", backend.url());
    gateway.owner(&["device", "set", "plc", "--group", "plcs"]);
    gateway.enrol("user/alice", &["--role", "engineer"]);
    gateway.rules(
        "p, role/engineer, group/plcs, tcp, connect, , allow\n\
         p, role/night, group/plcs, web/night/**, get, , allow\n\
         p, role/night, group/plcs, tcp, connect, until=2099-01-01T00:00:00Z, allow",
    );
    (gateway, backend)
}

/// Everything that a change could change.
fn state(gateway: &Gateway) -> Vec<Value> {
    let lists = [["user", "list"], ["device", "list"], ["interface", "list"]];
    lists.iter().map(|args| gateway.owner_json(args)).collect()
}

/// Who may do what in a part of a preview.
fn grants(preview: &Value, part: &str) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let first = preview[part]["first"].as_array().unwrap().iter();
    let grants = first.map(|one| if part == "narrowed" { &one["was"] } else { one });
    grants.map(|one| (text(&one["subject"]), text(&one["interface"]))).collect()
}

#[test]
fn a_dry_run_says_what_a_change_would_do_and_does_nothing() {
    let (gateway, _backend) = world();
    let mut flow = gateway.connected("alice", "plc/tcp", &["--stdio"]);
    let mut output = flow.output();
    assert_eq!(line(&mut output).as_bytes(), GREETING.trim_ascii_end());
    let before = state(&gateway);
    let epoch = gateway.owner_json(&["status"])["epoch"].clone();
    let (alice, eve) = ("user/alice", "user/eve");
    for (args, opened, closed, ends) in [
        ("user set alice --no-role engineer", &[][..], &[(alice, "plc/tcp")][..], 1),
        ("user set alice --role night", &[], &[], 0),
        ("user add eve --role engineer", &[(eve, "plc/tcp")], &[], 0),
        ("user add eve --role nothing", &[], &[], 0),
        ("user disable alice", &[], &[(alice, "plc/tcp")], 1),
        ("user enable alice", &[], &[], 0),
        ("user remove alice", &[], &[(alice, "plc/tcp")], 1),
        ("device add cam --group plcs", &[], &[], 0),
        ("device set plc --no-group plcs", &[], &[(alice, "plc/tcp")], 1),
        ("device disable plc", &[], &[(alice, "plc/tcp")], 1),
        ("device enable plc", &[], &[], 0),
        ("device remove plc", &[], &[(alice, "plc/tcp")], 1),
        ("interface add plc/web http://127.0.0.1:80", &[], &[], 0),
        ("interface set plc/tcp tcp://127.0.0.1:9", &[], &[], 1),
        ("interface disable plc/tcp", &[], &[(alice, "plc/tcp")], 1),
        ("interface enable plc/tcp", &[], &[], 0),
        ("interface remove plc/tcp", &[], &[(alice, "plc/tcp")], 1),
    ] {
        let args: Vec<&str> = args.split(' ').chain(["--dry-run"]).collect();
        let preview = gateway.owner_json(&args);
        let of = |part: &str, expected: &[(&str, &str)]| {
            let mut found = grants(&preview, part);
            // The owner may do everything there is.
            found.retain(|(subject, _)| subject != "user/owner");
            let expected: Vec<_> =
                expected.iter().map(|(who, what)| (who.to_string(), what.to_string())).collect();
            assert_eq!(found, expected, "{args:?}, {part}: {preview:#}");
        };
        of("opened", opened);
        of("closed", closed);
        of("narrowed", &[]);
        let ending = preview["ending"].as_array().unwrap();
        assert_eq!(ending.len(), ends, "{args:?}: {preview:#}");
        assert!(preview.get("epoch").is_none(), "{args:?}: {preview:#}");
        assert!(flow.runs(), "{args:?}");
    }
    assert_eq!(state(&gateway), before);
    assert_eq!(gateway.owner_json(&["status"])["epoch"], epoch);
    gateway.await_record("the preview", |record| {
        record["event"] == "request"
            && record["path"] == "users/alice"
            && record["detail"] == "preview: take role/engineer"
    });
    // What is printed says the same.
    let said = gateway.owner(&["user", "set", "alice", "--no-role", "engineer", "--dry-run"]);
    assert!(said.contains("may not any more (1)"), "{said}");
    assert!(said.contains("- user/alice connect plc/tcp, through role/engineer"), "{said}");
    assert!(said.contains("live flows that would end (1)"), "{said}");
    assert!(said.contains("nothing was changed; leave --dry-run out"), "{said}");
    let said = gateway.owner(&["user", "enable", "alice", "--dry-run"]);
    assert!(said.contains("nobody may do more or less"), "{said}");

    // The change does what the preview said.
    gateway.owner(&["user", "set", "alice", "--no-role", "engineer"]);
    assert_eq!(flow.ended(), Some(1));
}

#[test]
fn a_dry_run_needs_the_rights_of_the_change_and_refuses_like_it() {
    let (gateway, _backend) = world();
    gateway.enrol("user/ada", &["--role", "administrator"]);
    gateway.enrol("user/oskar", &["--role", "operator"]);
    for (who, args, says) in [
        ("oskar", "user remove alice", "must allow delete on gateway/users/alice"),
        ("oskar", "interface set plc/tcp tcp://127.0.0.1:9", "must allow update on gateway/"),
        ("ada", "user set alice --role owner", "must allow create on gateway/roles/owner"),
        ("ada", "user remove owner", "must allow delete on gateway/roles/owner"),
        ("ada", "interface add plc/x tcp://127.0.0.1:9", "gateway/networks/loopback"),
        ("ada", "interface set plc/tcp tcp://127.0.0.1:9", "gateway/networks/loopback"),
        ("owner", "user add alice", "user/alice"),
        ("owner", "device add plc", "device/plc"),
        ("owner", "user remove nobody", "user/nobody"),
        ("owner", "interface add plc/tcp tcp://127.0.0.1:9", "tcp--plc"),
        ("owner", "interface add nowhere/tcp tcp://127.0.0.1:9", "device/nowhere"),
        ("owner", "interface remove plc/x", "x--plc"),
    ] {
        let args: Vec<&str> = args.split(' ').chain(["--dry-run"]).collect();
        let complaint = gateway.run(who, &args).failed();
        assert!(complaint.contains(says), "{who} {args:?}: {complaint}");
    }
    // It shows what others may do and have open, so that must be the asker's to read.
    gateway.enrol("user/dan", &["--role", "fitter"]);
    gateway.rules("p, role/fitter, gateway, interfaces/plc/tcp, update, , allow");
    let disable = ["interface", "disable", "plc/tcp"];
    let complaint = gateway.run("dan", &[&disable[..], &["--dry-run"]].concat()).failed();
    assert!(complaint.contains("must allow read on gateway/policies"), "{complaint}");
    gateway.rules(
        "p, role/fitter, gateway, interfaces/plc/tcp, update, , allow\n\
         p, role/fitter, gateway, policies, read, , allow",
    );
    let complaint = gateway.run("dan", &[&disable[..], &["--dry-run"]].concat()).failed();
    assert!(complaint.contains("must allow read on gateway/sessions"), "{complaint}");
    gateway.run("dan", &disable).ok();
    gateway.owner(&["interface", "enable", "plc/tcp"]);

    // What was off when it was removed would be off again, so it would open nothing.
    gateway.owner(&["user", "disable", "alice"]);
    gateway.owner(&["user", "remove", "alice"]);
    let tried = ["user", "add", "alice", "--role", "engineer", "--dry-run"];
    let preview = gateway.owner_json(&tried);
    assert_eq!(preview["opened"]["count"], 0, "{preview:#}");
    assert!(gateway.run("owner", &tried).err.contains("was off when it was removed"));
}

#[test]
fn the_last_who_may_change_the_policy_is_not_locked_out_in_silence() {
    let gateway = Gateway::start();
    let lockouts = [
        &["user", "disable", "owner"][..],
        &["user", "remove", "owner"],
        &["user", "set", "owner", "--no-role", "owner"],
        &["user", "set", "owner", "--role", "owner", "--until", "2h"],
    ];
    let before = gateway.owner_json(&["user", "show", "owner"]);
    for change in lockouts {
        for more in [&[][..], &["--dry-run"]] {
            let complaint = gateway.run("owner", &[change, more].concat()).failed();
            assert!(complaint.contains("add --force-lockout"), "{change:?}: {complaint}");
        }
    }
    assert_eq!(gateway.owner_json(&["user", "show", "owner"]), before);
    // A second owner who is off, or for a while only, is no help.
    gateway.enrol("user/olga", &["--role", "owner"]);
    gateway.owner(&["user", "disable", "olga"]);
    assert!(gateway.run("owner", lockouts[0]).failed().contains("--force-lockout"));
    gateway.owner(&["user", "enable", "olga"]);
    gateway.owner(&["user", "set", "olga", "--role", "owner", "--until", "1h"]);
    for change in &lockouts[1..] {
        let complaint = gateway.run("owner", change).failed();
        assert!(complaint.contains("--force-lockout"), "{change:?}: {complaint}");
    }

    // Who else may is enough, and so is that it is meant.
    gateway.owner(&["user", "set", "olga", "--role", "owner"]);
    gateway.owner(lockouts[2]);
    assert!(gateway.run("olga", &["user", "remove", "olga"]).failed().contains("--force-lockout"));
    let preview = ["user", "remove", "olga", "--force-lockout", "--dry-run", "--json"];
    assert!(gateway.run("olga", &preview).json()["closed"]["count"].as_u64() > Some(0));
    gateway.run("olga", &["user", "remove", "olga", "--force-lockout"]).ok();
    assert_eq!(gateway.run("olga", &["status"]).status, Some(1));
    assert_eq!(before["enabled"], json!(true));
}
