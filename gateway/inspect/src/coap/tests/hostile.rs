//! Hostile CoAP datagrams of clients, and what the machine does with each.

use Then::{Answered, Changed, Forwarded, Reset, Silence};

use super::{flow, hex, read, renamed};
use crate::machine::Sender;

/// What the machine does with a datagram of the client when everything is permitted.
enum Then {
    /// It asks these questions, and forwards the datagram with only its token changed.
    Forwarded(&'static [&'static str]),
    /// The same, but the options and the payload become these.
    Changed(&'static [&'static str], &'static str),
    /// It asks nothing, and sends the client this answer.
    Answered(&'static str),
    /// It asks nothing, and rejects the message.
    Reset,
    /// It asks nothing, and sends nothing.
    Silence,
}

/// The first bytes are type and token length, code, and id.
const CASES: &[(&str, &str, Then)] = &[
    // The four methods, confirmable and not, with tokens of every length.
    ("the root", "40 01 0007", Forwarded(&["get lamp/"])),
    ("the root, by one empty segment", "40 01 0007 b0", Forwarded(&["get lamp/"])),
    ("get", "41 01 0007 aa b1 61", Forwarded(&["get lamp/a"])),
    ("get, not confirmable", "51 01 0007 aa b1 61", Forwarded(&["get lamp/a"])),
    ("post", "42 02 0007 aabb b1 61 ff 00", Forwarded(&["post lamp/a"])),
    ("put", "44 03 ffff aabbccdd b1 61 ff 616263", Forwarded(&["put lamp/a"])),
    ("delete", "48 04 0000 0102030405060708 b1 61", Forwarded(&["delete lamp/a"])),
    // Segments.
    ("two segments", "40 01 0007 b1 61 01 62", Forwarded(&["get lamp/a/b"])),
    ("an empty last segment", "40 01 0007 b1 61 00", Forwarded(&["get lamp/a/"])),
    ("an empty segment in front", "40 01 0007 b0 01 61", Answered("60 80 0007")),
    ("two empty segments in front", "41 01 0007 aa b0 00 01 61", Answered("61 80 0007 aa")),
    ("an empty segment between", "40 01 0007 b1 61 00 01 62", Answered("60 80 0007")),
    ("two empty segments", "50 01 0007 b0 00", Answered("50 80 0007")),
    ("two empty last segments", "40 01 0007 b1 61 00 00", Answered("60 80 0007")),
    (
        "what servers are asked first",
        "40 01 0007 bb 2e77656c6c2d6b6e6f776e 04 636f7265",
        Forwarded(&["get lamp/.well-known/core"]),
    ),
    ("escapes of dots", "40 01 0007 b6 253265253265", Answered("60 80 0007")),
    ("an escape of a letter", "40 01 0007 b3 253634", Answered("60 80 0007")),
    ("an escape at the end", "40 01 0007 b4 61253246", Answered("60 80 0007")),
    ("a percent sign", "40 01 0007 b4 31303025", Forwarded(&["get lamp/100%"])),
    ("a percent sign and one digit", "40 01 0007 b3 253667", Forwarded(&["get lamp/%6g"])),
    ("a star is a letter", "40 01 0007 b2 2a2a", Forwarded(&["get lamp/**"])),
    ("two bytes of UTF-8", "40 01 0007 b2 c3a9", Forwarded(&["get lamp/é"])),
    ("three dots", "40 01 0007 b3 2e2e2e", Forwarded(&["get lamp/..."])),
    ("a dot", "40 01 0007 b1 2e", Answered("60 80 0007")),
    ("two dots", "41 01 0007 aa b1 61 02 2e2e", Answered("61 80 0007 aa")),
    ("two dots, not confirmable", "51 01 0007 aa b2 2e2e", Answered("51 80 0007 aa")),
    ("a slash in a segment", "40 01 0007 b3 612f62", Answered("60 80 0007")),
    ("a slash alone", "40 01 0007 b1 2f", Answered("60 80 0007")),
    ("NUL in a segment", "40 01 0007 b2 6100", Answered("60 80 0007")),
    ("a backslash", "40 01 0007 b3 615c62", Answered("60 80 0007")),
    ("a question mark", "40 01 0007 b2 613f", Answered("60 80 0007")),
    ("a number sign", "40 01 0007 b3 612362", Answered("60 80 0007")),
    ("a tab", "40 01 0007 b3 610962", Answered("60 80 0007")),
    ("a control character beyond ASCII", "40 01 0007 b3 61c285", Answered("60 80 0007")),
    ("a byte that is no UTF-8", "40 01 0007 b1 ff", Answered("60 80 0007")),
    ("a slash in more bytes than it needs", "40 01 0007 b2 c0af", Answered("60 80 0007")),
    ("half a surrogate", "40 01 0007 b3 eda080", Answered("60 80 0007")),
    // Parts that are not decided.
    ("a query", "40 01 0007 b1 61 41 78", Forwarded(&["get lamp/a"])),
    ("a query that looks like a path", "40 01 0007 b1 61 44 2f2e2e2f", Forwarded(&["get lamp/a"])),
    ("a query of the root", "40 01 0007 d1 02 78", Forwarded(&["get lamp/"])),
    ("If-Match, empty", "40 03 0007 10 a1 61", Forwarded(&["put lamp/a"])),
    (
        "If-Match of 9 bytes",
        "40 03 0007 19 010203040506070809 a1 61",
        Answered("60 82 0007 ff 6f7074696f6e2031"),
    ),
    ("If-None-Match", "40 03 0007 50 61 61", Forwarded(&["put lamp/a"])),
    ("If-None-Match, twice", "40 03 0007 50 00 61 61", Answered("60 82 0007 ff 6f7074696f6e2035")),
    ("If-None-Match with a value", "40 03 0007 51 00", Answered("60 82 0007 ff 6f7074696f6e2035")),
    ("ETag, twice", "40 01 0007 41 01 01 02 71 61", Forwarded(&["get lamp/a"])),
    ("a block that is asked for", "40 01 0007 b1 61 c1 16", Forwarded(&["get lamp/a"])),
    ("a block that is sent", "40 03 0007 b1 61 d1 03 1e ff 00", Forwarded(&["put lamp/a"])),
    ("Block2, twice", "40 01 0007 d1 0a 06 01 06", Answered("60 82 0007 ff 6f7074696f6e203233")),
    (
        "Block2 of 4 bytes",
        "40 01 0007 d4 0a 00000006",
        Answered("60 82 0007 ff 6f7074696f6e203233"),
    ),
    ("Echo and Request-Tag", "40 03 0007 b1 61 d1 e4 01 d1 1b 02", Forwarded(&["put lamp/a"])),
    ("No-Response", "50 03 0007 b1 61 d1 ea 1a", Forwarded(&["put lamp/a"])),
    (
        "No-Response of 2 bytes",
        "50 03 0007 b1 61 d2 ea 001a",
        Answered("50 82 0007 ff 6f7074696f6e20323538"),
    ),
    // Unknown options: 65000 may pass, the next three may not.
    ("elective and safe", "40 01 0007 e0 fcdb", Forwarded(&["get lamp/"])),
    ("critical", "40 01 0007 e0 fcdc", Answered("60 82 0007 ff 6f7074696f6e203635303031")),
    ("unsafe to forward", "40 01 0007 e0 fcdd", Answered("60 82 0007 ff 6f7074696f6e203635303032")),
    (
        "critical and unsafe",
        "40 01 0007 e0 fcde",
        Answered("60 82 0007 ff 6f7074696f6e203635303033"),
    ),
    ("Content-Format of 3 bytes", "40 03 0007 c3 000000", Forwarded(&["put lamp/"])),
    ("Max-Age in a request", "40 01 0007 d1 01 05", Answered("60 82 0007 ff 6f7074696f6e203134")),
    ("OSCORE", "41 02 0007 aa 91 09", Answered("61 82 0007 aa ff 6f7074696f6e2039")),
    ("EDHOC", "40 02 0007 d0 08", Answered("60 82 0007 ff 6f7074696f6e203231")),
    ("Q-Block1", "40 03 0007 d1 06 06", Answered("60 82 0007 ff 6f7074696f6e203139")),
    ("Q-Block2", "40 01 0007 d1 12 06", Answered("60 82 0007 ff 6f7074696f6e203331")),
    // Options that name the server.
    ("Uri-Host", "40 01 0007 34 6c616d70 81 61", Changed(&["get lamp/a"], "b1 61")),
    ("Uri-Host and Uri-Port", "40 01 0007 31 78 42 1633 41 61", Changed(&["get lamp/a"], "b1 61")),
    ("Uri-Port alone", "40 01 0007 71 50", Changed(&["get lamp/"], "")),
    ("Uri-Host, empty", "40 01 0007 30 81 61", Answered("60 82 0007 ff 6f7074696f6e2033")),
    ("Uri-Host, twice", "40 01 0007 31 78 01 79", Answered("60 82 0007 ff 6f7074696f6e2033")),
    ("Uri-Port of 3 bytes", "40 01 0007 73 000050", Answered("60 82 0007 ff 6f7074696f6e2037")),
    ("Proxy-Uri", "41 01 0007 aa d9 16 636f61703a2f2f782f", Answered("61 a5 0007 aa")),
    ("Proxy-Uri, empty", "40 01 0007 d0 16", Answered("60 a5 0007")),
    ("Proxy-Scheme after a path", "40 01 0007 b1 61 d4 0f 68747470", Answered("60 a5 0007")),
    ("Proxy-Uri, not confirmable", "50 01 0007 d1 16 78", Answered("50 a5 0007")),
    // Hops.
    ("a hop is counted", "40 01 0007 b1 61 51 10", Changed(&["get lamp/a"], "b1 61 51 0f")),
    ("the last hop but one", "40 01 0007 d1 03 02", Changed(&["get lamp/"], "d1 03 01")),
    ("the last hop", "40 01 0007 d1 03 01", Answered("60 a8 0007")),
    ("no hop", "40 01 0007 d1 03 00", Answered("60 80 0007")),
    ("no hop, shorter", "40 01 0007 d0 03", Answered("60 80 0007")),
    ("more hops than there can be", "40 01 0007 d2 03 0100", Answered("60 80 0007")),
    // Observing.
    ("register", "41 01 0007 aa 60 51 61", Forwarded(&["get lamp/a", "observe lamp/a"])),
    (
        "register by a zero",
        "40 01 0007 61 00 51 61",
        Changed(&["get lamp/a", "observe lamp/a"], "60 51 61"),
    ),
    (
        "register by three zeros",
        "40 01 0007 63 000000",
        Changed(&["get lamp/", "observe lamp/"], "60"),
    ),
    ("deregister", "40 01 0007 61 01 51 61", Forwarded(&["get lamp/a"])),
    ("deregister by two bytes", "40 01 0007 62 0001", Changed(&["get lamp/"], "61 01")),
    ("another value", "40 01 0007 61 02 51 61", Changed(&["get lamp/a"], "b1 61")),
    ("256, which ends in a zero", "40 01 0007 62 0100", Changed(&["get lamp/"], "")),
    ("at another method", "40 02 0007 60 51 61", Changed(&["post lamp/a"], "b1 61")),
    ("register, twice", "40 01 0007 60 00", Answered("60 82 0007 ff 6f7074696f6e2036")),
    ("deregister and register", "40 01 0007 61 01 00", Answered("60 82 0007 ff 6f7074696f6e2036")),
    ("register by 4 bytes", "40 01 0007 64 00000000", Answered("60 82 0007 ff 6f7074696f6e2036")),
    // Methods that are not actions.
    ("FETCH", "41 05 0007 aa b1 61", Answered("61 85 0007 aa")),
    ("PATCH", "40 06 0007 b1 61", Answered("60 85 0007")),
    ("iPATCH, not confirmable", "50 07 0007", Answered("50 85 0007")),
    ("a method that is none", "40 1f 0007", Answered("60 85 0007")),
    // Messages that are malformed.
    ("nothing", "", Silence),
    ("three bytes", "40 01 00", Silence),
    ("version 0", "00 01 0007", Silence),
    ("version 2", "80 01 0007", Silence),
    ("version 3", "c0 01 0007", Silence),
    ("a class of 1", "40 21 0007", Reset),
    ("a class of 6", "40 c0 0007", Reset),
    ("a signal of CoAP over TCP", "40 e1 0007", Reset),
    ("a class of 7, not confirmable", "50 ff 0007", Silence),
    ("a token of 9 bytes", "49 01 0007 010203040506070809", Reset),
    ("a token of 15 bytes", "4f 01 0007 0102030405060708090a0b0c0d0e0f", Reset),
    ("a token of 9 bytes, not confirmable", "59 01 0007 010203040506070809", Silence),
    ("a token that is cut off", "44 01 0007 aabbcc", Reset),
    ("a difference of 15", "40 01 0007 f0", Reset),
    ("a length of 15", "40 01 0007 bf", Reset),
    ("an option that is cut off", "40 01 0007 b2 61", Reset),
    ("a difference that is cut off", "40 01 0007 d0", Reset),
    ("a difference of two bytes that is cut off", "40 01 0007 e0 01", Reset),
    ("a length that is cut off", "40 01 0007 be ff", Reset),
    ("a number beyond the last", "40 01 0007 e0 fef3", Reset),
    ("numbers that add up to more than the last", "40 01 0007 e0 fef2 10", Reset),
    ("a marker without a payload", "40 01 0007 b1 61 ff", Reset),
    ("a marker without a payload, not confirmable", "50 01 0007 ff", Silence),
    // Empty messages, and messages that only a server sends.
    ("a ping", "40 00 0007", Reset),
    ("a ping with a token", "41 00 0007 aa", Reset),
    ("a ping with a token that is cut off", "41 00 0007", Reset),
    ("a ping with bytes", "40 00 0007 b1 61", Reset),
    ("nothing, not confirmable", "50 00 0007", Silence),
    ("an acknowledgement of nothing", "60 00 0007", Silence),
    ("a rejection of nothing", "70 00 0007", Silence),
    ("an acknowledgement with bytes", "60 00 0007 00", Silence),
    ("a request as an acknowledgement", "60 01 0007", Silence),
    ("a request as a rejection", "70 01 0007", Silence),
    ("a response as a rejection", "70 45 0007", Silence),
    ("a response", "40 45 0007 ff 61", Reset),
    ("a response, not confirmable", "50 45 0007 ff 61", Silence),
    ("a response as an acknowledgement", "60 45 0007 ff 61", Silence),
];

