//! The access review on the built program: what people and programs read.

use doorward_tests::Gateway;
use serde_json::{Value, json};

/// A plant: a PLC in the group of PLCs, an engineer, a broker and a camera.
fn plant() -> Gateway {
    let gateway = Gateway::start();
    for (name, url) in [
        ("plc/modbus", "modbus://127.0.0.1:502"),
        ("hub/mqtt", "mqtt://127.0.0.1:1883"),
        ("cam/web", "http://127.0.0.1:80"),
        ("cam/ssh", "tcp://127.0.0.1:22"),
    ] {
        gateway.declare(name, url);
    }
    gateway.owner(&["device", "set", "plc", "--group", "plcs"]);
    gateway.owner(&["user", "add", "emil", "--role", "engineer"]);
    gateway.owner(&["user", "add", "nora"]);
    gateway.owner(&["user", "set", "nora", "--role", "visitor", "--until", "2099-01-01T00:00:00Z"]);
    gateway.rules(
        "p, role/engineer, group/plcs, modbus/**, *, , allow\n\
         p, role/engineer, plc, modbus/1/holding/100-199, write, , deny\n\
         p, role/visitor, cam, web/live/**, get|head, time=Mon-Fri 07:00-19:00 UTC, allow\n\
         p, user/nora, hub, mqtt/sensors/**, subscribe, from=10.0.0.0/8, allow",
    );
    gateway
}

/// The line of a rule in `policy.csv`, and the text with such lines as `policy.csv:N`.
fn numbered(gateway: &Gateway, text: &str) -> String {
    let bundle = gateway.owner_json(&["policy", "show"]);
    let mut text = text.to_owned();
    let rules = bundle["policy"].as_str().unwrap().lines().enumerate();
    for (name, begin) in [
        ("ENGINEER", "p, role/engineer, group/plcs"),
        ("DENY", "p, role/engineer, plc"),
        ("VISITOR", "p, role/visitor, cam"),
        ("NORA", "p, user/nora, hub"),
    ] {
        let line = rules.clone().find(|(_, line)| line.starts_with(begin)).unwrap().0 + 1;
        text = text.replace(name, &format!("policy.csv:{line}"));
    }
    text
}

/// The rows with single spaces, without those of the owner, who may do everything.
fn squeezed(text: &str) -> String {
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let rows = text.trim().lines().map(words);
    let (owner, rows): (Vec<_>, Vec<_>) = rows.partition(|row| row.starts_with("user/owner"));
    // If nobody else is listed, only the headings are left.
    if owner.is_empty() || rows.len() > 1 { rows.join("\n") } else { "the owner alone".to_owned() }
}

