//! Datagrams of a CoAP device, and what the machine does with each.

use Then::{Forbidden, Forwarded, Reset, Silence};

use super::{flow, hex, read};
use crate::coap::Coap;
use crate::machine::Sender;

/// What the machine does with a datagram of the device.
enum Then {
    /// It asks the judge these questions, and sends the client this.
    Forwarded(&'static [&'static str], &'static str),
    /// It asks these questions, if any, and refuses: it sends the first to the client and the
    /// second to the device.
    Forbidden(&'static [&'static str], &'static str, &'static str),
    /// It rejects the datagram.
    Reset,
    /// It sends nothing.
    Silence,
}

/// Returns a flow with three requests: 1, confirmable, with the token `aa`; 2, not confirmable,
/// without a token; 3, a registration with the token `bbbb`. Towards the device their tokens are 0,
/// 1 and 2.
fn asked() -> Coap {
    let mut coap = flow();
    for request in ["41 01 0001 aa b1 61", "50 01 0002 b1 62", "42 01 0003 bbbb 60 51 6f"] {
        assert_ne!(read(&mut coap, Sender::Client, &hex(request), None).device, vec![]);
    }
    coap
}

const ZERO: &str = "0000000000000000";

/// The judge permits `observe lamp/o` if the name begins with `+`, and nothing otherwise.
const CASES: &[(&str, &str, Then)] = &[
    // Responses to a confirmable request.
    (
        "in an acknowledgement",
        "68 45 0001 0000000000000000 ff 78",
        Forwarded(&[], "61 45 0001 aa ff 78"),
    ),
    ("an error", "68 84 0001 0000000000000000", Forwarded(&[], "61 84 0001 aa")),
    ("a code that nobody knows", "68 7f 0001 0000000000000000", Forwarded(&[], "61 7f 0001 aa")),
    ("the highest code", "68 bf 0001 0000000000000000", Forwarded(&[], "61 bf 0001 aa")),
    ("a class of 6", "68 c0 0001 0000000000000000", Silence),
    (
        "with its options",
        "68 45 0001 0000000000000000 41 01 80 21 3c 92 0e 80",
        Forwarded(&[], "61 45 0001 aa 41 01 80 21 3c 92 0e 80"),
    ),
    ("an empty acknowledgement", "60 00 0001", Forwarded(&[], "60 00 0001")),
    ("a rejection", "70 00 0001", Forwarded(&[], "70 00 0001")),
    ("separately", "48 45 7777 0000000000000000 ff 78", Forwarded(&[], "41 45 7777 aa ff 78")),
    ("separately, not confirmable", "58 45 7777 0000000000000000", Forwarded(&[], "51 45 7777 aa")),
    // Responses to a request that is not confirmable.
    ("not confirmable", "58 45 7777 0000000000000001", Forwarded(&[], "50 45 7777")),
    ("confirmable", "48 45 7777 0000000000000001", Forwarded(&[], "40 45 7777")),
    ("a rejection of what is not confirmable", "70 00 0002", Forwarded(&[], "70 00 0002")),
    ("an acknowledgement of what is not confirmable", "60 00 0002", Silence),
    ("a response that acknowledges it", "68 45 0002 0000000000000001", Silence),
    // Tokens and ids that match nothing.
    ("by the client's token", "61 45 0001 aa", Silence),
    ("by the client's token, confirmable", "41 45 7777 aa", Reset),
    ("without a token", "40 45 7777", Reset),
    ("without a token, not confirmable", "50 45 7777", Reset),
    ("by the next token", "48 45 7777 0000000000000003", Reset),
    ("by a token that is one byte short", "47 45 7777 00000000000000", Reset),
    ("by another request's token", "68 45 0001 0000000000000001", Silence),
    ("by another request's id", "68 45 0003 0000000000000000", Silence),
    ("an acknowledgement of nothing", "60 00 0004", Silence),
    ("a rejection of nothing", "70 00 0004", Silence),
    // Notifications.
    (
        "+ the first one",
        "68 45 0003 0000000000000002 60 ff 78",
        Forwarded(&["observe lamp/o"], "62 45 0003 bbbb 60 ff 78"),
    ),
    (
        "the first one, refused",
        "68 45 0003 0000000000000002 60 ff 78",
        Forbidden(&["observe lamp/o"], "62 83 0003 bbbb", ""),
    ),
    (
        "it was not registered",
        "68 45 0003 0000000000000002 ff 78",
        Forwarded(&[], "62 45 0003 bbbb ff 78"),
    ),
    (
        "+ a further one",
        "58 45 7777 0000000000000002 61 05 ff 78",
        Forwarded(&["observe lamp/o"], "52 45 7777 bbbb 61 05 ff 78"),
    ),
    (
        "+ a confirmable one",
        "48 45 7777 0000000000000002 63 ffffff",
        Forwarded(&["observe lamp/o"], "42 45 7777 bbbb 63 ffffff"),
    ),
    (
        "a further one, refused",
        "58 45 7777 0000000000000002 61 05 ff 78",
        Forbidden(&["observe lamp/o"], "52 83 7777 bbbb", "70 00 7777"),
    ),
    (
        "a confirmable one, refused",
        "48 45 7777 0000000000000002 61 05",
        Forbidden(&["observe lamp/o"], "52 83 7777 bbbb", "70 00 7777"),
    ),
    ("nobody observes by this token", "48 45 7777 0000000000000000 61 05", Reset),
    ("nobody observes by this request", "68 45 0001 0000000000000000 61 05", Silence),
    // Options.
    (
        "elective and safe",
        "68 45 0001 0000000000000000 e0 fcdb",
        Forwarded(&[], "61 45 0001 aa e0 fcdb"),
    ),
    (
        "critical and safe",
        "68 45 0001 0000000000000000 e0 fcdc",
        Forwarded(&[], "61 45 0001 aa e0 fcdc"),
    ),
    (
        "unsafe to forward",
        "68 45 0001 0000000000000000 e0 fcdd",
        Forbidden(&[], "61 a2 0001 aa", ""),
    ),
    (
        "unsafe to forward, separately",
        "48 45 7777 0000000000000000 e0 fcdd",
        Forbidden(&[], "51 a2 7777 aa", "70 00 7777"),
    ),
    ("OSCORE, which is safe", "68 44 0001 0000000000000000 90", Forwarded(&[], "61 44 0001 aa 90")),
    (
        "Uri-Path in a response",
        "68 45 0001 0000000000000000 b1 61",
        Forbidden(&[], "61 a2 0001 aa", ""),
    ),
    (
        "Location-Path",
        "68 41 0001 0000000000000000 81 61 01 62",
        Forwarded(&[], "61 41 0001 aa 81 61 01 62"),
    ),
    (
        "+ Observe, twice",
        "58 45 7777 0000000000000002 60 00",
        Forbidden(&[], "52 a2 7777 bbbb", "70 00 7777"),
    ),
    (
        "+ Observe of 4 bytes",
        "58 45 7777 0000000000000002 64 00000001",
        Forbidden(&[], "52 a2 7777 bbbb", "70 00 7777"),
    ),
    (
        "Max-Age of 5 bytes",
        "68 45 0001 0000000000000000 d5 01 0000000005",
        Forbidden(&[], "61 a2 0001 aa", ""),
    ),
    (
        "Block2, twice",
        "68 45 0001 0000000000000000 d1 0a 06 01 06",
        Forbidden(&[], "61 a2 0001 aa", ""),
    ),
    // Messages that a device does not send.
    ("a request", "40 01 7777 b1 61", Reset),
    ("a request by a known token", "48 01 7777 0000000000000000", Reset),
    ("a request, not confirmable", "50 01 7777", Silence),
    ("a ping", "40 00 7777", Reset),
    ("a class of 7", "48 e1 7777 0000000000000000", Reset),
    ("a class of 1, not confirmable", "58 21 7777 0000000000000000", Silence),
    ("version 2", "a8 45 0001 0000000000000000", Silence),
    ("a marker without a payload", "48 45 7777 0000000000000000 ff", Reset),
    ("an acknowledgement with a token", "61 00 0001 aa", Silence),
    ("a response that rejects", "78 45 0001 0000000000000000", Silence),
    ("nothing", "", Silence),
];

