//! Properties of paths, checked on generated ones.

use doorward_model::{Action, Path, segment_readings, spelt_path};
use http::header::{HeaderName, HeaderValue};
use proptest::prelude::*;

use super::super::HttpRefusal;
use super::super::fields::is_not_for_backend;
use super::{Yes, interface, outcome, parse};
use crate::Judge;

/// Text that looks like a path, in every known spelling.
fn path() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "/",
        "/",
        "/",
        "//",
        "a",
        "b",
        "base",
        ".",
        "..",
        "...",
        ";",
        ";x=1",
        "%2e",
        "%2E",
        ".%2e",
        "%2f",
        "%2F",
        "%5c",
        "\\",
        "%00",
        "%25",
        "%252e",
        "%252f",
        "%2541",
        "%61",
        "%c3%a9",
        "%C3",
        "%c0%ae",
        "%3b",
        "%3B",
        "%40",
        "@",
        ":",
        "[",
        "|",
        "%",
        "%2",
        "%zz",
        "%7f",
        "é",
        "%0a",
        "%E2%80%AE",
        "%ff",
        "~",
        "%7E",
        "%20",
        "2",
        "e",
        "41",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
}

/// A judge that permits one path.
struct Only(String);

impl Judge for Only {
    fn may(&mut self, _: Action, path: &Path) -> bool {
        path.raw() == self.0
    }
}

