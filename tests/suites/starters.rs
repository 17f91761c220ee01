//! The bundles to start from: each says what its own tests say, and those can fail.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::sync::Arc;

use doorward_model::{Group, Revision, Role, Subject, SubjectId};
use doorward_policies::{
    Bundle, BundleText, Expectation, Interface, Member, Membership, On, Snapshot, Who,
};
use doorward_tests::tools::{bin, root};
use doorward_tests::{Gateway, Ran};
use jiff::Timestamp;

/// The bundles besides the one that a gateway starts with.
const STARTERS: [&str; 3] = ["fleet", "home", "plant"];

/// Before the windows that the bundles speak of are over.
fn now() -> Timestamp {
    "2027-01-04T09:00:00+01:00".parse().unwrap()
}

fn text(name: &str) -> BundleText {
    let read = |file: &str| {
        let path = root().join("policies/bundles").join(name).join(file);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let [model, policy, roles, groups, tests] = BundleText::FILES.map(read);
    BundleText { model, policy, roles, groups, tests }
}

fn bundle(name: &str) -> Arc<Bundle> {
    let parsed = Bundle::parse(text(name));
    Arc::new(parsed.unwrap_or_else(|errors| panic!("{name}: {errors}")))
}

/// A state under that bundle in which there is nobody and nothing.
fn nothing(bundle: &Arc<Bundle>) -> Snapshot {
    Snapshot::new("doorward.home.arpa".parse().unwrap(), Revision(1), Arc::clone(bundle))
}

#[test]
fn every_bundle_is_tried_here() {
    let dirs = fs::read_dir(root().join("policies/bundles")).unwrap();
    let dirs = dirs.map(|dir| dir.unwrap().file_name().into_string().unwrap());
    let found: BTreeSet<String> = dirs.filter(|name| name != "default").collect();
    assert_eq!(found, STARTERS.map(str::to_owned).into());
    let page = fs::read_to_string(root().join("policies/docs/bundles.md")).unwrap();
    for name in STARTERS {
        assert!(page.contains(&format!("\n## `{name}`")), "bundles.md says nothing of {name}");
    }
}

#[test]
fn each_answers_as_its_tests_say_and_the_tests_can_fail() {
    for name in STARTERS {
        assert_eq!(text(name).model, BundleText::MODEL, "{name}: the model");
        let bundle = bundle(name);
        let tests = bundle.tests().unwrap_or_else(|errors| panic!("{name}: {errors}"));
        let permits = tests.iter().filter(|test| test.permit).count();
        assert!(tests.len() >= 20 && permits >= 10 && tests.len() - permits >= 10, "{name}");
        let state = nothing(&bundle);
        let failing = state.failing(&tests, now());
        assert!(failing.is_empty(), "{name}: {failing:#?}");
        let fails = |test: Expectation| !state.failing(&[test], now()).is_empty();
        for test in tests {
            let line = test.line;
            let turned = Expectation { permit: !test.permit, ..test.clone() };
            assert!(fails(turned), "{name}, tests.toml:{line}: the answer does not matter");
            if test.rule.is_some() {
                // No rule stands in the first line.
                let moved = Expectation { rule: Some(1), ..test };
                assert!(fails(moved), "{name}, tests.toml:{line}: the rule does not matter");
            }
        }
    }
}

/// Without any one of its rules and links, some test of the bundle fails.
#[test]
fn each_line_is_needed_by_some_test() {
    let mut idle = vec![];
    for name in STARTERS {
        let whole = text(name);
        let tests = bundle(name).tests().unwrap();
        let mut without = |file: &str, lines: &str, change: &dyn Fn(&mut BundleText, String)| {
            for (number, line) in lines.lines().enumerate() {
                if line.is_empty() || line.starts_with('#') {
                    continue;
                }
                // Left empty, so that the numbers of the others stay.
                let mut left: Vec<&str> = lines.lines().collect();
                left[number] = "";
                let mut changed = whole.clone();
                change(&mut changed, left.join("\n"));
                let bundle = Arc::new(Bundle::parse(changed).unwrap());
                if nothing(&bundle).failing(&tests, now()).is_empty() {
                    idle.push(format!("{name}/{file}:{}: {line:.90}", number + 1));
                }
            }
        };
        without("policy.csv", &whole.policy, &|text, left| text.policy = left);
        without("roles.csv", &whole.roles, &|text, left| text.roles = left);
        without("groups.csv", &whole.groups, &|text, left| text.groups = left);
    }
    assert!(idle.is_empty(), "{idle:#?}");
}

/// A test that hangs on today would fail some day, on a gateway that is to start from the bundle.
#[test]
fn each_answers_so_at_any_time() {
    for name in STARTERS {
        let bundle = bundle(name);
        let tests = bundle.tests().unwrap();
        for instant in ["2020-02-29T12:00:00Z", "2026-07-04T02:30:00Z", "2031-12-31T23:59:59Z"] {
            let failing = nothing(&bundle).failing(&tests, instant.parse().unwrap());
            assert!(failing.is_empty(), "{name} at {instant}: {failing:#?}");
        }
    }
}

/// A state in which everybody and everything is that a bundle speaks of.
fn everything(bundle: &Arc<Bundle>) -> Snapshot {
    let (mut roles, mut groups) = (BTreeSet::<Role>::new(), BTreeSet::<Group>::new());
    let mut subjects = BTreeSet::<Subject>::new();
    for rule in bundle.rules() {
        match rule.who() {
            Who::Role(role) => drop(roles.insert(role.clone())),
            Who::Subject(subject) => drop(subjects.insert(subject.clone())),
        }
        if let On::Group(group) = rule.on() {
            groups.insert(group.clone());
        }
    }
    let member = |number: usize, role: Option<&Role>, group: Option<&Group>| {
        let roles = role.map(|of| Membership { of: of.clone(), until: None }).into_iter().collect();
        let groups =
            group.map(|of| Membership { of: of.clone(), until: None }).into_iter().collect();
        Member { id: SubjectId(i64::try_from(number).unwrap()), enabled: true, roles, groups }
    };
    let mut state = nothing(bundle);
    for (number, role) in roles.iter().enumerate() {
        let subject = format!("user/somebody-{number}").parse().unwrap();
        state = state.with_member(subject, Some(member(number, Some(role), None)));
    }
    for (number, group) in groups.iter().enumerate() {
        let device = format!("device/something-{number}").parse().unwrap();
        state = state.with_member(device, Some(member(100 + number, None, Some(group))));
    }
    for (number, subject) in subjects.into_iter().enumerate() {
        state = state.with_member(subject, Some(member(200 + number, None, None)));
    }
    state
}

/// What lint says of a bundle is what bundles.md says that it says.
#[test]
fn lint_finds_nothing_that_is_not_meant() {
    for (name, everyone) in [("fleet", 2), ("home", 3), ("plant", 0)] {
        let bundle = bundle(name);
        let found = everything(&bundle).lint(None, now());
        // Every device is let at the brokers, and that is all.
        assert!(
            found.iter().all(|one| one.kind == "everyone"
                && one.rule.starts_with("p, role/devices, group/brokers, mqtt")),
            "{name}: {found:#?}"
        );
        assert_eq!(found.len(), everyone, "{name}: {found:#?}");
        // Where there is nobody and nothing, all that is missing is people and devices.
        for one in nothing(&bundle).lint(None, now()) {
            let missing = ["nobody has role/", "no device is in group/", "there is no device/"];
            assert!(missing.iter().any(|what| one.what.starts_with(what)), "{name}: {one:?}");
        }
    }
}

#[test]
fn a_test_says_what_is_spoken_where_nothing_is_declared() {
    let policy = "p, role/a, group/a, m/1/holding/10-19, read, , allow\n\
                  p, role/a, group/a, b/a/**, subscribe, , allow\n\
                  p, role/a, group/a, b/a/secret, subscribe, , deny\n\
                  p, role/a, gateway, status, read, , allow\n";
    let test = |action: &str, resource: &str, protocol: &str, expect: &str| {
        let protocol = match protocol {
            "" => String::new(),
            name => format!("protocol = \"{name}\"\n"),
        };
        format!(
            "[[test]]\nsubject = \"role/a\"\naction = \"{action}\"\nresource = \"{resource}\"\n\
             groups = [\"group/a\"]\nexpect = \"{expect}\"\n{protocol}"
        )
    };
    let failing = |tests: &str, declare: bool| -> Vec<String> {
        let text =
            BundleText { policy: policy.into(), tests: tests.into(), ..BundleText::default() };
        let bundle = Arc::new(Bundle::parse(text).unwrap());
        let tests = bundle.tests().unwrap();
        let mut state = nothing(&bundle);
        if declare {
            let interface = Interface {
                id: doorward_model::InterfaceId(1),
                name: "m".parse().unwrap(),
                target: "tcp://127.0.0.1:502".parse().unwrap(),
                network: None,
                enabled: true,
            };
            state = state.with_interfaces("plc".parse().unwrap(), vec![interface]);
        }
        state.failing(&tests, now()).into_iter().map(|one| one.why).collect()
    };
    // Numbers and filters are numbers and filters then, and text otherwise.
    for (action, path, protocol, expect) in [
        ("read", "m/1/holding/12", "modbus", "permit"),
        ("read", "m/1/holding/12-19", "modbus", "permit"),
        ("read", "m/1/holding/12-20", "modbus", "deny"),
        ("read", "m/1/holding/12", "", "deny"),
        ("subscribe", "b/a/b/#", "mqtt", "permit"),
        ("subscribe", "b/a/#", "mqtt", "deny"),
        ("subscribe", "b/a/#", "", "permit"),
    ] {
        let found = failing(&test(action, &format!("plc/{path}"), protocol, expect), false);
        assert!(found.is_empty(), "{action} {path} {protocol}: {found:?}");
    }
    // The gateway's own is known.
    assert!(failing(&test("read", "gateway/status", "administration", "permit"), false).is_empty());
    // What is no path of the protocol is no answer.
    let found = failing(&test("read", "plc/m/1/tape/1", "modbus", "deny"), false);
    assert!(found[0].contains("'tape' does not fit"), "{found:?}");
    // A test must not contradict what is declared, and may agree with it.
    let found = failing(&test("read", "plc/m/1/holding/12", "modbus", "permit"), true);
    assert_eq!(found, ["plc/m speaks tcp, not modbus"]);
    assert!(failing(&test("connect", "plc/m", "tcp", "deny"), true).is_empty());
    // Another interface of the same device is not declared.
    assert!(failing(&test("subscribe", "plc/b/a/b", "mqtt", "permit"), true).is_empty());
}

/// Each bundle on a running gateway, with one thing that is allowed and one that is not.
#[test]
fn each_applies_to_a_running_gateway() {
    type Asked = &'static [&'static str];
    type Case = (&'static str, &'static str, &'static str, &'static str, [Asked; 2]);
    let gateway = Gateway::start();
    let cases: [Case; 3] = [
        (
            "home",
            "tv",
            "media",
            "child",
            [
                &["connect", "tv/door", "--at", "2027-01-04T16:00:00+01:00"],
                &["connect", "tv/door", "--at", "2027-01-04T21:00:00+01:00"],
            ],
        ),
        (
            "plant",
            "robot",
            "line-1",
            "maintenance",
            [
                &[
                    "connect",
                    "robot/ssh",
                    "--from",
                    "10.20.3.4",
                    "--at",
                    "2027-01-02T08:00:00+01:00",
                ],
                &[
                    "connect",
                    "robot/ssh",
                    "--from",
                    "10.21.3.4",
                    "--at",
                    "2027-01-02T08:00:00+01:00",
                ],
            ],
        ),
        (
            "fleet",
            "edge-kiel-1",
            "site-kiel",
            "support-north",
            [
                &["connect", "edge-kiel-1/ssh", "--from", "203.0.113.20"],
                &["connect", "edge-kiel-1/ssh", "--from", "192.0.2.9"],
            ],
        ),
    ];
    for (name, device, group, role, [permit, deny]) in cases {
        let dir = root().join("policies/bundles").join(name);
        let dir = dir.to_str().unwrap();
        gateway.owner(&["policy", "test", dir]);
        gateway.owner(&["policy", "apply", dir, "--dry-run"]);
        gateway.owner(&["policy", "apply", dir, "--reason", name]);
        gateway.owner(&["policy", "lint"]);
        gateway.owner(&["device", "add", device, "--agentless", "--group", group]);
        let interface = permit[1];
        gateway.owner(&["interface", "add", interface, "tcp://127.0.0.1:9"]);
        let user = format!("{name}-user");
        gateway.owner(&["user", "add", &user, "--role", role]);
        let subject = format!("user/{user}");
        let check = |asked: Asked| {
            gateway.run("owner", &[&["policy", "check", &subject], asked].concat()).status
        };
        assert_eq!(check(permit), Some(0), "{name}: {permit:?}");
        assert_eq!(check(deny), Some(3), "{name}: {deny:?}");
        // Its owner is still the owner, and the next bundle goes in.
        assert_eq!(gateway.owner_json(&["policy", "history"])[0]["reason"], name);
    }
}

