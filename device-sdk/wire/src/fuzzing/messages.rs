//! A fuzz target for the messages of `doorward/1`.

use std::collections::BTreeMap;

use super::Feed;
use crate::{
    Answer, Asked, Control, Declined, FlowKind, Hello, Offer, Offering, OpenFrame, PostureMessage,
    Renewed, Taken, Value, Welcome, Why,
};

/// How many bytes a message may grow by when it is encoded again, since optional keys are added.
const LEFT_OUT: usize = 8;

/// Checks messages: what is decoded from any bytes survives encoding and decoding, without growing
/// much. So does a generated message.
pub fn wire(bytes: &[u8]) {
    if let Ok(control) = Control::decode(bytes) {
        let again = control.encode();
        assert!(again.len() <= bytes.len() + LEFT_OUT);
        assert_eq!(Control::decode(&again).unwrap(), control);
    }
    if let Ok(opening) = OpenFrame::decode(bytes) {
        let again = opening.encode();
        assert!(again.len() <= bytes.len() + LEFT_OUT);
        assert_eq!(OpenFrame::decode(&again).unwrap(), opening);
    }
    if let Ok(answer) = Answer::decode(bytes) {
        let again = answer.encode();
        assert!(again.len() <= bytes.len() + LEFT_OUT);
        assert_eq!(Answer::decode(&again).unwrap(), answer);
    }
    let mut feed = Feed::new(bytes);
    let made = control(&mut feed);
    assert_eq!(Control::decode(&made.encode()).unwrap(), made);
    let made = opening(&mut feed);
    assert_eq!(OpenFrame::decode(&made.encode()).unwrap(), made);
    let made = answer(&mut feed);
    assert_eq!(Answer::decode(&made.encode()).unwrap(), made);
}

/// Generates a message of a control stream.
pub fn control(feed: &mut Feed<'_>) -> Control {
    match feed.byte() % 16 {
        0 => Control::Hello(Hello {
            versions: several(feed, |feed| feed.number()),
            software: feed.text(40),
            instance: feed.bytes(20).to_vec(),
        }),
        1 => Control::Welcome(Welcome {
            version: feed.number(),
            software: feed.text(40),
            time: feed.number().cast_signed(),
            session: feed.text(40),
        }),
        2 => Control::Offer(Offer {
            id: feed.number(),
            interfaces: several(feed, |feed| Offering { name: feed.text(20), kind: kind(feed) }),
        }),
        3 => Control::Taken(Taken { id: feed.number(), declined: texts(feed) }),
        4 => {
            let report = several(feed, |feed| (feed.text(20), value(feed))).into_iter().collect();
            Control::Posture(PostureMessage { id: feed.number(), report })
        }
        5 => Control::Noted(feed.number()),
        6 => Control::Renew(feed.number(), feed.text(60)),
        7 => Control::Renewed(Renewed {
            id: feed.number(),
            certificate: feed.text(60),
            anchors: feed.text(60),
        }),
        8 => {
            Control::Declined(Declined { id: feed.number(), why: why(feed), detail: feed.text(40) })
        }
        9 => Control::Cut(feed.number(), why(feed)),
        10 => Control::Bye(why(feed), feed.text(40)),
        11 => Control::Ping(feed.number()),
        12 => Control::Pong(feed.number()),
        13 => Control::NotKnown(feed.number()),
        14 => Control::Kept(feed.number()),
        // Lower numbers are known types.
        _ => Control::Unknown(feed.number().max(16)),
    }
}

fn opening(feed: &mut Feed<'_>) -> OpenFrame {
    let asked = Asked {
        interface: feed.text(40),
        actions: several(feed, |feed| feed.text(12)),
        kind: feed.flag().then(|| kind(feed)),
        subject: feed.flag().then(|| feed.text(20)),
        parameters: texts(feed),
    };
    if feed.flag() { OpenFrame::Open(asked) } else { OpenFrame::Ask(asked) }
}

fn answer(feed: &mut Feed<'_>) -> Answer {
    if feed.flag() {
        let (flow, kind) = (feed.text(20), kind(feed));
        return Answer::Admitted { flow, kind, actions: several(feed, |feed| feed.text(12)) };
    }
    let (why, detail, flow) = (why(feed), feed.text(40), feed.text(20));
    let from = feed.flag().then(|| feed.number().cast_signed());
    Answer::Refused { why, detail, flow, from }
}

fn several<T>(feed: &mut Feed<'_>, mut one: impl FnMut(&mut Feed<'_>) -> T) -> Vec<T> {
    (0..feed.byte() % 4).map(|_| one(feed)).collect()
}

fn texts(feed: &mut Feed<'_>) -> BTreeMap<String, String> {
    several(feed, |feed| (feed.text(12), feed.text(20))).into_iter().collect()
}

fn kind(feed: &mut Feed<'_>) -> FlowKind {
    feed.pick(&[FlowKind::Stream, FlowKind::Datagrams])
}

fn why(feed: &mut Feed<'_>) -> Why {
    Why::of(feed.number())
}

fn value(feed: &mut Feed<'_>) -> Value {
    match feed.byte() % 4 {
        0 => Value::Text(feed.text(20)),
        1 => Value::Number(feed.number()),
        2 => Value::Flag(feed.flag()),
        _ => Value::List(several(feed, |feed| feed.text(12))),
    }
}
