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
        &["interface", "add", "plc/tcp", "tcp://10.0.0.1:1"],
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

/// A gateway with an owner and those people, each with the rights to the administration that
/// stand beside the name: `PATH ACTIONS`, several joined by `;`.
fn people(all: &[(&str, &str)]) -> Gateway {
    let gateway = Gateway::start();
    let mut rules = String::new();
    for (name, rights) in all {
        gateway.enrol(&format!("user/{name}"), &[]);
        for right in rights.split("; ") {
            let (path, actions) = right.split_once(' ').unwrap();
            rules.push_str(&format!("p, user/{name}, gateway, {path}, {actions}, , allow\n"));
        }
    }
    gateway.rules(&rules);
    gateway
}

/// What somebody is told that they may not do, in the words of the policy.
#[track_caller]
fn lacks(gateway: &Gateway, who: &str, args: &[&str], right: &str) {
    let complaint = gateway.run(who, args).failed();
    assert!(complaint.contains(&format!("must allow {right}.")), "{args:?}: {complaint}");
}

#[test]
fn removing_asks_for_what_it_takes_away() {
    let gateway = people(&[
        ("bob", "devices/** *; interfaces/** *; networks/** *"),
        ("carl", "devices/** *; groups/** *"),
        ("dora", "devices/** delete; groups/critical delete; interfaces/plc/* delete"),
    ]);
    gateway.owner(&["device", "add", "plc", "--agentless", "--group", "critical"]);
    gateway.owner(&["interface", "add", "plc/tcp", "tcp://127.0.0.1:1"]);
    let before = gateway.owner_json(&["device", "show", "plc"]);
    let (leave, remove) =
        (["device", "set", "plc", "--no-group", "critical"], ["device", "remove", "plc"]);
    lacks(&gateway, "bob", &leave, "delete on gateway/groups/critical");
    lacks(&gateway, "bob", &remove, "delete on gateway/groups/critical");
    lacks(
        &gateway,
        "carl",
        &["interface", "remove", "plc/tcp"],
        "delete on gateway/interfaces/plc/tcp",
    );
    lacks(&gateway, "carl", &remove, "delete on gateway/interfaces/plc/tcp");
    assert_eq!(gateway.owner_json(&["device", "show", "plc"]), before);
    gateway.run("dora", &remove).ok();
    // What is in nothing and has nothing takes no more than to be removed.
    gateway.owner(&["device", "add", "box", "--agentless"]);
    gateway.run("bob", &["device", "remove", "box"]).ok();
}

#[test]
fn a_shorter_grant_asks_for_what_taking_asks_and_a_longer_one_for_what_granting_asks() {
    let gateway = people(&[
        ("carl", "users/** *; roles/operator create"),
        ("dora", "users/** *; roles/operator delete"),
    ]);
    gateway.enrol("user/olga", &["--role", "operator"]);
    let set = |until: &'static str| {
        let mut args = vec!["user", "set", "olga", "--role", "operator"];
        if !until.is_empty() {
            args.extend(["--until", until]);
        }
        args
    };
    let held = || {
        let roles = gateway.owner_json(&["user", "show", "olga"])["roles"].clone();
        roles.as_array().unwrap().iter().map(|role| role["until"].clone()).collect::<Vec<_>>()
    };
    let (past, soon, late) =
        ("2020-01-01T00:00:00Z", "2090-01-01T00:00:00Z", "2095-01-01T00:00:00Z");
    let (create, delete) = ("create on gateway/roles/operator", "delete on gateway/roles/operator");

    // Held for good: every instant is shorter, and the one that has passed takes it away.
    for until in [past, soon] {
        lacks(&gateway, "carl", &set(until), delete);
    }
    assert_eq!(held(), [serde_json::Value::Null]);
    gateway.run("dora", &set(soon)).ok();
    lacks(&gateway, "dora", &set(late), create);
    lacks(&gateway, "dora", &set(""), create);
    gateway.run("carl", &set(late)).ok();
    lacks(&gateway, "carl", &set(soon), delete);
    assert_eq!(held(), [late]);
    gateway.run("dora", &set(past)).ok();
    // Over, it is granted anew by whoever may grant.
    lacks(&gateway, "dora", &set(soon), create);
    gateway.run("carl", &set("")).ok();
    // Nobody does both with one right.
    let both = ["user", "set", "olga", "--role", "operator", "--no-role", "operator"];
    lacks(&gateway, "carl", &both, delete);
    lacks(&gateway, "dora", &both, create);
    // One that somebody has not got is granted, whatever the instant.
    gateway.enrol("user/otto", &[]);
    let otto = ["user", "set", "otto", "--role", "operator", "--until", soon];
    lacks(&gateway, "dora", &otto, create);
    gateway.run("carl", &otto).ok();
}

