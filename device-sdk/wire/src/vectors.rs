//! Checks the protocol's test vectors, and properties of every message.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use proptest::prelude::*;

use crate::message::{
    Answer, Asked, Control, Declined, FlowKind, Hello, Offer, Offering, OpenFrame, PostureMessage,
    Renewed, Taken, Value, Welcome, Why,
};
use crate::{FrameError, Frames, encode};

fn text(text: &str) -> String {
    text.to_owned()
}

fn controls() -> Vec<(&'static str, Control)> {
    let offered = Offer {
        id: 1,
        interfaces: vec![
            Offering { name: text("console"), kind: FlowKind::Stream },
            Offering { name: text("dns"), kind: FlowKind::Datagrams },
        ],
    };
    let report = BTreeMap::from([
        (text("boot-id"), Value::Text(text("6f1c"))),
        (text("disk-encrypted"), Value::Flag(true)),
        (text("listening-tcp"), Value::List(vec![text("0.0.0.0:22")])),
        (text("uptime-seconds"), Value::Number(86400)),
    ]);
    vec![
        (
            "hello",
            Control::Hello(Hello {
                versions: vec![1],
                software: text("camera/2.0"),
                instance: (0..16).collect(),
            }),
        ),
        (
            "welcome",
            Control::Welcome(Welcome {
                version: 1,
                software: text("doorward/0.1.0"),
                time: 1_767_225_600,
                session: text("s1"),
            }),
        ),
        ("offer", Control::Offer(offered)),
        (
            "taken",
            Control::Taken(Taken {
                id: 1,
                declined: BTreeMap::from([(text("dns"), text("not declared"))]),
            }),
        ),
        ("posture", Control::Posture(PostureMessage { id: 2, report })),
        ("noted", Control::Noted(2)),
        ("renew", Control::Renew(3, text("PEM"))),
        (
            "renewed",
            Control::Renewed(Renewed { id: 3, certificate: text("PEM"), anchors: text("PEM") }),
        ),
        ("declined", Control::Declined(Declined { id: 3, why: Why::Busy, detail: text("later") })),
        ("cut", Control::Cut(4, Why::Forbidden)),
        ("bye", Control::Bye(Why::Stopping, text("restart"))),
        ("ping", Control::Ping(7)),
        ("pong", Control::Pong(7)),
        ("not-known", Control::NotKnown(99)),
        ("kept", Control::Kept(3)),
        ("unknown", Control::Unknown(99)),
    ]
}

fn openings() -> Vec<(&'static str, OpenFrame)> {
    vec![
        ("open", OpenFrame::Open(Asked { interface: text("plc-3/console"), ..Asked::default() })),
        (
            "open-observing",
            OpenFrame::Open(Asked {
                interface: text("plc-3/console"),
                actions: vec![text("read")],
                kind: Some(FlowKind::Stream),
                ..Asked::default()
            }),
        ),
        (
            "open-to-a-device",
            OpenFrame::Open(Asked {
                interface: text("console"),
                actions: vec![text("read")],
                kind: Some(FlowKind::Stream),
                subject: Some(text("user/alice")),
                parameters: BTreeMap::from([(text("baud"), text("9600"))]),
            }),
        ),
        ("ask", OpenFrame::Ask(Asked { interface: text("plc-3/console"), ..Asked::default() })),
    ]
}

fn refused(from: Option<i64>) -> Answer {
    Answer::Refused { why: Why::Forbidden, detail: text("no"), flow: text("f2"), from }
}

fn answers() -> Vec<(&'static str, Answer)> {
    vec![
        (
            "admitted",
            Answer::Admitted {
                flow: text("f1"),
                kind: FlowKind::Stream,
                actions: vec![text("connect")],
            },
        ),
        ("refused", refused(None)),
        ("refused-until-later", refused(Some(1_767_225_600))),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

/// Returns the content of the vectors file: one frame on each line, with its length prefix.
fn vectors() -> String {
    let mut lines = String::from(
        "# Frames of doorward/1, in hexadecimal: name, then four bytes of length and the message.\n\
         # protocol.md says what they mean; a test of doorward-wire keeps this file true.\n",
    );
    let controls = controls().into_iter().map(|(name, one)| (name, one.encode()));
    let openings = openings().into_iter().map(|(name, one)| (name, one.encode()));
    let answers = answers().into_iter().map(|(name, one)| (name, one.encode()));
    for (name, message) in controls.chain(openings).chain(answers) {
        writeln!(lines, "{name} {}", hex(&encode(&message))).unwrap();
    }
    lines
}

#[test]
fn the_vectors_of_the_page_are_what_is_written() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/vectors.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, vectors()).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), vectors(), "UPDATE_GOLDEN=1 writes it anew");
}

