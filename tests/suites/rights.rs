//! Who may change what: the administration asks the same question as every door.

use doorward_tests::Gateway;

/// A gateway with an owner, an administrator (ada) and an operator (oskar).
fn world() -> Gateway {
    let gateway = Gateway::start();
    gateway.enrol("user/ada", &["--role", "administrator"]);
    gateway.enrol("user/oskar", &["--role", "operator"]);
    gateway
}

#[track_caller]
fn refused(gateway: &Gateway, who: &str, args: &[&str]) {
    let complaint = gateway.run(who, args).failed();
    assert!(complaint.contains(&format!("user/{who} may not")), "{complaint}");
}

#[test]
fn a_code_that_was_made_before_is_no_way_to_rights_that_come_later() {
    let mut gateway = world();
    let steal = |gateway: &Gateway, code: &str| gateway.redeem(code, "thief");
    // Promotion: the administrator keeps a code for somebody without roles.
    gateway.enrol("user/gina", &[]);
    let kept = gateway.run("ada", &["user", "code", "gina", "--json"]).json();
    let told = gateway.run("owner", &["user", "set", "gina", "--role", "owner"]);
    assert!(
        told.err.contains("a code that somebody else had made for user/gina is cancelled"),
        "{told:?}"
    );
    assert!(told.err.contains("live certificates of user/gina from before this: 1"), "{told:?}");
    let complaint = steal(&gateway, kept["code"].as_str().unwrap()).failed();
    assert!(complaint.contains("The code is not good"), "{complaint}");
    refused(&gateway, "ada", &["user", "code", "gina"]);
    // One's own codes are not cancelled by it.
    let code = gateway.code(&["user", "add", "greta"]);
    gateway.owner(&["user", "set", "greta", "--role", "operator"]);
    gateway.redeem(&code, "greta").ok();

    // Recovery: a thief has made codes for the owner, and the owner comes back by the machine.
    let stolen = gateway.code(&["user", "code", "owner", "--ttl", "30d"]);
    let mut recover = doorward_tests::gateway::doorward();
    recover.args(["recover", "--print-code", "--json", "--data"]).arg(gateway.data());
    let code = doorward_tests::Ran::of(recover.output().unwrap()).json();
    let mut claim = doorward_tests::gateway::doorward();
    claim.args(["claim", code["code"].as_str().unwrap(), "--dir"]);
    claim.arg(gateway.identity("owner-again"));
    doorward_tests::Ran::of(claim.output().unwrap()).ok();
    let complaint = steal(&gateway, &stolen).failed();
    assert!(complaint.contains("The code is not good"), "{complaint}");
    gateway.kill();
}

#[test]
fn whoever_ends_itself_is_told_that_it_is_done() {
    let gateway = world();
    for number in 0..10 {
        let name = format!("o{number}");
        gateway.enrol(&format!("user/{name}"), &["--role", "owner"]);
        gateway.run(&name, &["user", "remove", &name]).ok();
        assert_eq!(gateway.run(&name, &["status"]).status, Some(1));
    }
}

#[test]
fn nobody_takes_rights_that_they_could_not_grant() {
    let gateway = world();
    let owner = gateway.owner_json(&["user", "show", "owner"]);

    // To be the owner, or another administrator, by way of their identity.
    for user in ["owner", "ada"] {
        refused(&gateway, "ada", &["user", "code", user]);
        refused(&gateway, "ada", &["user", "revoke", user]);
        refused(&gateway, "ada", &["user", "disable", user]);
        refused(&gateway, "ada", &["user", "enable", user]);
        refused(&gateway, "ada", &["user", "remove", user]);
    }
    // Or by a role of one's own.
    refused(&gateway, "ada", &["user", "set", "ada", "--role", "owner"]);
    refused(&gateway, "ada", &["user", "add", "eve", "--role", "owner"]);
    refused(&gateway, "ada", &["user", "set", "owner", "--no-role", "owner"]);
    refused(&gateway, "ada", &["policy", "apply", "/dev/null"]);
    // An operator changes nothing at all, and does not even see who is there.
    for args in [
        &["user", "list"][..],
        &["user", "add", "eve"],
        &["user", "code", "oskar"],
        &["device", "add", "plc"],
        &["interface", "add", "plc/tcp", "tcp://127.0.0.1:1"],
        &["session", "list"],
        &["audit", "export"],
        &["policy", "show"],
        &["ca", "show"],
    ] {
        refused(&gateway, "oskar", args);
    }

    // Nothing has changed by all that.
    assert_eq!(gateway.owner_json(&["user", "show", "owner"]), owner);
    let users = gateway.owner_json(&["user", "list"]);
    let names: Vec<_> = users.as_array().unwrap().iter().map(|user| &user["name"]).collect();
    assert_eq!(names, ["ada", "oskar", "owner"]);

    // What an administrator is for.
    for args in [
        &["user", "add", "olga", "--role", "operator"][..],
        &["user", "code", "olga"],
        &["user", "disable", "olga"],
        &["user", "enable", "olga"],
        &["user", "set", "olga", "--no-role", "operator"],
        &["user", "revoke", "oskar"],
        &["user", "remove", "oskar"],
        &["device", "add", "plc", "--group", "plant"],
        &["device", "set", "plc", "--no-group", "plant", "--group", "attic"],
        &["interface", "add", "plc/tcp", "tcp://127.0.0.1:1"],
        &["session", "list"],
    ] {
        gateway.run("ada", args).ok();
    }
    // A role that has ended is no obstacle any more.
    gateway.owner(&["user", "set", "olga", "--role", "owner", "--until", "2020-01-01T00:00:00Z"]);
    gateway.run("ada", &["user", "code", "olga"]).ok();

    // Refusals stand in the log with what was asked for, under the question that failed.
    gateway.await_record("the refused role", |record| {
        record["event"] == "request-refused"
            && record["subject"] == "user/ada"
            && record["action"] == "create"
            && record["path"] == "roles/owner"
    });
}

#[test]
fn a_change_is_made_whole_or_not_at_all() {
    let gateway = world();
    let olga = || gateway.owner_json(&["user", "show", "olga"])["roles"].to_string();
    gateway.run("ada", &["user", "add", "olga", "--role", "operator"]).ok();
    let before = olga();
    refused(
        &gateway,
        "ada",
        &["user", "set", "olga", "--no-role", "operator", "--role", "administrator"],
    );
    assert_eq!(olga(), before);
    gateway.owner(&["user", "set", "olga", "--no-role", "operator", "--role", "administrator"]);
    assert!(olga().contains("role/administrator") && !olga().contains("role/operator"));
}
