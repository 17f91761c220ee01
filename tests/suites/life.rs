//! The life of a policy: an administrator's week.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use doorward_tests::client::{Client, PATIENCE, read_all};
use doorward_tests::forge::Credentials;
use doorward_tests::{Backend, Gateway, Kind};
use serde_json::Value;
use tokio::io::AsyncReadExt as _;

/// A gateway whose operator Alice reaches a box, and its bundle as files.
struct World {
    gateway: Gateway,
    bundle: PathBuf,
    _backend: Backend,
}

impl World {
    fn new() -> Self {
        let gateway = Gateway::start();
        gateway.enrol("user/alice", &["--role", "operator"]);
        let backend = Backend::tcp(Kind::Echo);
        gateway.declare("box/tcp", backend.url());
        gateway.declare("press/tcp", backend.url());
        let bundle = gateway.dir().join("bundle");
        gateway.owner(&["policy", "show", "--out", bundle.to_str().unwrap()]);
        Self { gateway, bundle, _backend: backend }
    }

    fn dir(&self) -> &str {
        self.bundle.to_str().unwrap()
    }

    /// Changes a file of the bundle.
    fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.bundle.join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no '{from}'");
        fs::write(path, text.replace(from, to)).unwrap();
    }

    fn add(&self, file: &str, lines: &str) {
        let path = self.bundle.join(file);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, text + lines).unwrap();
    }

    fn alice(&self) -> Client {
        let dir = self.gateway.identity("alice");
        let credentials = Some(Credentials::read(&dir));
        Client::new(self.gateway.listen, &dir.join("ca.pem"), credentials)
    }

    /// Whether Alice reaches an interface.
    async fn reaches(&self, interface: &str) -> bool {
        let name = format!("{interface}.doorward.home.arpa");
        let mut stream = self.alice().connect(&name).await.unwrap();
        tokio::time::timeout(PATIENCE, stream.read_u8()).await.unwrap().is_ok()
    }

    fn revision(&self) -> i64 {
        self.gateway.owner_json(&["status"])["revision"].as_i64().unwrap()
    }
}

const TEST: &str = "\n[[test]]\nsubject = \"role/operator\"\naction = \"connect\"\n\
                    resource = \"box/tcp\"\nexpect = \"permit\"\n";

