//! Tests of how patterns are read, compared and printed.

use super::*;
use doorward_model::{Action, Protocol};

fn reach(pattern: &str, protocol: Protocol, action: Action, path: &str) -> (bool, bool) {
    let pattern: Pattern = pattern.parse().unwrap();
    let path = if protocol == Protocol::Http {
        Path::literal(path)
    } else {
        Path::parse(protocol, action, path)
    };
    let path = path.unwrap();
    (pattern.covers(&path), pattern.overlaps(&path))
}

const NO: (bool, bool) = (false, false);
const PART: (bool, bool) = (false, true);
const ALL: (bool, bool) = (true, true);

#[test]
fn text_is_reached_segment_by_segment() {
    for (pattern, path, expected) in [
        ("web", "web", ALL),
        ("web", "web/a", NO),
        ("web/**", "web", ALL),
        ("web/**", "web/a/b", ALL),
        ("**", "web", ALL),
        ("*", "web/a", NO),
        ("web/*", "web", NO),
        ("web/*", "web/a", ALL),
        ("web/*", "web/", ALL),
        ("web/a", "web/a/", NO),
        ("web/a/", "web/a/", ALL),
        ("web/*/b/**", "web/a/b", ALL),
        ("web/*/b/**", "web/a/c", NO),
        ("web/0-99", "web/7", NO),
        ("web/0-99", "web/0-99", ALL),
        ("web/a%2Ab%2C%20%25", "web/a*b, %", ALL),
        ("web/a*b".replace('*', "%2a").as_str(), "web/a*b", ALL),
    ] {
        assert_eq!(reach(pattern, Protocol::Http, Action::Get, path), expected, "{pattern} {path}");
    }
}

#[test]
fn a_reading_is_reached_in_any_case_and_by_a_rule_that_denies() {
    for (pattern, path, reached) in [
        ("web/admin/**", "web/Admin/x", true),
        ("web/Admin/**", "web/admin;v=1/x", true),
        ("web/a%20b", "web/A+b.", true),
        ("web/a%2520b", "web/a+b", true),
        ("web/a", "web/a/", true),
        ("web/*/5", "web/x/5.", true),
        ("Web/a", "web/a", false),
        ("web/a/", "web/a", false),
        ("web/a;b".replace(';', "%3B").as_str(), "web/a", false),
        ("web/a+b", "web/a%20b", false),
        ("web/1-9", "web/5", false),
    ] {
        let read: Pattern = pattern.parse().unwrap();
        let names = Path::literal(path).unwrap().http_readings().unwrap();
        assert_eq!(names.iter().any(|name| read.overlaps(name)), reached, "{pattern} {path}");
    }
}

#[test]
fn patterns_meet_where_a_path_of_one_is_read_as_a_path_of_the_other() {
    for (denied, granted, meet) in [
        ("admin/**", "**", true),
        ("admin/**", "Admin/x", true),
        ("admin/**", "api/**", false),
        ("admin/**", "*/x", true),
        ("admin/**", "admin%3Bv/x", true),
        ("a%20b", "a+b", true),
        ("a+b", "a%2520b", false),
        ("a/b", "a/*/b", true),
        ("a/b", "a/x/b", false),
        ("a", "a/", true),
        ("a/", "a", false),
        ("*", "a/b", false),
        ("*/**", "a/b", true),
        ("a/b/c/**", "a/b", false),
        ("a/b/c", "a/**", true),
    ] {
        let read = |text: &str| text.parse::<Pattern>().unwrap();
        assert_eq!(read(denied).meets_reading_of(&read(granted)), meet, "{denied} {granted}");
    }
}

#[test]
fn numbers_are_covered_whole_and_overlapped_in_part() {
    for (pattern, path, expected) in [
        ("m/1/holding/0-99", "m/1/holding/7", ALL),
        ("m/1/holding/0-99", "m/1/holding/90-99", ALL),
        ("m/1/holding/0-99", "m/1/holding/90-100", PART),
        ("m/1/holding/0-99", "m/1/holding/100-110", NO),
        ("m/1/holding/0%2D99", "m/1/holding/7", NO),
        ("m/*/holding/*", "m/1/holding/0-65535", ALL),
        ("m/1-3/holding/*", "m/3/holding/1", ALL),
        ("m/1-3/holding/*", "m/4/holding/1", NO),
        ("m/*/coil/*", "m/1/holding/1", NO),
        // Broadcast: an allow rule must name unit 0, and every deny rule meets it.
        ("m/*/holding/*", "m/0/holding/1", PART),
        ("m/**", "m/0/holding/1", PART),
        ("m/0-9/holding/*", "m/0/holding/1", PART),
        ("m/5/holding/*", "m/0/holding/1", PART),
        ("m/0/holding/*", "m/0/holding/1", ALL),
        ("m/0-0/holding/*", "m/0/holding/1", PART),
        ("m/%30/holding/*", "m/0/holding/1", PART),
        ("m/0/holding/*", "m/5/holding/1", NO),
    ] {
        assert_eq!(
            reach(pattern, Protocol::Modbus, Action::Read, path),
            expected,
            "{pattern} {path}"
        );
    }
}

