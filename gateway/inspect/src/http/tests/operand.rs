//! Queries with a decided part, and what the audit log stores of queries.

use doorward_model::{Action, HttpOptions, Inspection, Path, Target};
use proptest::prelude::*;

use super::super::recorded;
use super::{Yes, interface, outcome, parse, sent};

fn options(query: &str) -> HttpOptions {
    let target: Target = format!("http://plc.lan:8080?{query}").parse().unwrap();
    let Inspection::Http(options) = &target.inspected().unwrap().spoken else { panic!() };
    HttpOptions::clone(options)
}

/// Returns the result of a GET with that target, where `operand=query:cmd` is declared.
fn becomes(target: &str) -> String {
    let interface = interface("").with(&options("operand=query:cmd"));
    match parse(&sent(&format!("GET {target} HTTP/1.1\n$"))) {
        Some(head) => outcome(&interface, head, None),
        None => "unread".to_owned(),
    }
}

#[test]
fn a_part_of_the_query_is_asked_about_in_every_reading() {
    for (target, asked) in [
        ("/a", "get web/a"),
        ("/a?", "get web/a"),
        ("/a?x=1", "get web/a"),
        ("/a?cmd=reboot", "get web/a/@cmd=reboot"),
        ("/a?x=1&cmd=reboot&y=2", "get web/a/@cmd=reboot"),
        ("/a/?cmd=reboot", "get web/a//@cmd=reboot"),
        ("/?cmd=reboot", "get web//@cmd=reboot"),
        ("/a?cmd=%72eboot", "get web/a/@cmd=reboot"),
        ("/a?cmd=a%20b", "get web/a/@cmd=a%20b"),
        ("/a?cmd=a+b", "get web/a/@cmd=a%20b, get web/a/@cmd=a+b"),
        ("/a?cmd=a%2bb", "get web/a/@cmd=a+b, get web/a/@cmd=a%20b"),
        (
            "/a?cmd=a+b%2Bc",
            "get web/a/@cmd=a%20b+c, get web/a/@cmd=a+b+c, get web/a/@cmd=a%20b%20c",
        ),
        ("/a?cmd=a/b", "get web/a/@cmd=a%2Fb"),
        ("/a?cmd=..%2f..", "get web/a/@cmd=..%2F.."),
        ("/a?cmd=a=b", "get web/a/@cmd=a=b"),
        ("/a?cmd=a@b", "get web/a/@cmd=a@b"),
        ("/a?cmd=%40b", "get web/a/@cmd=@b"),
        ("/a?cmd=%22x%22", "get web/a/@cmd=%22x%22"),
        ("/a?cmd=%C3%A9", "get web/a/@cmd=%C3%A9"),
        ("/a?cmd=100%25", "get web/a/@cmd=100%25"),
        // Some servers take an empty value for none.
        ("/a?cmd=", "get web/a/@cmd=, get web/a"),
        ("/a?cmd", "get web/a/@cmd=, get web/a"),
        ("/a?&cmd=b&", "get web/a/@cmd=b"),
        ("/a?x=1;y=2&cmd=b", "get web/a/@cmd=b"),
        ("/a?cmdx=c&x[cmd]=d&y=cmd&cmd1=e", "get web/a"),
        // Each reading of the path with each reading of the query.
        ("/a%40;v?cmd=b", "get web/a%40;v/@cmd=b"),
    ] {
        let became = becomes(target);
        assert_eq!(became.split(" | ").next().unwrap(), asked, "{target}");
        let forwarded = became.split(" | ").nth(1).unwrap();
        assert_eq!(forwarded, format!("GET {target}"), "it is forwarded as it came");
    }
}

