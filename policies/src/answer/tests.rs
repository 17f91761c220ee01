//! Tests of answers: everything that decides, shows or tests an answer agrees.

use std::sync::Arc;

use doorward_model::{Action, Fact, PeerText, Posture, Revision};

use super::*;
use crate::bundle::{Bundle, BundleText};
use crate::cache::Cache;
use crate::fixture::{self, certificate, now};
use crate::membership::Member;
use crate::question::Evidence;
use crate::supposed::Supposed;

const POLICY: &str = "p, user/alice, plc, *, connect, , allow\n\
                      p, user/alice, plc, modbus/**, *, , allow\n\
                      p, user/alice, plc, modbus/2/**, write, , deny\n\
                      p, user/alice, plc, modbus/*/holding/100-109, read, , deny\n";

fn at(target: &str) -> Snapshot {
    fixture::snapshot(POLICY, &[("modbus", target)])
}

/// Returns the answer to a question, and checks that everything that decides, shows or tests an
/// answer agrees.
fn says(snapshot: &Snapshot, action: Action, path: &str) -> bool {
    let (alice, plc) = ("user/alice".parse().unwrap(), "plc".parse().unwrap());
    let question = snapshot.question(alice, action, plc, path, None).unwrap();
    let request =
        Request { question: question.clone(), subject: SubjectId(1), proof: certificate().into() };
    let permits = |decision| matches!(decision, Decision::Permit(_));
    let asked = Supposed::of(question.clone(), snapshot, now());
    let test = |expect: &str| {
        format!(
            "[[test]]\nsubject = \"user/alice\"\naction = \"{action}\"\n\
             resource = \"plc/{path}\"\nexpect = \"{expect}\"\n"
        )
    };
    let fails = |expect: &str| {
        let (policy, tests) = (POLICY.to_owned(), test(expect));
        let text = BundleText { policy, tests, ..BundleText::default() };
        let expectations = Bundle::parse(text).unwrap().tests().unwrap();
        !snapshot.failing(&expectations, now()).is_empty()
    };
    let mut cache = Cache::new();
    let explained = snapshot.explain(&question, None, now());
    let all = [
        permits(snapshot.decide(&request, now())),
        permits(snapshot.decide_again(&request, now())),
        permits(cache.decide_again(snapshot, &request, now())),
        permits(cache.decide_again(snapshot, &request, now())),
        snapshot.opinion(&question, now()).permits(),
        snapshot.outlook(&question, now()).permits(),
        explained.permit,
        fails("deny"),
        !fails("permit"),
    ];
    assert_eq!(all, [all[0]; 9], "{path}");
    let denies = explained.decided.iter().all(|rule| !rule.failed.contains(&"path"));
    assert!(denies, "the rule that decides is shown to meet the path: {explained:?}");
    assert_eq!(snapshot.bundle().referee(&asked, None), Some(Ok(())), "the judges agree");
    all[0]
}

#[test]
fn a_rule_that_denies_meets_every_name_of_a_message() {
    let (read, write) = (Action::Read, Action::Write);
    let plain = at("modbus://plc:502");
    assert!(!says(&plain, write, "modbus/2/coil/7"));
    assert!(says(&plain, write, "modbus/1/coil/7"));
    assert!(says(&plain, read, "modbus/1/input/100"));
    // A queue is read from holding registers.
    assert!(!says(&plain, read, "modbus/1/fifo/100"));
    assert!(says(&plain, read, "modbus/1/fifo/110"));
    let any = at("modbus://plc:502?unit=any");
    assert!(!says(&any, write, "modbus/1/coil/7"));
    assert!(says(&any, read, "modbus/1/coil/7"));
    assert!(says(&any, read, "modbus/1/input/100"));
    let alias = at("modbus+agent:plc?tables=alias");
    assert!(says(&alias, write, "modbus/1/coil/7"));
    for denied in ["input/100", "coil/109", "coil/1600", "discrete/1759", "fifo/80"] {
        assert!(!says(&alias, read, &format!("modbus/1/{denied}")), "{denied}");
    }
    for free in ["input/110", "coil/99", "discrete/1760", "fifo/110", "file/100"] {
        assert!(says(&alias, read, &format!("modbus/1/{free}")), "{free}");
    }
    let both = at("modbus://plc:502?unit=any&tables=alias");
    assert!(!says(&both, write, "modbus/1/coil/7") && !says(&both, read, "modbus/9/coil/1600"));
    assert!(says(&both, read, "modbus/9/coil/99"));
}

#[test]
fn a_rule_that_denies_meets_every_reading_of_a_path() {
    let policy = "p, user/alice, plc, web/**, get, , allow\n\
                  p, user/alice, plc, web/Admin/**, get, , deny\n\
                  p, user/alice, plc, web/a%20b, *, , deny\n\
                  p, user/alice, plc, web/c%2520d/*, *, , deny\n\
                  p, user/alice, plc, web/pub/*/1-9, *, , deny\n";
    let at = |url| fixture::snapshot(policy, &[("web", url)]);
    let (read, exact) = (at("http://h:80"), at("http://h:80?paths=exact"));
    for denied in ["Admin", "Admin/x", "c%20d/x", "c d/", "pub/x/1-9"] {
        let path = format!("web/{denied}");
        assert!(!says(&exact, Action::Get, &path) && !says(&read, Action::Get, &path), "{path}");
    }
    let other = [
        "admin/x",
        "ADMIN;v=1/x",
        "admin./x",
        "admin+/",
        "admin%20.%20/x",
        "admin%3B/x",
        "%20/admin/x",
        "a b",
        "a+b",
        "A%20B.",
        "a%2Bb/",
        "a%20b;x",
        "C+D/x",
        "c%20d;/x",
        "pub/x/1-9.",
        "Pub/x/1-9;v/",
    ];
    for denied in other {
        let path = format!("web/{denied}");
        assert!(!says(&read, Action::Get, &path), "{path}");
        assert!(says(&exact, Action::Get, &path), "{path}");
    }
    for free in ["", "administrator", "ad/min", "a/b", "c%20d", "pub/1-9", "pub/x/5", "x/admin"] {
        let path = format!("web/{free}");
        assert!(says(&exact, Action::Get, &path) && says(&read, Action::Get, &path), "{path}");
    }
}

