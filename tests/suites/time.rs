//! `time=`: what a rule says at every minute of a year, and when it says that it will change, as
//! Python's zoneinfo has it.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use doorward_model::{Action, Device, Path, Resource, Revision, SubjectId};
use doorward_policies::{Bundle, BundleText, Circumstances, Member, Question, Snapshot};
use doorward_tests::tools::{python, script};
use jiff::Timestamp;

const YEAR: i16 = 2027;
/// In Europe, in America (on other days), and where the clock is set by half an hour.
const ZONES: [&str; 4] =
    ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/St_Johns"];

/// A window as a rule writes it, and as the oracle takes it.
const WINDOWS: [(&str, &str); 10] = [
    ("Mon-Fri 07:00-19:00", "01234 420 1140"),
    ("Fri 22:00-06:00", "4 1320 1800"),
    ("Sat-Mon 00:00-24:00", "056 0 1440"),
    ("Sun 02:10-02:50", "6 130 170"),
    ("01:30-02:30", "0123456 90 150"),
    ("02:00-03:00", "0123456 120 180"),
    ("Sat|Sun 23:30-03:15", "56 1410 1635"),
    ("Wed", "2 0 1440"),
    ("Sun 01:45-01:45", "6 105 1545"),
    ("00:00-24:00", "0123456 0 1440"),
];

/// When each window begins and ends in a zone, in minutes, and how it is at first.
fn oracle(zone: &str) -> Vec<(bool, Vec<i64>)> {
    let mut command = Command::new(python());
    command.arg(script("wall_clock.py")).args([zone, &YEAR.to_string()]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let lines: String = WINDOWS.iter().map(|(_, window)| format!("{window}\n")).collect();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let read = |line: &str| {
        let mut numbers = line.split(' ').map(|number| number.parse::<i64>().unwrap());
        (numbers.next().unwrap() == 1, numbers.collect())
    };
    String::from_utf8(output.stdout).unwrap().lines().map(read).collect()
}

/// The same, by asking a rule, and asking again when it says so.
fn by_us(when: &str) -> (bool, Vec<i64>) {
    let policy = format!("p, user/alice, gateway, status, read, {when}, allow\n");
    let bundle = Bundle::parse(BundleText { policy, ..BundleText::default() }).unwrap();
    let member = Member { id: SubjectId(1), enabled: true, roles: vec![], groups: vec![] };
    let snapshot =
        Snapshot::new("doorward.home.arpa".parse().unwrap(), Revision(1), Arc::new(bundle))
            .with_member("user/alice".parse().unwrap(), Some(member));
    let question = Question {
        subject: "user/alice".parse().unwrap(),
        resource: Resource { device: Device::Gateway, path: Path::literal("status").unwrap() },
        action: Action::Read,
        circumstances: Circumstances::default(),
    };
    let instant = |text: String| text.parse::<Timestamp>().unwrap();
    let (first, end) = (
        instant(format!("{YEAR}-01-01T00:00:00Z")),
        instant(format!("{}-01-01T00:00:00Z", YEAR + 1)),
    );
    let mut opinion = snapshot.rules_say(&question, first);
    let (at_first, mut changes) = (opinion.permits(), vec![]);
    let mut permits = at_first;
    while let Some(next) = opinion.ask_again_at.filter(|next| *next < end) {
        let just_before = next.checked_sub(jiff::SignedDuration::from_nanos(1)).unwrap();
        assert_eq!(snapshot.rules_say(&question, just_before).permits(), permits, "{when} {next}");
        opinion = snapshot.rules_say(&question, next);
        assert_ne!(opinion.permits(), permits, "{when}: asked again for nothing at {next}");
        permits = opinion.permits();
        assert_eq!(next.subsec_nanosecond(), 0);
        assert_eq!(next.as_second() % 60, 0);
        changes.push(next.as_second() / 60);
    }
    (at_first, changes)
}

#[test]
fn hours_are_those_on_the_wall_and_end_when_they_say() {
    for zone in ZONES {
        for ((window, _), expected) in WINDOWS.iter().zip(oracle(zone)) {
            let found = by_us(&format!("time={window} {zone}"));
            assert_eq!(found, expected, "{window} {zone}");
            assert!(found.1.len() > 50 || *window == "00:00-24:00", "{window} {zone}");
        }
    }
}