#[test]
fn what_servers_read_differently_is_refused() {
    for target in [
        "/a?cmd=a&cmd=a",
        "/a?cmd=a&cmd=b",
        "/a?cmd=a&CMD=b",
        "/a?cmd=a&cm%64=b",
        "/a?cmd=a&cmd[]=b",
        "/a?cmd=a&cmd",
        "/a?cmd=a;cmd=b",
        // Other spellings.
        "/a?CMD=a",
        "/a?Cmd=a",
        "/a?%63md=a",
        "/a?%2563md=a",
        "/a?cm%2564=a",
        "/a?%u0063md=a",
        "/a?cmd[]=a",
        "/a?cmd[0]=a",
        "/a?cmd%5B%5D=a",
        "/a?cmd.=a",
        "/a?.cmd=a",
        "/a?+cmd=a",
        "/a?%20cmd=a",
        "/a?cmd+=a",
        "/a?c-m_d=a",
        "/a?cmd%00=a",
        "/a?cmd%00x=a",
        "/a?cmd%3Da",
        "/a?cmd%253Da",
        "/a?%EF%BC%A3md=a",
        "/a?cmd%C2%A0=a",
        "/a?x%4=1",
        // Other separators.
        "/a?x=1;cmd=a",
        "/a?cmd=a;x=1",
        "/a?cmd;x=1",
        "/a?x=1%26cmd=a",
        "/a?x=1%3Bcmd%3Da",
        "/a?x=1%2526cmd%253Da",
        "/a?x=1?cmd=a",
        "/a?x=/b%3Fcmd=a",
        // Some servers search for `cmd=` anywhere.
        "/a?xcmd=reboot",
        "/a?x.CMD=reboot",
        "/a?a=cmd=reboot",
        "/a?a=%63md=reboot",
        "/a?a=cmd%3Dreboot",
        "/a?a=%2563md%253Dreboot",
        "/a?x%63md=reboot",
        "/a?cmd=status&xcmd=reboot",
        "/a?xcmd=reboot&cmd=status",
        "/a?cmd=cmd=reboot",
        "/a?cmd=a/Cmd=reboot",
        "/a?cmd=a%20cmd%3Dreboot",
        "/a?cmd&xcmd=reboot",
        // Values that are several to some servers.
        "/a?cmd=a%26b",
        "/a?cmd=a%3Bb",
        "/a?cmd=a%3Fb",
        "/a?cmd=a?b",
        "/a?cmd=a%2541",
        "/a?cmd=%25%34%31",
        "/a?cmd=%",
        "/a?cmd=%4",
        "/a?cmd=%zz",
        "/a?cmd=%u0061",
        "/a?cmd=a%00",
        "/a?cmd=a%0d%0ab",
        "/a?cmd=%C2%85",
        "/a?cmd=%FF",
        "/a?cmd=%C0%AE",
    ] {
        assert_eq!(becomes(target), "400 query", "{target}");
    }
}

/// A path must never pass for a decided part of the query.
#[test]
fn a_path_that_ends_like_a_part_of_the_query_is_refused() {
    for target in [
        "/a/@cmd=status",
        "/@cmd=status",
        "/a/%40cmd=status",
        "/a/@",
        "/a/@x",
        "/a/@cmd=status;v=1",
        "/a/%40cmd%3Dstatus",
        "/a/@cmd=status?cmd=status",
    ] {
        assert_eq!(becomes(target), "400 path", "{target}");
        let path = target.split('?').next().unwrap();
        let head = parse(&sent(&format!("GET {path} HTTP/1.1\n$"))).unwrap();
        assert!(
            outcome(&interface(""), head, None).starts_with("get web/"),
            "elsewhere it is a path"
        );
    }
    for target in ["/a@b", "/@a/b", "/a/x@cmd=status"] {
        assert!(becomes(target).starts_with("get web/"), "{target}");
    }
    let long = format!("/a?cmd={}", "/".repeat(3000));
    assert_eq!(becomes(&long), "414 target-too-long");
    let deep = "/a".repeat(127);
    assert_eq!(becomes(&format!("{deep}?cmd=x")), "414 target-too-long");
}

/// A right on the path alone, or on another value, is not enough.
#[test]
fn all_of_it_must_be_permitted() {
    struct Only(&'static [&'static str]);
    impl crate::Judge for Only {
        fn may(&mut self, _: Action, path: &Path) -> bool {
            self.0.contains(&&*path.raw())
        }
    }
    for (target, granted, permitted) in [
        ("/a", &["web/a"][..], true),
        ("/a?cmd=x", &["web/a"], false),
        ("/a?cmd=x", &["web/a/@cmd=x"], true),
        ("/a?cmd=x", &["web/a/@cmd=y"], false),
        ("/a?cmd=x+y", &["web/a/@cmd=x%20y"], false),
        ("/a?cmd=x+y", &["web/a/@cmd=x%20y", "web/a/@cmd=x+y"], true),
        ("/a?cmd=", &["web/a"], false),
        ("/a?cmd=", &["web/a/@cmd="], false),
        ("/a?cmd=", &["web/a", "web/a/@cmd="], true),
    ] {
        let interface = interface("").with(&options("operand=query:cmd"));
        let head = parse(&sent(&format!("GET {target} HTTP/1.1\n$"))).unwrap();
        let judged = interface.read(head, None, false).unwrap().judge(&mut Only(granted));
        assert_eq!(judged.is_ok(), permitted, "{target} {granted:?}");
    }
}