#[test]
fn a_review_lists_what_rules_grant_as_patterns() {
    let gateway = plant();
    for (args, expected) in [
        (
            "what-can user/emil",
            "INTERFACE ACTIONS OPERAND EXCEPT BY THROUGH\n\
             plc/modbus read, diagnose ** ENGINEER role/engineer\n\
             plc/modbus write ** 1/holding/100-199 (DENY) ENGINEER role/engineer",
        ),
        (
            "what-can user/nora",
            "INTERFACE ACTIONS OPERAND BY WHEN UNTIL THROUGH\n\
             cam/web get, head live/** VISITOR time=Mon-Fri 07:00-19:00 UTC 2099-01-01T00:00:00Z role/visitor\n\
             hub/mqtt subscribe sensors/** NORA from=10.0.0.0/8",
        ),
        (
            "what-can user/nora --from 192.0.2.1",
            "INTERFACE ACTIONS OPERAND BY WHEN UNTIL THROUGH\n\
             cam/web get, head live/** VISITOR time=Mon-Fri 07:00-19:00 UTC 2099-01-01T00:00:00Z role/visitor",
        ),
        ("what-can user/nora --device cam --at 2027-01-03T12:00:00Z", "nothing"),
        ("what-can user/nora --device cam --action post", "nothing"),
        (
            "who-can write plc/modbus/1/holding/0-99",
            "SUBJECT MAY DO INTERFACE ACTIONS OPERAND BY THROUGH\n\
             user/emil all plc/modbus write ** ENGINEER role/engineer",
        ),
        ("who-can write plc/modbus/1/holding/99-100", "the owner alone"),
        ("who-can write plc/modbus/1/holding/150", "the owner alone"),
        (
            "who-can write plc/modbus/1/**",
            "SUBJECT MAY DO INTERFACE ACTIONS OPERAND EXCEPT BY THROUGH\n\
             user/emil a part plc/modbus write ** 1/holding/100-199 (DENY) ENGINEER role/engineer",
        ),
        (
            "who-can any plc",
            "SUBJECT MAY DO INTERFACE ACTIONS OPERAND EXCEPT BY THROUGH\n\
             user/emil all plc/modbus read, diagnose ** ENGINEER role/engineer\n\
             user/emil a part plc/modbus write ** 1/holding/100-199 (DENY) ENGINEER role/engineer",
        ),
        (
            "who-can subscribe hub/mqtt/sensors/kitchen/#",
            "SUBJECT MAY DO INTERFACE ACTIONS OPERAND BY WHEN THROUGH\n\
             user/nora all hub/mqtt subscribe sensors/** NORA from=10.0.0.0/8",
        ),
        ("who-can subscribe hub/mqtt/#", "the owner alone"),
    ] {
        let args: Vec<&str> = ["policy"].into_iter().chain(args.split(' ')).collect();
        let shown = gateway.owner(&args);
        assert_eq!(squeezed(&shown), numbered(&gateway, expected), "{args:?}: {shown}");
    }
    for (args, says) in [
        (
            "who-can connect plc/modbus",
            "plc/modbus has no action connect: modbus has read, write, diagnose.",
        ),
        ("who-can connect plc", "plc has no action connect: modbus has read, write, diagnose."),
        ("who-can get cam/wep/a", "cam has no interface wep; it has "),
        ("who-can get kam/web/a", "there is no device kam."),
        ("who-can write plc/modbus/1/hold/0-9", "'hold' does not fit"),
        ("who-can connect cam/ssh/x", "nothing can follow the name of a tcp interface"),
        (
            "who-can any plc/modbus/holding/**",
            "no operation there has a path like modbus/holding/**",
        ),
        ("who-can any plc/*/a", "no operation there has a path like */a"),
        ("what-can user/ghost", "There is no user/ghost."),
    ] {
        let args: Vec<&str> = ["policy"].into_iter().chain(args.split(' ')).collect();
        let complaint = gateway.run("owner", &args).failed();
        assert!(complaint.to_lowercase().contains(&says.to_lowercase()), "{args:?}: {complaint}");
    }
    let mut listed = gateway.owner_json(&["policy", "who-can", "write", "plc/modbus"]);
    let owner = listed.as_array_mut().unwrap().pop().unwrap();
    assert_eq!((&owner["subject"], &owner["whole"]), (&json!("user/owner"), &json!(true)));
    let line =
        |name: &str| -> usize { numbered(&gateway, name)["policy.csv:".len()..].parse().unwrap() };
    let expected = json!([{
        "subject": "user/emil", "interface": "plc/modbus", "action": "write", "operand": "**",
        "except": [{"operand": "1/holding/100-199", "rule": line("DENY"), "when": ""}],
        "rule": line("ENGINEER"), "when": "", "until": null, "via": ["role/engineer"], "whole": false,
    }]);
    assert_eq!(listed, expected);
}

#[test]
fn a_preview_names_what_is_opened_closed_and_narrowed() {
    let gateway = plant();
    let dir = gateway.dir().join("bundle");
    let shown = dir.display().to_string();
    gateway.owner(&["policy", "show", "--out", &shown]);
    let policy = std::fs::read_to_string(dir.join("policy.csv")).unwrap();
    let next: String = policy
        .lines()
        .filter(|line| !line.starts_with("p, role/engineer, plc,"))
        .map(|line| match line {
            line if line.starts_with("p, role/engineer, group/plcs") => {
                "p, role/engineer, group/plcs, modbus/1/**, read|write, , allow"
            }
            line if line.starts_with("p, role/visitor") => "",
            line => line,
        })
        .map(|line| format!("{line}\n"))
        .collect();
    std::fs::write(dir.join("policy.csv"), next).unwrap();
    let shown = gateway.owner(&["policy", "apply", &shown, "--dry-run"]);
    for part in [
        "may from then on (1)\n+ user/emil write plc/modbus/1/**, through role/engineer (policy.csv:",
        "may not any more (3)\n",
        "- user/emil diagnose plc/modbus/**, through role/engineer (policy.csv:",
        "- user/nora get, head cam/web/live/**, when time=Mon-Fri 07:00-19:00 UTC, until 2099-01-01T00:00:00Z, through role/visitor (policy.csv:",
        "may only in part (2)\n",
        "- user/emil read plc/modbus/**, through role/engineer (policy.csv:",
        "    still user/emil read plc/modbus/1/**, through role/engineer (policy.csv:",
        "- user/emil write plc/modbus/**, except 1/holding/100-199 (policy.csv:",
    ] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    let preview = gateway.owner_json(&["policy", "apply", &dir.display().to_string(), "--dry-run"]);
    let counts = ["opened", "closed", "narrowed"].map(|list| preview[list]["count"].clone());
    assert_eq!(counts, [json!(1), json!(3), json!(2)], "{preview}");
    assert_eq!(preview["complete"], Value::Bool(true));
}
