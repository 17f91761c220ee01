//! Every way in which a bundle can be wrong, with what is said about it: a golden file. Run with
//! UPDATE_GOLDEN=1 to write it anew, and read what has changed.

use std::fmt::Write as _;

use std::sync::Arc;

use doorward_model::{Group, InterfaceId, Protocol, Revision, SubjectId};
use doorward_policies::{Bundle, BundleText, Interface, Member, Membership, Snapshot};
use doorward_tests::tools::root;

/// The file that is wrong, a name for the case, and its text.
fn cases() -> Vec<(&'static str, String, String)> {
    let mut cases = Vec::new();
    let mut case = |file: &'static str, name: &str, text: &str| {
        cases.push((file, name.to_owned(), text.to_owned()));
    };
    for (name, line) in [
        ("another kind of line", "g, role/a, x, **, *, , allow"),
        ("no kind of line", "role/a, x, **, *, , allow"),
        ("a column is missing", "p, role/a, x, **, *, allow"),
        ("a column too many", "p, role/a, x, **, *, , allow, deny"),
        ("quotes", "p, \"role/a\", x, **, *, , allow"),
        ("a control character", "p, role/a, x, **, *, , allow\u{7}"),
        ("nobody", "p, , x, **, *, , allow"),
        ("everybody", "p, *, x, **, *, , allow"),
        ("a bare subject", "p, alice, x, **, *, , allow"),
        ("a subject of no kind", "p, group/a, x, **, *, , allow"),
        ("a subject with a wildcard", "p, user/*, x, **, *, , allow"),
        ("capitals in a role", "p, role/Admin, x, **, *, , allow"),
        ("a name that is too long", "p, role/a123456789012345678901234567890, x, **, *, , allow"),
        ("a reserved name", "p, user/xn, x, **, *, , allow"),
        ("no device", "p, role/a, , **, *, , allow"),
        ("a device with its kind", "p, role/a, device/x, **, *, , allow"),
        ("a user for a device", "p, role/a, user/x, **, *, , allow"),
        ("every device", "p, role/a, *, **, *, , allow"),
        ("no path", "p, role/a, x, , *, , allow"),
        ("a path that begins with a slash", "p, role/a, x, /a, *, , allow"),
        ("** inside", "p, role/a, x, a/**/b, *, , allow"),
        ("a mixed wildcard", "p, role/a, x, a/b*, *, , allow"),
        ("three stars", "p, role/a, x, ***, *, , allow"),
        ("a space in a path", "p, role/a, x, a/b c, *, , allow"),
        ("a bar in a path", "p, role/a, x, a|b, *, , allow"),
        ("half an escape", "p, role/a, x, a/%4, *, , allow"),
        ("no escape", "p, role/a, x, a/%zz, *, , allow"),
        ("an escape that is no text", "p, role/a, x, a/%ff, *, , allow"),
        ("a range that runs backwards", "p, role/a, x, m/1/holding/99-0, *, , allow"),
        ("a path that is too deep", &format!("p, role/a, x, {}a, *, , allow", "a/".repeat(200))),
        ("a path that is too long", &format!("p, role/a, x, {}, *, , allow", "a".repeat(9000))),
        ("no action", "p, role/a, x, **, , , allow"),
        ("an unknown action", "p, role/a, x, **, go, , allow"),
        ("a misspelt action", "p, role/a, x, **, conect, , allow"),
        ("an action in capitals", "p, role/a, x, **, GET, , allow"),
        ("an empty action in a list", "p, role/a, x, **, get|, , allow"),
        ("all actions in a list", "p, role/a, x, **, get|*, , allow"),
        ("a condition without a value", "p, role/a, x, **, *, soon, allow"),
        ("an empty condition", "p, role/a, x, **, *, until=2027-01-01T00:00:00Z;, allow"),
        ("an unknown condition", "p, role/a, x, **, *, colour=red, allow"),
        ("a misspelt condition", "p, role/a, x, **, *, untill=2027-01-01T00:00:00Z, allow"),
        ("another operator", "p, role/a, x, **, *, until<=2027-01-01T00:00:00Z, allow"),
        ("a condition to come", "p, role/a, x, **, *, posture=ok, allow"),
        (
            "too many hours",
            &format!("p, role/a, x, **, *, time=Mon {} UTC, allow", ["00:00-00:01"; 33].join("|")),
        ),
        ("a date without a time", "p, role/a, x, **, *, until=2027-01-01, allow"),
        ("a time without an offset", "p, role/a, x, **, *, after=2027-01-01T00:00:00, allow"),
        ("no network", "p, role/a, x, **, *, from=, allow"),
        ("a host for a network", "p, role/a, x, **, *, from=10.0.0.1/8, allow"),
        ("too many bits", "p, role/a, x, **, *, from=10.0.0.0/33, allow"),
        ("an IPv4 network in IPv6 clothes", "p, role/a, x, **, *, from=::ffff:10.0.0.0/104, deny"),
        ("more than RFC 3339", "p, role/a, x, **, *, until=2027-01-01T00:00:00+01:00[UTC], allow"),
        ("less than RFC 3339", "p, role/a, x, **, *, until=2027-01-01T00:00Z, allow"),
        ("another form of time", "p, role/a, x, **, *, until=20270101T000000Z, allow"),
        ("no zone", "p, role/a, x, **, *, time=Mon-Fri 07:00-19:00, allow"),
        ("an unknown zone", "p, role/a, x, **, *, time=Mon 07:00-19:00 Europe/Atlantis, allow"),
        ("an unknown day", "p, role/a, x, **, *, time=Mo-Fr 07:00-19:00 UTC, allow"),
        ("an hour that there is not", "p, role/a, x, **, *, time=Mon 07:00-25:00 UTC, allow"),
        ("no duration", "p, role/a, x, **, *, auth-age<=, allow"),
        ("a duration without a unit", "p, role/a, x, **, *, auth-age<=8, allow"),
        ("an unknown unit", "p, role/a, x, **, *, auth-age<=2y, allow"),
        ("units in another order", "p, role/a, x, **, *, auth-age<=30m1h, allow"),
        ("half a unit", "p, role/a, x, **, *, auth-age<=1.5h, allow"),
        ("a duration of nothing", "p, role/a, x, **, *, auth-age<=0s, allow"),
        ("a duration below nothing", "p, role/a, x, **, *, auth-age<=-8h, allow"),
        ("a duration beyond counting", "p, role/a, x, **, *, auth-age<=999999999999999999d, allow"),
        ("an age without its operator", "p, role/a, x, **, *, auth-age=8h, allow"),
        ("no effect", "p, role/a, x, **, *, ,"),
        ("an effect in capitals", "p, role/a, x, **, *, , Deny"),
        ("another effect", "p, role/a, x, **, *, , permit"),
    ] {
        case("policy.csv", name, &format!("# a comment\n{line}\n"));
    }
    case("policy.csv", "a rule behind a carriage return", "# note\rp, role/a, x, **, *, , deny\n");
    case("policy.csv", "no rule", "# nothing\n\n");
    case("policy.csv", "two lines are wrong", "p, a\n# fine\np, role/a, x, **, fly, , allow\n");
    let chain = |word: &str, kind: &str| -> String {
        (0..9).map(|n| format!("{word}, {kind}/a{n}, {kind}/a{}\n", n + 1)).collect()
    };
    for (name, text) in [
        ("another kind of link", "g2, role/a, role/b"),
        ("a column is missing", "g, role/a"),
        ("a person", "g, user/alice, role/a"),
        ("a role of a person", "g, role/a, user/alice"),
        ("a bare role", "g, a, role/b"),
        ("a role of itself", "g, role/a, role/a"),
        ("a circle", "g, role/a, role/b\ng, role/b, role/c\ng, role/c, role/a"),
        ("a long chain", &chain("g", "role")),
        ("quotes", "g, \"role/a\", role/b"),
    ] {
        case("roles.csv", name, text);
    }
    for (name, text) in [
        ("another kind of link", "g, group/a, group/b"),
        ("a device", "g2, plc-3, group/a"),
        ("a circle", "g2, group/a, group/b\ng2, group/b, group/a"),
        ("a long chain", &chain("g2", "group")),
    ] {
        case("groups.csv", name, text);
    }
    let open = BundleText::MODEL.replace("&& !some(where (p.eft == deny))", "");
    case("model.conf", "another effect", &open);
    case("model.conf", "nothing", "");
    case("model.conf", "more", &format!("{}\n[more]\nx = y\n", BundleText::MODEL));
    let test = "[[test]]\nsubject = \"user/alice\"\naction = \"connect\"\nresource = \"x/y\"\n";
    for (name, text) in [
        ("no TOML", "[[test"),
        ("another table", "[[question]]\n"),
        ("nothing expected", test),
        ("another expectation", &format!("{test}expect = \"allow\"\n")),
        ("another key", &format!("{test}expect = \"deny\"\ncolour = 1\n")),
        (
            "a bare subject",
            &test.replace("user/alice", "alice").replace("y\"\n", "y\"\nexpect = \"deny\"\n"),
        ),
        ("an unknown action", &format!("{}expect = \"deny\"\n", test.replace("connect", "fly"))),
        ("no path", &test.replace("x/y", "x").replace("x\"\n", "x\"\nexpect = \"deny\"\n")),
        ("no instant", &format!("{test}expect = \"deny\"\nat = \"noon\"\n")),
        ("no address", &format!("{test}expect = \"deny\"\nfrom = \"home\"\n")),
        ("no line", &format!("{test}expect = \"deny\"\nrule = -3\n")),
        (
            "an unknown attribute",
            &format!("{test}expect = \"deny\"\nattrs = {{ mode = \"away\" }}\n"),
        ),
        ("another protocol", &format!("{test}expect = \"deny\"\nprotocol = \"profibus\"\n")),
        ("a misspelt protocol", &format!("{test}expect = \"deny\"\nprotocol = \"Modbus\"\n")),
        (
            "an action that the protocol does not have",
            &format!("{test}expect = \"deny\"\nprotocol = \"modbus\"\n"),
        ),
        (
            "the administration of a device",
            &format!("{test}expect = \"deny\"\nprotocol = \"administration\"\n"),
        ),
        (
            "a device's protocol at the gateway",
            &format!(
                "{}expect = \"deny\"\nprotocol = \"tcp\"\n",
                test.replace("x/y", "gateway/status")
            ),
        ),
        ("a protocol that is no text", &format!("{test}expect = \"deny\"\nprotocol = 5\n")),
        (
            "a misspelt attribute",
            &format!("{test}expect = \"deny\"\nattrs = {{ auth_age = \"2h\" }}\n"),
        ),
        (
            "an attribute of no duration",
            &format!("{test}expect = \"deny\"\nattrs = {{ auth-age = \"soon\" }}\n"),
        ),
        (
            "a bare number for a duration",
            &format!("{test}expect = \"deny\"\nattrs = {{ auth-age = 2 }}\n"),
        ),
        ("a bare role", &format!("{test}expect = \"deny\"\nroles = [\"a\"]\n")),
        ("a bare group", &format!("{test}expect = \"deny\"\ngroups = [\"a\"]\n")),
    ] {
        case("tests.toml", name, text);
    }
    cases
}