#[test]
fn nobody_turns_on_what_is_off_by_removing_it_and_adding_it_again() {
    let gateway = people(&[(
        "bob",
        "devices/** create|delete; users/** create|delete; interfaces/** create|delete; networks/** create",
    )]);
    let on = |kind: &str, name: &str| gateway.owner_json(&[kind, "show", name])["enabled"].clone();
    for (kind, name, add) in [
        ("device", "plc", &["device", "add", "plc"][..]),
        ("user", "olga", &["user", "add", "olga"]),
    ] {
        gateway.owner(add);
        gateway.owner(&[kind, "disable", name]);
        let enable = format!("update on gateway/{kind}s/{name}");
        lacks(&gateway, "bob", &[kind, "enable", name], &enable);
        gateway.run("bob", &[kind, "remove", name]).ok();
        let told = gateway.run("bob", add);
        assert!(told.err.contains(&format!("`doorward {kind} enable {name}`")), "{told:?}");
        told.ok();
        assert_eq!(on(kind, name), false);
        gateway.owner(&[kind, "enable", name]);
        assert_eq!(on(kind, name), true);
    }
    let add = ["interface", "add", "plc/tcp", "tcp://127.0.0.1:1"];
    gateway.owner(&add);
    gateway.owner(&["interface", "disable", "plc/tcp"]);
    lacks(
        &gateway,
        "bob",
        &["interface", "enable", "plc/tcp"],
        "update on gateway/interfaces/plc/tcp",
    );
    let is_on = || gateway.owner_json(&["interface", "list"])[0]["enabled"].clone();
    gateway.run("bob", &["interface", "remove", "plc/tcp"]).ok();
    let told = gateway.run("bob", &add);
    assert!(told.err.contains("`doorward interface enable plc/tcp`"), "{told:?}");
    assert_eq!(is_on(), false);
    // Nor with its device.
    gateway.run("bob", &["device", "remove", "plc"]).ok();
    gateway.run("bob", &["device", "add", "plc", "--agentless"]).ok();
    gateway.run("bob", &add).ok();
    assert_eq!(is_on(), false);
    gateway.owner(&["interface", "enable", "plc/tcp"]);
    assert_eq!(is_on(), true);
}

#[test]
fn nobody_becomes_somebody_by_removing_and_adding_the_name_again() {
    let mut gateway = people(&[
        ("ina", "devices/* create|delete; users/* create|delete"),
        ("ida", "devices/** create|delete"),
    ]);
    for kind in ["device", "user"] {
        let add = [kind, "add", "box", "--json"];
        let code = gateway.run("ina", &add).json()["code"].as_str().unwrap().to_owned();
        assert!(code.starts_with("dw1."), "a new name has a code");
        let identity = format!("create on gateway/{kind}s/box/identity");
        lacks(&gateway, "ina", &[kind, "code", "box"], &identity);
        gateway.run("ina", &[kind, "remove", "box"]).ok();
        lacks(&gateway, "ina", &add, &identity);
    }
    // Without an agent there is no code, and nobody to become.
    gateway.run("ina", &["device", "add", "box", "--agentless"]).ok();
    gateway.run("ina", &["device", "remove", "box"]).ok();
    gateway.run("ida", &["device", "add", "box"]).ok();
    gateway.kill();
}