/// Returns a path as a backend decodes it, once or several times.
fn decoded(path: &str, times: usize) -> Vec<u8> {
    let mut bytes = path.as_bytes().to_vec();
    for _ in 0..times {
        let (mut out, mut rest) = (Vec::new(), &bytes[..]);
        while let Some((byte, after)) = rest.split_first() {
            let octet = (*byte == b'%').then(|| after.get(..2)).flatten();
            let octet =
                octet.and_then(|two| u8::from_str_radix(str::from_utf8(two).ok()?, 16).ok());
            let octet = octet.filter(|_| after[0] != b'+');
            out.push(octet.unwrap_or(*byte));
            rest = if octet.is_some() { &after[2..] } else { after };
        }
        bytes = out;
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, ..ProptestConfig::default() })]

    #[test]
    fn a_spelling_is_its_own_spelling(path in path()) {
        if let Ok(spelt) = spelt_path(&path) {
            prop_assert_eq!(spelt_path(&spelt).unwrap(), &*spelt);
            prop_assert_eq!(decoded(&spelt, 1), decoded(&path, 1));
            // However often it is decoded, it does not leave its directory.
            for times in 0..4 {
                let read = String::from_utf8(decoded(&spelt, times)).unwrap();
                prop_assert!(!read.contains(['\\', '\0', '\n']));
                let mut segments = read.split('/').map(|one| one.split(';').next().unwrap());
                prop_assert!(segments.all(|segment| segment != "." && segment != ".."));
                prop_assert!(!read.contains("//"));
            }
            for segment in spelt.split('/') {
                for reading in segment_readings(segment).unwrap_or_default() {
                    prop_assert!(!reading.contains(['/', '\\', '\0', '\n']));
                    prop_assert!(reading != "." && reading != "..");
                }
            }
        }
    }

    #[test]
    fn any_text_has_one_spelling_or_none(path in "/\\PC*") {
        if let Ok(spelt) = spelt_path(&path) {
            prop_assert_eq!(spelt_path(&spelt).unwrap(), &*spelt);
        }
    }

    #[test]
    fn what_is_forwarded_is_decided_as_itself(path in path(), query in "[?]?[a-z/.%\\\\]{0,6}") {
        let query = if query.starts_with('?') { query } else { String::new() };
        let Some(head) = parse(&format!("GET {path}{query} HTTP/1.1\r\nHost: {}\r\n\r\n", super::NAME))
        else { return Ok(()) };
        let interface = interface("/base");
        let Ok(asked) = interface.read(head, None, false) else { return Ok(()) };
        let asks: Vec<_> = asked.asks().map(|(action, path)| (action, path.clone())).collect();
        let (head, _) = interface.forward(asked.judge(&mut Yes).unwrap());
        let target = head.uri.to_string();
        let inner = target.strip_prefix("/base").unwrap();
        prop_assert!(inner.starts_with('/'));
        let again = parse(&format!("GET {inner} HTTP/1.1\r\nHost: {}\r\n\r\n", super::NAME)).unwrap();
        let again = interface.read(again, None, false).unwrap();
        let asked_again: Vec<_> =
            again.asks().map(|(action, path)| (action, path.clone())).collect();
        prop_assert_eq!(&asked_again, &asks);
        let (again, _) = interface.forward(again.judge(&mut Yes).unwrap());
        prop_assert_eq!(again.uri.to_string(), target.clone());
        prop_assert_eq!(asks[0].1.raw(), format!("web{}", inner.split('?').next().unwrap()));
    }

    #[test]
    fn nothing_is_forwarded_but_what_the_judge_has_permitted(path in path(), permitted in path()) {
        for permitted in [&path, &permitted] {
            let Some(head) = parse(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", super::NAME))
            else { return Ok(()) };
            let Ok(asked) = interface("").read(head, None, false) else { return Ok(()) };
            let all = asked.asks().all(|(_, path)| path.raw() == format!("web{permitted}"));
            match asked.judge(&mut Only(format!("web{permitted}"))) {
                Ok(granted) => {
                    prop_assert!(all);
                    prop_assert_eq!(&interface("").forward(granted).0.uri.to_string(), permitted);
                }
                Err(refusal) => {
                    prop_assert!(!all);
                    prop_assert_eq!(refusal, HttpRefusal::Forbidden);
                }
            }
        }
    }

    #[test]
    fn no_field_comes_through_that_is_not_for_the_backend(
        fields in prop::collection::vec((field(), "[ -~]{0,20}"), 0..20),
    ) {
        let mut head = parse(&format!("POST /a HTTP/1.1\r\nHost: {}\r\n\r\n", super::NAME)).unwrap();
        for (name, value) in &fields {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            head.headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        let interface = interface("");
        let Ok(asked) = interface.read(head, None, false) else { return Ok(()) };
        let (head, _) = interface.forward(asked.judge(&mut Yes).unwrap());
        for (name, value) in &head.headers {
            let folded = name.as_str().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
            match folded.as_str() {
                "host" => prop_assert_eq!((name.as_str(), value.as_bytes()), ("host", &b"plc.lan:8080"[..])),
                "connection" => {
                    let value = value.to_str().unwrap();
                    prop_assert!(["close", "te", "close, te"].contains(&value));
                }
                "te" => prop_assert_eq!(value, "trailers"),
                _ => prop_assert!(!is_not_for_backend(name.as_str()), "{name}"),
            }
            let begins = ["proxy", "x-forwarded", "doorward-", "x-real-ip", "transfer-e", "upgrade"];
            prop_assert!(!begins.iter().any(|begin| folded.starts_with(begin)), "{name}");
        }
        prop_assert_eq!(head.headers.get_all("host").iter().count(), 1);
    }

    #[test]
    fn no_request_makes_it_panic(text in "[ -~]{0,40}", line in "[A-Z]{1,8} [!-~]{1,40}") {
        if let Some(head) = parse(&format!("{line} HTTP/1.1\r\nHost: {}\r\n{text}\r\n\r\n", super::NAME)) {
            prop_assert!(!outcome(&interface("/base"), head, None).is_empty());
        }
    }
}

/// Names of removed fields, as they are and in folded spellings, and other names.
fn field() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "proxy-authorization",
        "proxy",
        "doorward-identity",
        "doorward-x",
        "x-forwarded-for",
        "x-real-ip",
        "forwarded",
        "x-http-method-override",
        "x-original-url",
        "x-remote-user",
        "host_",
        "accept",
        "cookie",
        "content-type",
        "x-a",
        "via",
    ]);
    (known, any::<u16>()).prop_map(|(name, fold)| {
        let folds = ['-', '-', '_', '.'];
        let spell = |(at, c): (usize, char)| match c {
            '-' => folds[usize::from(fold >> (at % 15)) & 3],
            c => c,
        };
        name.chars().enumerate().map(spell).collect()
    })
}