#[test]
fn what_is_wrong_is_said_by_file_line_and_column() {
    let cases = cases();
    assert!(cases.len() >= 40);
    let protocols: Vec<&str> = Protocol::ALL.iter().map(|one| one.as_str()).collect();
    let protocols = protocols.join(" ");
    let mut found = String::new();
    for (file, name, wrong) in cases {
        let mut text =
            BundleText { policy: "p, role/a, x, **, *, , allow\n".into(), ..Default::default() };
        match file {
            "model.conf" => text.model = wrong,
            "policy.csv" => text.policy = wrong,
            "roles.csv" => text.roles = wrong,
            "groups.csv" => text.groups = wrong,
            _ => text.tests = wrong,
        }
        let errors = match Bundle::parse(text) {
            Err(errors) => errors,
            Ok(bundle) => bundle.tests().expect_err(&format!("{file}, {name}: it reads")),
        };
        for place in errors.places() {
            assert_eq!(place.file, file, "{name}");
        }
        // The message lists all protocols. A new one changes no message.
        let said = errors.to_string().replace(&protocols, "PROTOCOLS");
        assert!(!said.chars().any(|c| c.is_control() && c != '\n'), "{said:?}");
        writeln!(found, "# {file}: {name}\n{said}\n").unwrap();
    }
    compare("bundle-errors.txt", &found);
}