#[test]
fn what_becomes_of_what_a_client_sends() {
    for (name, datagram, then) in CASES {
        let datagram = hex(datagram);
        let became = read(&mut flow(), Sender::Client, &datagram, None);
        let refused = read(&mut flow(), Sender::Client, &datagram, Some(&[]));
        let (asked, device, client, fault) = match then {
            Forwarded(asked) => (*asked, renamed(&datagram, 0), vec![], false),
            Changed(asked, rest) => {
                let head = &datagram[..4 + usize::from(datagram[0] & 0xf)];
                (*asked, renamed(&[head, &hex(rest)].concat(), 0), vec![], false)
            }
            Answered(answer) => (&[][..], vec![], hex(answer), false),
            // A ping is no error.
            Reset => {
                let rejected = [&[0x70, 0], &datagram[2..4]].concat();
                (&[][..], vec![], rejected, *name != "a ping")
            }
            Silence => (&[][..], vec![], vec![], true),
        };
        assert_eq!(became.asked, asked, "{name}");
        assert_eq!(became.device, device, "{name}");
        assert_eq!(became.client, client, "{name}");
        assert_eq!(became.fault, fault, "{name}");
        // Without a permit nothing reaches the device. A request that would have is answered with
        // 4.03, in an acknowledgement or in a non-confirmable message.
        assert_eq!(refused.device, vec![], "{name}");
        if device.is_empty() {
            assert_eq!(refused, became, "{name}");
        } else {
            let token = usize::from(datagram[0] & 0xf);
            let kind = if datagram[0] & 0x30 == 0 { 0x60 } else { 0x50 };
            let mut forbidden = datagram[..4 + token].to_vec();
            (forbidden[0], forbidden[1]) = (kind | datagram[0] & 0xf, 0x83);
            assert_eq!(refused.client, forbidden, "{name}");
            assert_eq!(refused.asked, asked, "{name}");
            assert!(!refused.fault);
        }
    }
}