#[tokio::test]
async fn an_administrators_week() {
    let world = World::new();
    let gateway = &world.gateway;
    assert!(world.reaches("tcp--box").await && world.reaches("tcp--press").await);

    let monday = fs::read_to_string(world.bundle.join("policy.csv")).unwrap();
    // Monday: operators shall reach the box only, and a test says that they do. A slip of the
    // hand, and the test says so before anybody is locked out.
    world.add("tests.toml", TEST);
    let all = "p, role/operator, group/devices, **, *, , allow";
    world.edit("policy.csv", all, "p, role/operator, bix, **, *, , allow");
    let complaint = gateway.run("owner", &["policy", "apply", world.dir()]).failed();
    assert!(complaint.contains("A test of the bundle fails; nothing was changed."), "{complaint}");
    assert!(
        complaint.contains("role/operator connect box/tcp: expected permit, got deny"),
        "{complaint}"
    );
    let failing = gateway.run("owner", &["policy", "test", world.dir(), "--json"]);
    assert_eq!(failing.status, Some(1));
    let failing: Value = serde_json::from_str(&failing.out).unwrap();
    assert_eq!((&failing["tests"], &failing["failing"][0]["line"]), (&2.into(), &9.into()));
    assert_eq!(world.revision(), 1);

    // Tuesday: fixed. The preview names who loses what, and whose work would be cut.
    world.edit("policy.csv", "bix", "box");
    gateway.owner(&["policy", "test", world.dir()]);
    let mut live = world.alice().connect("tcp--press.doorward.home.arpa").await.unwrap();
    live.read_u8().await.unwrap();
    let mut kept = world.alice().connect("tcp--box.doorward.home.arpa").await.unwrap();
    kept.read_u8().await.unwrap();
    let preview = gateway.owner_json(&["policy", "apply", world.dir(), "--dry-run"]);
    assert_eq!(preview["revision"], Value::Null);
    assert_eq!((&preview["added"]["count"], &preview["removed"]["count"]), (&1.into(), &1.into()));
    assert_eq!(preview["opened"]["count"], 0);
    let closed = &preview["closed"]["first"];
    assert_eq!(closed[0]["subject"], "user/alice", "{closed}");
    assert_eq!(closed[0]["interface"], "press/tcp", "{closed}");
    assert_eq!(preview["narrowed"]["count"], 0, "{preview}");
    assert_eq!(preview["ending"].as_array().unwrap().len(), 1, "{preview}");
    assert_eq!(preview["ending"][0]["flow"]["device"], "press");
    let shown = gateway.owner(&["policy", "apply", world.dir(), "--dry-run"]);
    for part in ["rules added (1)", "may not any more (1)", "live flows that would end (1)"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert_eq!(world.revision(), 1, "a preview changes nothing");
    assert!(world.reaches("tcp--press").await);

    // Wednesday: applied for two seconds, and forgotten: it undoes itself.
    let args = ["policy", "apply", world.dir(), "--confirm-within", "2s", "--reason", "box only"];
    let applied = gateway.owner(&args);
    assert!(applied.contains("undoes itself in 2 s"), "{applied}");
    assert!(!read_all(&mut live).await.1, "the flow that was named is cut");
    assert!(!world.reaches("tcp--press").await && world.reaches("tcp--box").await);
    let patience = Instant::now() + Duration::from_secs(20);
    while world.revision() != 3 {
        assert!(Instant::now() < patience, "it does not undo itself");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(world.reaches("tcp--press").await);
    let late = gateway.run("owner", &["policy", "confirm"]).failed();
    assert!(late.contains("waits for no confirmation"), "{late}");
    gateway.await_record("the alarm", |record| {
        record["event"] == "alarm" && record["reason"] == "policy-undone"
    });

    // Thursday: again, and confirmed.
    gateway.owner(&["policy", "apply", world.dir(), "--confirm-within", "1h"]);
    gateway.owner(&["policy", "confirm"]);
    assert!(!world.reaches("tcp--press").await);
    let asked = ["user/alice", "connect", "press/tcp"];
    let check = gateway.run("owner", &[&["policy", "check"], &asked[..]].concat());
    assert_eq!(check.status, Some(3));
    // Alice asks why, and what it was that she could do before.
    let why = gateway.owner_json(&[&["policy", "explain"], &asked[..]].concat());
    assert_eq!(why["permit"], false, "{why}");
    let near = |one: &Value| one["line"] == 9 && one["failed"] == serde_json::json!(["device"]);
    assert!(why["nearest"].as_array().unwrap().iter().any(near), "{why}");
    assert!(why["change"].as_str().unwrap().starts_with("add to policy.csv: "), "{why}");
    let first = gateway.dir().join("first");
    let first = first.to_str().unwrap();
    gateway.owner(&["policy", "show", "--out", first]);
    fs::write(PathBuf::from(first).join("policy.csv"), &monday).unwrap();
    let replay = gateway.owner_json(&["policy", "replay", "--since", "7d", first]);
    let differing = replay["differing"].as_array().unwrap();
    assert!(
        differing.iter().any(|one| {
            (&one["subject"], &one["resource"]) == (&"user/alice".into(), &"press/tcp".into())
                && one["was_permitted"] == false
                && one["is_permitted"] == true
        }),
        "{replay}"
    );

    // Friday: what was it before? And back.
    let history = gateway.owner_json(&["policy", "history"]);
    let of = |index: usize, key: &str| history[index][key].clone();
    assert_eq!(history.as_array().unwrap().len(), 4);
    assert_eq!((of(0, "revision"), of(0, "author")), (4.into(), "user/owner".into()));
    assert_eq!((of(1, "author"), of(1, "revision")), ("gateway".into(), 3.into()));
    assert!(of(1, "reason").as_str().unwrap().contains("was not confirmed"), "{history}");
    assert_eq!((of(2, "reason"), of(2, "passed")), ("box only".into(), 2.into()));
    let diff = gateway.owner(&["policy", "diff", "1", "4"]);
    assert!(diff.contains(&format!("-{all}")) && diff.contains("+p, role/operator, box"), "{diff}");
    assert!(gateway.owner(&["policy", "diff", "4", world.dir()]).contains("no difference"));
    assert!(gateway.owner(&["policy", "diff", "1", "3"]).contains("no difference"));
    let preview = gateway.owner(&["policy", "rollback", "1", "--dry-run"]);
    assert!(preview.contains("may from then on (1)"), "{preview}");
    gateway.owner(&["policy", "rollback", "1"]);
    assert_eq!(world.revision(), 5);
    assert!(world.reaches("tcp--press").await);
    let unknown = gateway.run("owner", &["policy", "rollback", "99"]).failed();
    assert!(unknown.contains("no revision 99"), "{unknown}");
    // All week long, the flow that nothing was about went on.
    drop(kept);
}

#[test]
fn what_waits_for_its_confirmation_goes_back_even_if_the_gateway_was_down() {
    let world = World::new();
    world.edit("policy.csv", "p, role/operator, group/devices", "p, role/operator, box");
    world.gateway.owner(&["policy", "apply", world.dir(), "--confirm-within", "1s"]);
    let World { mut gateway, bundle, .. } = world;
    gateway.kill();
    std::thread::sleep(Duration::from_millis(1100));
    gateway.serve();
    let history = gateway.owner_json(&["policy", "history"]);
    assert_eq!(history[0]["revision"], 3, "{history}");
    assert!(history[0]["reason"].as_str().unwrap().contains("back to 1"), "{history}");
    // One that follows an unconfirmed one goes back behind both; one without an end confirms.
    let bundle = bundle.to_str().unwrap();
    gateway.owner(&["policy", "apply", bundle, "--confirm-within", "1h"]);
    gateway.owner(&["policy", "apply", bundle, "--confirm-within", "1s"]);
    let patience = Instant::now() + Duration::from_secs(20);
    while gateway.owner_json(&["status"])["revision"] != 6 {
        assert!(Instant::now() < patience, "it does not undo itself");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(gateway.owner(&["policy", "diff", "1", "6"]).contains("no difference"));
    gateway.owner(&["policy", "apply", bundle, "--confirm-within", "1h"]);
    gateway.owner(&["policy", "apply", bundle]);
    assert!(gateway.run("owner", &["policy", "confirm"]).failed().contains("no confirmation"));
}

#[test]
fn why_who_and_what() {
    let world = World::new();
    let gateway = &world.gateway;
    gateway.enrol("user/bob", &[]);
    let when = "time=Mon-Fri 07:00-19:00 Europe/Berlin";
    let rule = format!("p, role/operator, group/plant, **, connect, {when}, allow");
    world.edit("policy.csv", "p, role/operator, group/devices, **, *, , allow", &rule);
    world.add("policy.csv", "p, role/users, press, **, *, from=10.0.0.0/8, deny\n");
    gateway.owner(&["policy", "apply", world.dir()]);
    gateway.owner(&["device", "set", "box", "--group", "plant"]);
    let explain = |who: &str, more: &[&str]| {
        let [subject, action, resource] = who.split(' ').collect::<Vec<_>>()[..] else { panic!() };
        gateway.owner_json(&[&["policy", "explain", subject, action, resource], more].concat())
    };
    let monday = ["--at", "2027-01-04T09:00:00+01:00"];
    let sunday = ["--at", "2027-01-03T09:00:00+01:00"];
    // Without an address, a deny rule with from= counts as met.
    let home = ["--at", "2027-01-04T09:00:00+01:00", "--from", "192.168.1.2"];

    let permit = explain("user/alice connect box/tcp", &monday);
    assert_eq!((&permit["permit"], &permit["decided"][0]["line"]), (&true.into(), &9.into()));
    let saw = &permit["decided"][0]["conditions"][0];
    assert_eq!(saw["saw"], "Mon 09:00 in Europe/Berlin", "{permit}");
    assert_eq!(permit["ask_again_at"], "2027-01-04T18:00:00Z");

    for (question, more, failed, change) in [
        (
            "user/alice connect box/tcp",
            &sunday[..],
            &["when"][..],
            "wait until 2027-01-04T06:00:00Z",
        ),
        (
            "user/bob connect box/tcp",
            &monday,
            &["who"],
            "add to policy.csv: p, user/bob, box, tcp, connect, , allow",
        ),
        (
            "user/alice connect press/tcp",
            &home,
            &["device"],
            "add to policy.csv: p, user/alice, press, tcp, connect, , allow",
        ),
        (
            "user/bob update gateway/policies",
            &monday,
            &["who"],
            "add to policy.csv: p, user/bob, gateway, policies, update, , allow",
        ),
        ("user/ghost connect box/tcp", &monday, &["who"], "doorward user add ghost"),
        ("user/alice connect ghost/tcp", &monday, &[], "doorward device add ghost"),
        ("user/alice connect box/web", &monday, &[], "doorward interface add box/web URL"),
        ("user/alice read box/tcp", &monday, &[], "ask for another action"),
    ] {
        let denial = explain(question, more);
        assert_eq!(denial["permit"], false, "{question}: {denial}");
        let said = denial["change"].as_str().unwrap();
        assert!(said.starts_with(change), "{question}: {said}");
        if !failed.is_empty() {
            let near = denial["nearest"].as_array().unwrap();
            assert!(near.iter().any(|one| one["failed"] == serde_json::json!(failed)), "{denial}");
        }
        let shown = gateway.owner(
            &[&["policy", "explain"], &question.split(' ').collect::<Vec<_>>()[..], more].concat(),
        );
        assert!(shown.contains(change), "{shown}");
    }
    let denied = explain("user/owner connect press/tcp", &["--from", "10.1.2.3"]);
    assert!(denied["change"].as_str().unwrap().starts_with("take out or narrow policy.csv:"));
    // What is suggested does what it says.
    gateway.owner(&["user", "set", "bob", "--role", "operator"]);
    assert_eq!(explain("user/bob connect box/tcp", &monday)["permit"], true);

    let who =
        gateway.owner_json(&["policy", "who-can", "connect", "box/tcp", monday[0], monday[1]]);
    let names: Vec<_> = who.as_array().unwrap().iter().map(|one| &one["subject"]).collect();
    assert_eq!(names, ["user/alice", "user/bob", "user/owner"]);
    let what = gateway.owner_json(&["policy", "what-can", "user/alice", monday[0], monday[1]]);
    let what: Vec<String> = what
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let text = |field: &str| one[field].as_str().unwrap().to_owned();
            format!("{} {} {}", text("action"), text("interface"), text("operand"))
        })
        .collect();
    assert_eq!(
        what,
        [
            "connect box/tcp ",
            "read gateway status",
            "read gateway devices/**",
            "read gateway interfaces/**"
        ]
    );
    assert!(
        gateway
            .run("owner", &["policy", "what-can", "user/ghost"])
            .failed()
            .contains("no user/ghost")
    );
    assert!(
        gateway
            .owner(&["policy", "who-can", "connect", "press/tcp", home[2], home[3]])
            .contains("user/owner")
    );
    // Without an address, what depends on it is listed as that.
    let listed = gateway.owner(&["policy", "who-can", "connect", "press/tcp"]);
    assert!(listed.contains("when from="), "{listed}");
    let far = gateway.owner(&["policy", "who-can", "connect", "press/tcp", "--from", "10.1.2.3"]);
    assert!(far.contains("nobody"), "{far}");
}

#[tokio::test]
async fn hindsight() {
    let world = World::new();
    let gateway = &world.gateway;
    gateway.enrol("user/bob", &[]);
    for _ in 0..3 {
        assert!(world.reaches("tcp--press").await);
    }
    assert!(world.reaches("tcp--box").await);
    assert_eq!(gateway.run("bob", &["status"]).status, Some(1));
    // Under a bundle without the press, and with the status for everybody.
    world.edit("policy.csv", "p, role/operator, group/devices", "p, role/operator, box");
    world.add("policy.csv", "p, role/users, gateway, status, read, , allow\n");
    let replay =
        |more: &[&str]| gateway.owner_json(&[&["policy", "replay", world.dir()], more].concat());
    let found = replay(&[]);
    assert_eq!(found["kinds"], 2, "{found}");
    let differing = found["differing"].as_array().unwrap();
    let one = |resource: &str| {
        let found = differing.iter().find(|one| one["resource"] == resource);
        found.unwrap_or_else(|| panic!("{resource}: {differing:?}"))
    };
    let press = one("press/tcp");
    assert_eq!((&press["subject"], &press["count"]), (&"user/alice".into(), &3.into()));
    assert_eq!((&press["was_permitted"], &press["is_permitted"]), (&true.into(), &false.into()));
    let status = one("gateway/status");
    assert_eq!((&status["subject"], &status["is_permitted"]), (&"user/bob".into(), &true.into()));
    let table = gateway.owner(&["policy", "replay", world.dir(), "--since", "1h"]);
    assert!(table.contains("user/alice connect press/tcp") && table.contains("2 kinds"), "{table}");
    assert_eq!(world.revision(), 1, "a replay changes nothing");
    // Under the bundle in force, everything comes out as it did.
    let shown = gateway.dir().join("shown");
    gateway.owner(&["policy", "show", "--out", shown.to_str().unwrap()]);
    let same = gateway.owner_json(&["policy", "replay", shown.to_str().unwrap()]);
    assert_eq!(same["kinds"], 0, "{same}");
    // It is the audit log that is read, so it takes the right to that.
    gateway.enrol("user/ada", &["--role", "administrator"]);
    let complaint = gateway.run("ada", &["policy", "replay", world.dir()]).failed();
    assert!(complaint.contains("user/ada may not read audit"), "{complaint}");

    // What deserves a look.
    for (name, url) in [
        ("box/pages", "http://127.0.0.1:9"),
        ("box/asks", "http://127.0.0.1:9?operand=query:cmd"),
        ("box/lamp", "coap://127.0.0.1:9"),
        ("box/console", "serial:/dev/ttyS0?line=show%20*"),
        ("box/plc", "modbus://127.0.0.1:9"),
        ("box/twin", "modbus://127.0.0.1:9?unit=any&tables=alias"),
    ] {
        world.gateway.declare(name, url);
    }
    world.add(
        "policy.csv",
        "p, role/operator, box, tcp, connect, , allow\n\
         p, role/ghosts, box, **, *, , allow\n\
         p, user/eve, box, **, *, , allow\n\
         p, role/operator, attic, **, *, , allow\n\
         p, role/operator, box, web/**, *, , allow\n\
         p, role/operator, box, pages/a%20b/*, get, , allow\n\
         p, role/operator, box, pages/a%2520b/c:d, get, , allow\n\
         p, role/operator, box, pages//x, get, , allow\n\
         p, role/operator, box, pages/x/@cmd=reboot, get, , deny\n\
         p, role/operator, box, asks/x/@cmd=reboot, get, , deny\n\
         p, role/operator, box, asks//@cmd=on, get, , deny\n\
         p, role/operator, box, asks/x/@command=on, get, , deny\n\
         p, role/operator, box, lamp//firmware, get, , deny\n\
         p, role/operator, box, console, control, , deny\n\
         p, role/operator, box, plc/1/holding/5, write, , deny\n\
         p, role/operator, box, twin/1/holding/5, write, , deny\n\
         p, role/operator, box, plc/**, diagnose, , deny\n\
         p, role/operator, group/empty, **, *, , allow\n\
         p, role/operator, press, **, *, until=2020-01-01T00:00:00Z, allow\n\
         p, role/operator, press, **, *, time=Mon 07:00-08:00 UTC, allow\n\
         p, role/users, press, tcp, connect, , allow\n",
    );
    let lint = gateway.owner_json(&["policy", "lint", world.dir()]);
    let found: Vec<String> = lint
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["line"].as_u64() > Some(27))
        .map(|one| format!("{} {}", one["kind"].as_str().unwrap(), one["what"].as_str().unwrap()))
        .collect();
    assert_eq!(
        found,
        [
            "shadowed policy.csv:9 says all of it",
            "never nobody has role/ghosts",
            "never there is no user/eve",
            "never there is no device attic",
            "never box has no interface web",
            "never a path of HTTP has ' ' escaped: write %2520 for it; write pages/a%2520b/*",
            "shadowed policy.csv:9 says all of it",
            "never no path of HTTP is decided that has such a segment; write pages/x",
            "operand pages decides no part of queries: declare operand=query:cmd",
            "operand asks decides cmd of queries, and not command",
            "never no path of CoAP is decided that has such a segment; write lamp/firmware",
            "never where line= is declared, nobody sets the line",
            "alias if the device ignores the unit, or its tables are views of one memory, other \
             requests reach the same: declare unit=any and tables=alias then \
             (gateway/docs/modbus.md)",
            "never no device is in group/empty",
            "never its time is over",
            "everyone every member of role/users reaches what it speaks of",
        ]
    );
    let shown = gateway.owner(&["policy", "lint"]);
    assert!(shown.contains("unused") && !shown.contains("policy.csv:5 "), "{shown}");
    assert!(shown.contains("Z, when the audit log begins"), "{shown}");
}