/// At home the family hands out guest passes, and cannot thereby become anybody else.
#[test]
fn the_family_makes_guest_passes() {
    let gateway = Gateway::start();
    let dir = root().join("policies/bundles/home");
    gateway.owner(&["policy", "apply", dir.to_str().unwrap()]);
    gateway.enrol("user/mia", &["--role", "family"]);
    gateway.owner(&["user", "add", "tim", "--role", "child"]);
    gateway.run("mia", &["user", "add", "gina", "--role", "guest"]).ok();
    gateway.run("mia", &["user", "code", "gina"]).ok();
    gateway.run("mia", &["user", "set", "gina", "--no-role", "guest"]).ok();
    gateway.run("mia", &["user", "remove", "gina"]).ok();
    for args in [
        &["user", "add", "eve", "--role", "family"][..],
        &["user", "set", "tim", "--role", "family"],
        &["user", "code", "tim"],
        &["user", "code", "owner"],
        &["user", "remove", "owner"],
        &["device", "add", "box"],
    ] {
        let complaint = gateway.run("mia", args).failed();
        assert!(complaint.contains("user/mia may not"), "{args:?}: {complaint}");
    }
}

/// In a fleet administration is split: whoever adds devices makes no new code for one that is there.
#[test]
fn installers_add_devices_and_become_none() {
    let gateway = Gateway::start();
    let dir = root().join("policies/bundles/fleet");
    gateway.owner(&["policy", "apply", dir.to_str().unwrap()]);
    gateway.enrol("user/ida", &["--role", "installer"]);
    gateway.run("ida", &["device", "add", "edge-kiel-1", "--group", "site-kiel"]).ok();
    gateway.run("ida", &["interface", "add", "edge-kiel-1/ssh", "tcp://10.1.2.1:22"]).ok();
    for args in [
        &["interface", "add", "edge-kiel-1/db", "tcp://127.0.0.1:9"][..],
        &["device", "code", "edge-kiel-1"],
        &["device", "set", "edge-kiel-1", "--group", "site-munich"],
        &["device", "remove", "edge-kiel-1"],
        &["device", "add", "rogue", "--group", "brokers"],
        &["user", "add", "eve"],
        &["policy", "show"],
    ] {
        let complaint = gateway.run("ida", args).failed();
        assert!(complaint.contains("user/ida may not"), "{args:?}: {complaint}");
    }
    // Nor one for a device that was there.
    gateway.owner(&["device", "remove", "edge-kiel-1"]);
    let complaint = gateway.run("ida", &["device", "add", "edge-kiel-1"]).failed();
    assert!(complaint.contains("create on gateway/devices/edge-kiel-1/identity."), "{complaint}");
}