#[test]
fn what_becomes_of_what_a_device_sends() {
    for (name, datagram, then) in CASES {
        let only: &[_] = if name.starts_with('+') { &["observe lamp/o"] } else { &[] };
        let datagram = hex(datagram);
        let became = read(&mut asked(), Sender::Device, &datagram, Some(only));
        let (asked, client, device, fault) = match *then {
            Forwarded(asked, client) => (asked, hex(client), vec![], false),
            Forbidden(asked, client, device) => (asked, hex(client), hex(device), false),
            Reset => (&[][..], vec![], [&[0x70, 0], &datagram[2..4]].concat(), *name != "a ping"),
            Silence => (&[][..], vec![], vec![], true),
        };
        assert_eq!(became.asked, asked, "{name}");
        assert_eq!(became.client, client, "{name}");
        assert_eq!(became.device, device, "{name}");
        assert_eq!(became.fault, fault, "{name}");
    }
}

#[test]
fn nothing_is_due_before_it_was_asked_for() {
    for (name, datagram, _) in CASES {
        let became = read(&mut flow(), Sender::Device, &hex(datagram), None);
        assert_eq!(became.client, vec![], "{name}");
        assert_eq!(became.asked, Vec::<String>::new(), "{name}");
    }
    let response = hex(&format!("48 45 7777 {ZERO}"));
    assert_eq!(read(&mut flow(), Sender::Device, &response, None).device, hex("70 00 7777"));
}