#[test]
fn filters_are_covered_whole_and_overlapped_in_part() {
    for (pattern, path, expected) in [
        ("b/**", "b/#", ALL),
        ("b/*/**", "b/#", PART),
        ("b/a/**", "b/#", PART),
        ("b/a/**", "b/a/#", ALL),
        ("b/a/*/**", "b/a/#", PART),
        ("b/a", "b/a/#", PART),
        ("b/a/*", "b/a/+", ALL),
        ("b/a/x", "b/a/+", PART),
        ("b/secrets/**", "b/+/x", PART),
        ("b/secrets/**", "b/+", PART),
        ("b/secrets/*/**", "b/+", NO),
        ("b/a/b/c", "b/+/+", NO),
        // A wildcard does not match a first level that begins with $.
        ("b/**", "b/$SYS/x", NO),
        ("b/*/x", "b/$SYS/x", NO),
        ("b/$SYS/**", "b/#", NO),
        ("b/$SYS/**", "b/+/x", NO),
        ("b/$SYS/**", "b/$SYS/#", ALL),
        ("b/a/*", "b/a/$x", ALL),
        ("b/**", "b/$share/g/a/#", ALL),
    ] {
        assert_eq!(
            reach(pattern, Protocol::Mqtt, Action::Subscribe, path),
            expected,
            "{pattern} {path}"
        );
    }
}

#[test]
fn a_pattern_is_written_as_it_reads() {
    for (text, written) in [
        ("web/**", "web/**"),
        ("**", "**"),
        ("m/*/holding/0-99", "m/*/holding/0-99"),
        ("m/0%2D99/7/7-7", "m/%30-99/7/7-7"),
        ("web//a/", "web//a/"),
        ("web/a%2ab%2C%20%25", "web/a%2Ab%2C%20%25"),
        ("web/%c3%a4/\u{e4}", "web/\u{e4}/\u{e4}"),
        ("web/%2F", "web/%2F"),
    ] {
        let pattern: Pattern = text.parse().unwrap();
        assert_eq!(pattern.to_string(), written, "{text}");
        assert_eq!(written.parse::<Pattern>().unwrap(), pattern, "{text}");
    }
}

#[test]
fn refuses_what_is_no_pattern() {
    use PatternError as E;
    for (text, why) in [
        ("", E::Empty),
        ("/a", E::Empty),
        ("**/a", E::Inner),
        ("a/**/b", E::Inner),
        ("a/b*", E::Mixed("b*".into())),
        ("a/***", E::Mixed("***".into())),
        ("a/b c", E::Bare(' ')),
        ("a/b|c", E::Bare('|')),
        ("a/b\"", E::Bare('"')),
        ("a/\u{1b}", E::Bare('\u{1b}')),
        ("a/%4", E::Escape("%4".into())),
        ("a/%zz", E::Escape("%zz".into())),
        ("a/%ff", E::Escape("%ff".into())),
        ("a/9-1", E::Backwards(9, 1)),
        (&"a".repeat(Path::LIMIT + 1), E::Length),
        (&"a/".repeat(Path::SEGMENTS), E::TooLong),
    ] {
        assert_eq!(text.parse::<Pattern>(), Err(why), "{text:?}");
    }
}

#[test]
fn includes_says_no_where_a_wildcard_may_not_reach() {
    for (wide, narrow, includes) in [
        ("b/**", "b/x/**", true),
        ("**", "b/x", true),
        ("b/*", "b/x", true),
        ("b/x", "b/*", false),
        ("b/**", "b", true),
        ("b/*/c", "b/x/**", false),
        // A rule must name a topic that begins with $, and Modbus's broadcast.
        ("b/**", "b/$SYS/**", false),
        ("**", "b/$SYS/x", false),
        ("m/**", "m/0/holding/*", false),
        ("m/*/holding/*", "m/0/holding/*", false),
        ("m/0/**", "m/0/holding/7", true),
    ] {
        let read = |text: &str| text.parse::<Pattern>().unwrap();
        assert_eq!(read(wide).includes(&read(narrow)), includes, "{wide} {narrow}");
    }
}