#[test]
fn what_is_written_is_read() {
    for (name, control) in controls() {
        assert_eq!(Control::decode(&control.encode()).unwrap(), control, "{name}");
    }
    for (name, opening) in openings() {
        assert_eq!(OpenFrame::decode(&opening.encode()).unwrap(), opening, "{name}");
    }
    for (name, answer) in answers() {
        assert_eq!(Answer::decode(&answer.encode()).unwrap(), answer, "{name}");
    }
}

#[test]
fn unknown_keys_are_passed_over_and_unknown_types_named() {
    // [12, {1: 7, 9: [1, 2], 1000: "x"}]
    let ping = [0x82, 12, 0xa3, 1, 7, 9, 0x82, 1, 2, 0x19, 0x03, 0xe8, 0x61, 0x78];
    assert_eq!(Control::decode(&ping).unwrap(), Control::Ping(7));
    // [300, {1: null}]
    let later = [0x82, 0x19, 0x01, 0x2c, 0xa1, 1, 0xf6];
    assert_eq!(Control::decode(&later).unwrap(), Control::Unknown(300));
    assert_eq!(OpenFrame::decode(&later).unwrap(), OpenFrame::Unknown(300));
    assert_eq!(Answer::decode(&later).unwrap(), Answer::Unknown(300));
}

#[test]
fn what_is_no_message_is_refused() {
    for (what, bytes) in [
        ("nothing", &[][..]),
        ("a map", &[0xa0]),
        ("an array of three", &[0x83, 12, 0xa1, 1, 7, 0]),
        ("an array without an end", &[0x9f, 12, 0xa1, 1, 7, 0xff]),
        ("a text for a type", &[0x82, 0x61, 0x78, 0xa0]),
        ("a key that is missing", &[0x82, 12, 0xa0]),
        ("a value of another type", &[0x82, 12, 0xa1, 1, 0x61, 0x78]),
        ("a map that ends early", &[0x82, 12, 0xa2, 1, 7]),
        ("bytes after it", &[0x82, 12, 0xa1, 1, 7, 0]),
        (
            "an array that promises more than there is",
            &[0x82, 1, 0xa1, 1, 0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        ),
        ("bad UTF-8", &[0x82, 7, 0xa2, 1, 1, 2, 0x61, 0xff]),
    ] {
        assert!(Control::decode(bytes).is_err(), "{what}");
    }
}

proptest! {
    /// Any bytes: nothing panics, and a decoded message survives encoding and decoding.
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(control) = Control::decode(&bytes)
            && !matches!(control, Control::Unknown(_))
        {
            prop_assert_eq!(Control::decode(&control.encode()).unwrap(), control);
        }
        if let Ok(OpenFrame::Open(asked)) = OpenFrame::decode(&bytes) {
            let again = OpenFrame::Open(asked);
            prop_assert_eq!(OpenFrame::decode(&again.encode()).unwrap(), again);
        }
        drop(Answer::decode(&bytes));
    }

    /// A message with one byte changed, removed or inserted.
    #[test]
    fn bytes_that_were_meddled_with(
        which in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        how in 0..3u8,
    ) {
        let controls = controls();
        let mut message = controls[which.index(controls.len())].1.encode();
        let at = at.index(message.len());
        match how {
            0 => message[at] = byte,
            1 => { message.remove(at); }
            _ => message.insert(at, byte),
        }
        if let Ok(control) = Control::decode(&message)
            && !matches!(control, Control::Unknown(_))
        {
            prop_assert_eq!(Control::decode(&control.encode()).unwrap(), control);
        }
        let mut frames = Frames::new(64);
        frames.push(&message);
        if let Err(FrameError::TooLong { length, limit }) = frames.next() {
            prop_assert!(length as usize > limit);
        }
    }
}