#[test]
fn a_rule_that_allows_covers_a_path_as_it_is_written() {
    let policy = "p, user/alice, plc, web/Admin, get, , allow\n\
                  p, user/alice, plc, web/a%2520b, get, , allow\n";
    let snapshot = fixture::snapshot(policy, &[("web", "http://h:80")]);
    for (path, permitted) in [
        ("Admin", true),
        ("a%20b", true),
        ("a b", true),
        ("%41dmin", true),
        ("admin", false),
        ("Admin/", false),
        ("Admin;x", false),
        ("Admin.", false),
        ("a+b", false),
        ("A%20b", false),
    ] {
        assert_eq!(says(&snapshot, Action::Get, &format!("web/{path}")), permitted, "{path}");
    }
}

#[test]
fn a_question_is_about_a_request_that_is_decided() {
    let interfaces = [("web", "http://h:80"), ("exact", "http://h:80?paths=exact")];
    let snapshot = fixture::snapshot(POLICY, &interfaces);
    let asked = |path: &str| {
        let (alice, plc) = ("user/alice".parse().unwrap(), "plc".parse().unwrap());
        let question = snapshot.question(alice, Action::Get, plc, path, None);
        question.map(|question| question.resource.path.raw()).map_err(|error| error.to_string())
    };
    for (path, read) in [
        ("web", "web/"),
        ("web/", "web/"),
        ("web/secret plans/x", "web/secret%20plans/x"),
        ("web/%7ea%3a", "web/~a%3A"),
        ("exact/...", "exact/..."),
    ] {
        assert_eq!(asked(path).as_deref(), Ok(read), "{path}");
    }
    for (path, why) in [
        ("web/a//b", "empty segment"),
        ("web/..", "dot segment"),
        ("web/...", "dot segment"),
        ("web/a%2Fb", "slash"),
        ("web/%2541", "escape in an escape"),
        ("web/a?b", "leave out the query"),
        ("web/%20/%20/%20/%20", "too many ways"),
    ] {
        assert!(asked(path).unwrap_err().contains(why), "{path}");
    }
}

#[test]
fn the_context_has_the_last_report_of_both_devices_under_every_bundle() {
    let posture = |second, firmware: &str| {
        let at = Timestamp::from_second(second).unwrap();
        let fact = Fact::Text(PeerText::new(firmware));
        Posture::new(at, [("firmware".to_owned(), fact)]).unwrap()
    };
    let device = |name: &str| Subject::new(Kind::Device, name.parse().unwrap());
    let (plc, sensor) = (device("plc"), device("sensor"));
    let member = Member { id: SubjectId(9), enabled: true, roles: vec![], groups: vec![] };
    let snapshot = at("tcp://plc:22");
    let evidence = |snapshot: &Snapshot, asker: &Subject| {
        let plc = "plc".parse().unwrap();
        let asked = snapshot.question(asker.clone(), Action::Connect, plc, "modbus", None);
        snapshot.resolve(&asked.unwrap()).evidence()
    };
    assert_eq!(evidence(&snapshot, &sensor), Evidence::default());
    // A subject that does not exist has no report.
    let unknown = snapshot.clone().with_posture(&sensor, Some(posture(1, "1.0")));
    assert_eq!(evidence(&unknown, &sensor), Evidence::default());
    let snapshot = snapshot
        .with_member(sensor.clone(), Some(member.clone()))
        .with_posture(&sensor, Some(posture(1, "1.0")))
        .with_posture(&plc, Some(posture(2, "2.0")))
        .with_posture(&plc, Some(posture(3, "2.1")));
    let (target, asker) = (Arc::new(posture(3, "2.1")), Arc::new(posture(1, "1.0")));
    let both = Evidence { target: Some(target.clone()), asker: Some(asker) };
    assert_eq!(evidence(&snapshot, &sensor), both);
    let other = fixture::bundle("p, role/new, group/new, **, *, , allow\n");
    let under_other = snapshot.clone().with_bundle(Revision(2), other);
    assert_eq!(evidence(&under_other, &sensor), both);
    let alice: Subject = "user/alice".parse().unwrap();
    let asked = Evidence { target: Some(target.clone()), asker: None };
    assert_eq!(evidence(&snapshot, &alice), asked);
    // Somebody else under the same name has not reported.
    let renamed = snapshot.clone().with_member(sensor.clone(), Some(member));
    assert_ne!(renamed, snapshot);
    assert_eq!(evidence(&renamed, &sensor), asked);
}

#[test]
fn a_rule_that_allows_has_to_name_what_was_asked_for() {
    let policy = "p, user/alice, plc, modbus/2/holding/0-9, read, , allow\n";
    let bundle = fixture::bundle(policy);
    let snapshot = at("modbus://plc:502?unit=any&tables=alias");
    let snapshot = snapshot.with_bundle(Revision(2), bundle);
    assert!(says(&snapshot, Action::Read, "modbus/2/holding/7"));
    for other in ["modbus/1/holding/7", "modbus/0/holding/7", "modbus/2/input/7"] {
        assert!(!says(&snapshot, Action::Read, other), "{other}");
    }
}