/// Servers that each read a query in their own way: the values of `cmd`, of which each may take
/// any.
fn servers(query: &str) -> Vec<Vec<String>> {
    fn decode(text: &str, plus: bool) -> String {
        let (mut out, mut rest) = (Vec::new(), text.as_bytes());
        while let Some((byte, after)) = rest.split_first() {
            let two = after.get(..2).and_then(|two| str::from_utf8(two).ok());
            let octet = two.filter(|two| !two.starts_with('+'));
            let octet = octet.and_then(|two| u8::from_str_radix(two, 16).ok());
            let (byte, after) = match (*byte, octet) {
                (b'%', Some(octet)) => (octet, &after[2..]),
                (b'+', _) if plus => (b' ', after),
                (byte, _) => (byte, after),
            };
            out.push(byte);
            rest = after;
        }
        String::from_utf8_lossy(&out).into_owned()
    }
    type Same = fn(&str) -> bool;
    let exact: Same = |name| name == "cmd";
    let folded: Same = |name| name.eq_ignore_ascii_case("cmd");
    let cut: Same = |name| name.split('[').next() == Some("cmd");
    let trimmed: Same = |name| name.trim() == "cmd";
    let read = |text: &str, ends: &[char], plus: bool, same: Same| -> Vec<String> {
        let parts = text.split(ends).filter_map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            same(&decode(name, plus)).then(|| decode(value, plus))
        });
        parts.collect()
    };
    let mut all = Vec::new();
    for text in [query.to_owned(), decode(query, false), decode(query, true)] {
        for ends in [&['&'][..], &['&', ';']] {
            for plus in [true, false] {
                for same in [exact, folded, cut, trimmed] {
                    all.push(read(&text, ends, plus, same));
                }
            }
        }
    }
    // Firmware searches for the first or last `cmd=` anywhere.
    for text in [query.to_owned(), decode(query, false), decode(query, true)] {
        let small = text.to_ascii_lowercase();
        for looked in [&text, &small] {
            for place in [looked.find("cmd="), looked.rfind("cmd=")] {
                let value = place.map(|at| text.get(at + 4..).unwrap().split('&').next().unwrap());
                for plus in [true, false] {
                    all.push(value.iter().map(|value| decode(value, plus)).collect());
                }
            }
        }
    }
    // Some servers skip empty values.
    let filled =
        |values: &Vec<String>| values.iter().filter(|one| !one.is_empty()).cloned().collect();
    let filled: Vec<Vec<String>> = all.iter().map(filled).collect();
    all.extend(filled);
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_server_reads_was_asked_about(
        pieces in prop::collection::vec(
            prop::sample::select(vec![
                "cmd", "cmd", "CMD", "cm", "d", "x", "=", "=", "&", "&", ";", "?", "%26", "%3D", "%3B",
                "%63", "%2563", "+", "%20", "%2B", "[", "]", "%5B", ".", "%", "%00", "a", "b", "%41",
                "%C3%A9", "%25", "%2526", "/", "@",
            ]),
            0..10,
        ),
    ) {
        let query = pieces.concat();
        let Some(head) = parse(&sent(&format!("GET /p?{query} HTTP/1.1\n$"))) else { return Ok(()) };
        let interface = interface("").with(&options("operand=query:cmd"));
        let Ok(asked) = interface.read(head, None, false) else { return Ok(()) };
        let asked: Vec<String> = asked.asks().map(|(_, path)| path.raw()).collect();
        for values in servers(&query) {
            if values.is_empty() {
                prop_assert!(asked.contains(&"web/p".to_owned()), "{query}: {asked:?}");
            }
            for value in values {
                let spelt = doorward_model::spelt_segment(&value);
                prop_assert!(asked.contains(&format!("web/p/@cmd={spelt}")), "{query}: {asked:?}");
            }
        }
    }

    #[test]
    fn no_secret_is_recorded(
        parts in prop::collection::vec(
            (
                prop::sample::select(vec![
                    "token=S3CRET", "TOKEN=S3CRET", "%74oken=S3CRET", "tok%65n=S3CRET", "token=a=S3CRET",
                    "token[]=S3CRET", "token%5B0%5D=S3CRET", "%2574oken=S3CRET", "password=%20S3CRET",
                    "u=/b?token=S3CRET", "u=%2Fb%3Ftoken%3DS3CRET", "x%26token%3DS3CRET", "token%3DS3CRET",
                    "token%3DS3CRET=", "token%253DS3CRET", "+token=S3CRET", "x=1", "", "token", "y", "=",
                    "%", "a=b=c",
                ]),
                prop::sample::select(vec!["&", ";", "&&", "%26", "%3B", "?"]),
            ),
            0..8,
        ),
    ) {
        let query: String = parts.iter().flat_map(|(part, end)| [*part, *end]).collect();
        let shown = recorded(Some(&query), &options("mask=token|password"));
        let shown = shown.map(|shown| shown.raw().to_owned()).unwrap_or_default();
        prop_assert!(!shown.contains("S3CRET"), "{query}: {shown}");
    }
}