/// What bundles.md tells to type works as it stands there, in that order, by the owner.
#[test]
fn what_the_page_tells_to_type_works() {
    let page = fs::read_to_string(root().join("policies/docs/bundles.md")).unwrap();
    for name in STARTERS {
        let (_, section) = page.split_once(&format!("\n## `{name}`")).unwrap();
        let section = section.split("\n## ").next().unwrap();
        let gateway = Gateway::start();
        let (mut permits, mut denials) = (0, 0);
        for line in section.lines().filter(|line| line.starts_with("doorward ")) {
            let mut shell = Command::new("sh");
            shell.arg("-c").arg(line).current_dir(root());
            let path = std::env::var("PATH").unwrap();
            shell.env("PATH", format!("{}:{path}", bin().display()));
            shell.env("DOORWARD_IDENTITY", gateway.identity("owner"));
            shell.env_remove("DOORWARD_SERVER").env_remove("DOORWARD_LOG");
            let ran = Ran::of(shell.output().unwrap());
            let (permit, deny) = (line.ends_with("# permit"), line.ends_with("# deny"));
            assert_eq!(ran.status, Some(if deny { 3 } else { 0 }), "{line}: {ran:?}");
            permits += usize::from(permit);
            denials += usize::from(deny);
        }
        assert!(permits >= 2 && denials >= 2, "{name}");
    }
}