#[test]
fn lint_says_since_when_a_rule_has_let_nothing_through() {
    const USED: &str = "p, user/ida, gateway, status, read, , allow";
    const UNUSED: &str = "p, user/ida, gateway, audit, read, , allow";
    const LATER: &str = "p, user/ida, gateway, sessions, read, , allow";
    let gateway = Gateway::start();
    gateway.enrol("user/ida", &[]);
    gateway.rules(&format!("{USED}\n{UNUSED}"));
    gateway.run("ida", &["status"]).ok();
    // The same rules stand on other lines, and nothing was asked since.
    gateway.rules(&format!("{LATER}\n# as before\n{UNUSED}\n{USED}"));
    let findings = gateway.owner_json(&["policy", "lint"]);
    let said = |rule: &str| {
        let findings = findings.as_array().unwrap();
        let found = findings.iter().find(|one| one["rule"] == rule && one["kind"] == "unused");
        found.map(|one| one["what"].as_str().unwrap().to_owned())
    };
    let history = gateway.owner_json(&["policy", "history"]);
    for (rule, revision) in [(UNUSED, 2), (LATER, 3)] {
        let applied = history.as_array().unwrap().iter().find(|one| one["revision"] == revision);
        let at = applied.unwrap()["at"].as_str().unwrap().split('.').next().unwrap().to_owned();
        let at = format!("{}Z", at.trim_end_matches('Z'));
        assert_eq!(
            said(rule).expect("a finding"),
            format!(
                "nothing was let through by it since {at}, when revision {revision} was applied"
            )
        );
    }
    assert_eq!(said(USED), None, "{findings}");
}