#[test]
fn what_is_long_is_bounded_by_what_can_be_named() {
    let path = |segments: usize, length: usize| {
        let length = u8::try_from(length - 13).unwrap();
        let segment = |delta: u8| {
            [&[delta << 4 | 13, length], &vec![b'a'; usize::from(length) + 13][..]].concat()
        };
        let mut datagram = hex("40 01 0007");
        for at in 0..segments {
            datagram.extend(segment(if at == 0 { 11 } else { 0 }));
        }
        datagram
    };
    let forwarded = |datagram: &[u8]| {
        let became = read(&mut flow(), Sender::Client, datagram, None);
        let rejected = became.client == hex("60 80 0007");
        assert!(rejected || became.device == renamed(datagram, 0));
        !rejected
    };
    assert!(forwarded(&path(1, 255)));
    assert!(forwarded(&path(31, 255)));
    // 32 segments of 256 bytes with their slashes, and the interface's name.
    assert!(!forwarded(&path(32, 255)));
    assert!(forwarded(&path(127, 13)));
    assert!(!forwarded(&path(128, 13)));
    // A segment of 256 bytes is no Uri-Path.
    let became = read(&mut flow(), Sender::Client, &path(1, 256), None);
    assert_eq!(became.client, [hex("60 82 0007 ff"), b"option 11".to_vec()].concat());
    // A payload may be as long as a datagram.
    let long = [hex("42 03 0007 aabb b1 61 ff"), vec![0; 65_507 - 9]].concat();
    assert!(forwarded(&long));
}