#[test]
fn the_audit_log_gets_the_query_without_its_secrets() {
    for (declared, query, shown) in [
        ("", Some("a=1&b=2"), Some("a=1&b=2")),
        ("", Some(""), None),
        ("", None, None),
        ("query=off", Some("a=1"), None),
        ("query=off&mask=a", Some("a=1"), None),
        ("mask=token|password", Some("a=1&token=abc&b=2"), Some("a=1&token=***&b=2")),
        ("mask=token|password", Some("Token=abc&PASSWORD=x"), Some("Token=***&PASSWORD=***")),
        ("mask=TOKEN", Some("token=abc"), Some("token=***")),
        ("mask=token", Some("a=1;token=abc;b=2"), Some("a=1;token=***;b=2")),
        ("mask=token", Some("tok%65n=abc&x=1"), Some("tok%65n=***&x=1")),
        ("mask=token", Some("tok%2565n=abc"), Some("***")),
        ("mask=token", Some("token=a=b&token=&token"), Some("token=***&token=***&token")),
        ("mask=token", Some("token[]=abc&token%5B0%5D=d"), Some("token[]=***&token%5B0%5D=***")),
        ("mask=user[token]", Some("user[token]=abc&user[x]=1"), Some("user[token]=***&user[x]=1")),
        ("mask=token", Some("next=/a?token=abc"), Some("next=/a?token=***")),
        ("mask=token", Some("next=%2Fa%3Ftoken%3Dabc&x=1"), Some("next=***&x=1")),
        ("mask=token", Some("x%26token%3Dabc&y=1"), Some("***&y=1")),
        ("mask=token", Some("tokens=abc&my_token=x"), Some("tokens=abc&my_token=x")),
    ] {
        let came = recorded(
            query,
            &if declared.is_empty() { HttpOptions::default() } else { options(declared) },
        );
        assert_eq!(came.as_ref().map(doorward_model::PeerText::raw), shown, "{declared} {query:?}");
    }
    let long = "x".repeat(9000);
    assert_eq!(recorded(Some(&long), &HttpOptions::default()).unwrap().raw().len(), 256);
    let long = format!("{}&token={}", "x".repeat(300), "S".repeat(300));
    assert!(!recorded(Some(&long), &options("mask=token")).unwrap().raw().contains('S'));
}

#[test]
fn a_judge_that_says_yes_forwards_the_query_as_it_came() {
    let interface = interface("/base").with(&options("operand=query:cmd"));
    let head = parse(&sent("GET /a?cmd=%72eboot&x=%2e HTTP/1.1\n$")).unwrap();
    let asked = interface.read(head, None, false).unwrap();
    let (head, _) = interface.forward(asked.judge(&mut Yes).unwrap());
    assert_eq!(head.uri.to_string(), "/base/a?cmd=%72eboot&x=%2e");
}