#[test]
fn a_stale_test_keeps_no_gateway_from_starting() {
    let world = World::new();
    world.add("tests.toml", "\n[[test]]\nsubject = \"user/alice\"\naction = \"connect\"\nresource = \"box/tcp\"\nexpect = \"permit\"\n");
    world.gateway.owner(&["policy", "apply", world.dir()]);
    world.gateway.owner(&["user", "remove", "alice"]);
    let ran = world.gateway.run("owner", &["policy", "test"]);
    assert_eq!(ran.status, Some(1), "{ran:?}");
    let World { mut gateway, .. } = world;
    gateway.kill();
    gateway.serve();
    gateway.owner(&["status"]);
}

#[test]
fn what_is_no_test_is_refused_by_line() {
    let world = World::new();
    let good = fs::read_to_string(world.bundle.join("tests.toml")).unwrap();
    let base =
        "\n[[test]]\nsubject = \"user/alice\"\naction = \"connect\"\nresource = \"box/tcp\"\n";
    for (more, says) in [
        ("expect = \"yes\"\n", "tests.toml:9:1: expect is \"permit\" or \"deny\""),
        ("expect = \"deny\"\nat = \"tomorrow\"\n", "tests.toml:9:1: at: an instant is RFC 3339"),
        ("expect = \"deny\"\nfrom = \"home\"\n", "tests.toml:9:1: from: an address"),
        ("expect = \"deny\"\nrule = -1\n", "tests.toml:9:1: rule is the number of a line"),
        (
            "expect = \"deny\"\nattrs = { mode = \"away\" }\n",
            "tests.toml:9:1: attrs: 'mode' is no attribute; this version knows auth-age",
        ),
        ("expect = \"deny\"\nroles = [\"operator\"]\n", "'operator' does not begin with role/"),
        ("expect = \"deny\"\ncolour = 1\n", "tests.toml:14:1: unknown field `colour`"),
        ("", "missing field `expect`"),
        ("expect = \n", "tests.toml:13:"),
    ] {
        fs::write(world.bundle.join("tests.toml"), format!("{good}{base}{more}")).unwrap();
        let complaint = world.gateway.run("owner", &["policy", "apply", world.dir()]).failed();
        assert!(complaint.contains(says), "{more}: {complaint}");
    }
    assert_eq!(world.revision(), 1);
}