/// Compares a text with a golden file, or writes the file.
#[track_caller]
fn compare(file: &str, found: &str) {
    let golden = root().join("tests/golden").join(file);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, found).unwrap();
    }
    let expected = std::fs::read_to_string(&golden).unwrap();
    for (number, (found, expected)) in found.lines().zip(expected.lines()).enumerate() {
        assert_eq!(found, expected, "{file}, line {}", number + 1);
    }
    assert_eq!(found.lines().count(), expected.lines().count());
}

/// A state with one device, `plc`, that has an interface of each protocol, and a second, `cam`, in the
/// group `group/line` with it.
fn declared(policy: &str) -> Snapshot {
    let text = BundleText { policy: policy.to_owned(), tests: String::new(), ..Default::default() };
    let bundle = Arc::new(Bundle::parse(text).unwrap());
    let line = Membership { of: Group::new("line".parse().unwrap()), until: None };
    let mut snapshot = Snapshot::new("a.b".parse().unwrap(), Revision(1), bundle);
    for (id, device, interfaces) in [
        (
            1,
            "plc",
            &[
                ("modbus", "modbus://h:1"),
                ("web", "http://h:1"),
                ("relay", "http://h:1?operand=query:cmd"),
                ("mqtt", "mqtt://h:1"),
                ("lamp", "coap://h:1"),
                ("ssh", "tcp://h:1"),
                ("console", "serial:/dev/ttyS0?line=show%20*"),
            ][..],
        ),
        (2, "cam", &[("web", "http://h:2"), ("modbus", "tcp://h:2")]),
    ] {
        let groups = vec![line.clone()];
        let member = Member { id: SubjectId(id), enabled: true, roles: vec![], groups };
        let interface = |((name, url), id): (&(&str, &str), i64)| Interface {
            id: InterfaceId(id),
            name: name.parse().unwrap(),
            target: url.parse().unwrap(),
            network: None,
            enabled: true,
        };
        let subject = format!("device/{device}").parse().unwrap();
        snapshot = snapshot.with_member(subject, Some(member)).with_interfaces(
            device.parse().unwrap(),
            interfaces.iter().zip(1..).map(interface).collect(),
        );
    }
    snapshot
}

