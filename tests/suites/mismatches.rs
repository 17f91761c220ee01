//! A rule that matches nothing at the interfaces that it names is not taken in silence.

use std::fs;

use doorward_tests::Gateway;
use serde_json::{Value, json};

struct World {
    gateway: Gateway,
    default: String,
}

impl World {
    fn new() -> Self {
        let gateway = Gateway::start();
        gateway.owner(&["device", "add", "plc", "--agentless", "--group", "line"]);
        let shown = gateway.owner_json(&["policy", "show"]);
        let default = shown["policy"].as_str().unwrap().to_owned();
        Self { gateway, default }
    }

    /// Writes a bundle of the default rules and these.
    fn bundle(&self, rules: &[&str]) -> String {
        let file = self.gateway.dir().join("rules.csv");
        fs::write(&file, format!("{}{}\n", self.default, rules.join("\n"))).unwrap();
        file.to_str().unwrap().to_owned()
    }

    /// The line of the first of those rules.
    fn first(&self) -> usize {
        self.default.lines().count() + 1
    }

    fn revision(&self) -> u64 {
        self.gateway.owner_json(&["policy", "show"])["revision"].as_u64().unwrap()
    }
}

const DEAD: &str = "p, role/users, group/line, modbus/1/hold/0-9, write, , deny";
const ALIVE: &str = "p, role/users, group/line, modbus/1/holding/0-9, write, , deny";
const IDLE: &str = "p, role/users, plc, web/**, read|write, , allow";

#[test]
fn a_deny_rule_that_denies_nothing_is_refused_and_an_allow_rule_warned_about() {
    let world = World::new();
    let gateway = &world.gateway;
    gateway.declare("plc/modbus", "modbus://127.0.0.1:9");
    gateway.declare("plc/web", "http://127.0.0.1:9");
    let before = world.revision();
    let (dead, line) = (world.bundle(&[DEAD, IDLE]), world.first());
    for args in [
        &["policy", "apply", &dead][..],
        &["policy", "apply", &dead, "--dry-run"],
        &["policy", "test", &dead],
    ] {
        let complaint = gateway.run("owner", args).failed();
        assert!(complaint.contains("denies nothing"), "{complaint}");
        let place = format!("policy.csv:{line}:28: the rule denies nothing at plc/modbus: 'hold'");
        assert!(complaint.contains(&place), "{complaint}");
        assert!(complaint.contains("write modbus/1/holding/0-9"), "{complaint}");
    }
    assert_eq!(world.revision(), before, "nothing was changed");
    let findings = gateway.owner_json(&["policy", "lint", &dead]);
    let of = |number: usize| {
        let all = findings.as_array().unwrap().iter();
        let found = all.filter(|one| one["line"] == number).map(|one| one["kind"].clone());
        found.collect::<Vec<Value>>()
    };
    assert_eq!((of(line), of(line + 1)), (vec![json!("never")], vec![json!("never")]));

    let right = world.bundle(&[ALIVE, IDLE]);
    let tested = gateway.owner_json(&["policy", "test", &right]);
    let applied = gateway.owner_json(&["policy", "apply", &right]);
    for answer in [&tested, &applied] {
        let warnings = &answer["warnings"];
        assert_eq!(warnings["count"], 1, "{answer}");
        let one = &warnings["first"][0];
        assert_eq!((&one["file"], &one["line"]), (&"policy.csv".into(), &(line + 1).into()));
        assert_eq!((&one["column"], &one["length"]), (&29.into(), &10.into()), "{one}");
        assert_eq!((&one["code"], &one["fix"]), (&"never".into(), &"get|put".into()), "{one}");
        assert!(one["message"].as_str().unwrap().contains("http has no action read or write"));
    }
    assert_eq!(world.revision(), before + 1);
    let shown = gateway.owner(&["policy", "apply", &right, "--dry-run"]);
    let line = line + 1;
    let warned = format!("! policy.csv:{line}:29: The rule allows nothing at plc/web: http has no");
    assert!(shown.contains(&warned), "{shown}");
}

#[test]
fn what_was_in_force_only_warns() {
    let mut world = World::new();
    let (dead, line) = (world.bundle(&[DEAD, IDLE]), world.first());
    // A rule that names no declared interface may be meant for one to come.
    let applied = world.gateway.owner_json(&["policy", "apply", &dead]);
    assert_eq!(applied["warnings"]["count"], 0, "{applied}");
    let with_dead = world.revision();
    // Whoever declares the interface learns of the rule, if they may read the policy.
    world.gateway.enrol("user/ida", &[]);
    let right = world.bundle(&[
        DEAD,
        IDLE,
        "p, user/ida, gateway, interfaces/**, *, , allow",
        "p, user/ida, gateway, networks/**, *, , allow",
    ]);
    world.gateway.owner(&["policy", "apply", &right]);
    let url = "modbus://127.0.0.1:9";
    let said = world.gateway.run("ida", &["interface", "add", "plc/modbus", url, "--json"]).json();
    assert_eq!(said["warnings"], json!([]), "{said}");
    world.gateway.owner(&["interface", "remove", "plc/modbus"]);
    let added = world.gateway.owner_json(&["interface", "add", "plc/modbus", url]);
    let warning = added["warnings"][0].as_str().expect("a warning").to_owned();
    let place = format!("policy.csv:{line}:28: the rule denies nothing at plc/modbus: 'hold'");
    assert!(warning.starts_with(&place), "{warning}");
    assert_eq!(added["warnings"].as_array().unwrap().len(), 1, "{added}");
    let on = world.gateway.run("owner", &["interface", "enable", "plc/modbus"]);
    assert!(on.err.contains(&place), "{on:?}");
    let other = world.gateway.owner_json(&["interface", "add", "plc/ssh", "tcp://127.0.0.1:9"]);
    assert_eq!(other["warnings"], json!([]), "{other}");
    let web = world.gateway.owner_json(&["interface", "add", "plc/web", "http://127.0.0.1:9"]);
    assert!(web["warnings"][0].as_str().unwrap().contains("allows nothing"), "{web}");

    // A new bundle with the rule is refused now. Former ones come back, and a start needs none.
    let complaint = world.gateway.run("owner", &["policy", "apply", &dead]).failed();
    assert!(complaint.contains("denies nothing"), "{complaint}");
    let former = with_dead.to_string();
    let back = world.gateway.owner_json(&["policy", "rollback", &former]);
    assert_eq!(back["warnings"]["count"], 2, "{back}");
    let tested = world.gateway.owner_json(&["policy", "test"]);
    assert_eq!(tested["warnings"]["count"], 2, "{tested}");
    world.gateway.stop();
    world.gateway.serve();
    assert_eq!(world.revision(), with_dead + 2);
    let log = world.gateway.log();
    assert!(log.contains("denies nothing") && log.contains("modbus/1/holding/0-9"), "{log}");
}