#[test]
fn a_rule_that_matches_nothing_is_told_from_its_nearest_right_spelling() {
    let mut found = String::new();
    for columns in [
        "plc, modbus/1/holding/0..99, read",
        "plc, modbus/1/holding/0:99, read",
        "plc, modbus/1/holding/007, read",
        "plc, modbus/1/holding/0-99999, read",
        "plc, modbus/1/hold/0-9, read",
        "plc, modbus/1/coils/0-9, read",
        "plc, modbus/1/tape/0-9, read",
        "plc, modbus/40001-40099, read",
        "plc, modbus/1/40001-40099, read",
        "plc, modbus/1/30007, read",
        "plc, modbus/holding/0-99, read",
        "plc, modbus/1/holding, read",
        "plc, modbus/1, read",
        "plc, modbus, read",
        "plc, modbus, connect",
        "plc, modbus/**, connect",
        "plc, modbus/1/holding/0-99, get",
        "plc, modbus/1/holding/0/9, read",
        "plc, modbus/0-0/holding/0-9, write",
        "plc, modbus/300/holding/0-9, write",
        "plc, modbus/1/device/300, read",
        "plc, web/**, read",
        "plc, web/**, write",
        "plc, web/**, read|write",
        "plc, web, get",
        "plc, web/secret%20plans/**, get",
        "plc, web/%C3%A4/b, get",
        "plc, web//a, get",
        "plc, web/a%2Fb, get",
        "plc, web/../a, get",
        "plc, relay/x/@command=on, get",
        "plc, mqtt, publish",
        "plc, mqtt/, publish",
        "plc, mqtt/sensors/+/temp, publish",
        "plc, mqtt/sensors/#, subscribe",
        "plc, mqtt/a/**, connect",
        "plc, mqtt/**, read",
        "plc, lamp//a, get",
        "plc, lamp/**, read",
        "plc, ssh/a, connect",
        "plc, ssh, read",
        "plc, console, control",
        "plc, console/1, read",
        "plc, console, connect",
        "plc, */**, create",
        "group/line, web/**, read",
        "group/line, modbus/1/hold/**, read",
        "group/line, **, create",
        "gateway, devices, get",
        // These match something, or name no declared interface.
        "plc, modbus/1/holding/40001-40099, read",
        "plc, none/**, read",
        "group/none, **, read",
        "group/line, modbus/**, connect",
        "plc, **, read",
    ] {
        for effect in ["allow", "deny"] {
            let rule = format!("p, role/a, {columns}, , {effect}");
            let all = declared(&format!("{rule}\n")).mismatches(None);
            let (errors, warnings) = (&all.denying, &all.others);
            let said = match (errors.count(), warnings.count()) {
                (0, 0) => "fine".to_owned(),
                (1, 0) => format!("error: {errors}"),
                (0, 1) => format!("warning: {warnings}"),
                other => panic!("{rule}: {other:?}"),
            };
            writeln!(found, "# {rule}\n{said}").unwrap();
            for place in errors.places().iter().chain(warnings.places()) {
                let from = place.column - 1;
                let wrong = &rule[from..from + place.reason.length()];
                let fix = place.reason.fix();
                writeln!(found, "{wrong} -> {}", fix.as_deref().unwrap_or("?")).unwrap();
                // With the fix, the rule matches something, or another column is wrong.
                if let Some(fix) = fix {
                    let fixed = format!("{}{fix}{}\n", &rule[..from], &rule[from + wrong.len()..]);
                    let all = declared(&fixed).mismatches(None);
                    let left = all.denying.places().iter().chain(all.others.places());
                    assert!(left.into_iter().all(|one| one.column != place.column), "{fixed}");
                }
            }
        }
    }
    compare("rule-mismatches.txt", &found);
}
