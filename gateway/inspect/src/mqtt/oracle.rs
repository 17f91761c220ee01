//! Reads the output of a machine in a way of its own, and compares it with what was permitted.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use doorward_model::Action;

use super::fuzzing::{JudgeQuestion, Transcript};
use crate::machine::Sender;
use doorward_model::{ClientIds, MqttOptions, ResponseTopics};

/// A packet: the first byte, and the bytes after its length.
type Packet<'b> = (u8, &'b [u8]);

/// Checks that every topic and filter in the output was permitted, in that order, and that only
/// allowed packets were sent.
pub(super) fn check(options: MqttOptions, seen: &Transcript) {
    let device = packets(&seen.out.device);
    let client = packets(&seen.out.client);
    let five = device.first().is_some_and(|(_, body)| body[6] == 5);
    let mut published = permitted(seen, Sender::Client, Action::Publish);
    let mut subscribed = permitted(seen, Sender::Client, Action::Subscribe);
    let mut delivered = permitted(seen, Sender::Device, Action::Subscribe);
    for (at, (first, body)) in device.iter().enumerate() {
        match first >> 4 {
            1 => {
                assert_eq!(at, 0);
                assert_eq!(permitted(seen, Sender::Client, Action::Connect).next(), Some("bus"));
                let (id, will) = connect(body, five);
                if options.ids == ClientIds::Bound {
                    assert!(id.starts_with("user/alice:"), "{id}");
                }
                if let Some((will, response)) = will {
                    consume(&mut published, will);
                    if let Some(response) = response {
                        may_name(options.response, response, seen);
                    }
                }
            }
            3 => {
                let (topic, response) = topic(*first, body, five);
                consume(&mut published, topic);
                if let Some(response) = response {
                    may_name(options.response, response, seen);
                }
            }
            8 => {
                let mut rest = &body[2..];
                if five {
                    rest = after_properties(rest).1;
                }
                assert!(!rest.is_empty());
                while !rest.is_empty() {
                    let filter = text(&mut rest);
                    rest = &rest[1..];
                    let shared =
                        filter.strip_prefix("$share/").map(|it| it.split_once('/').unwrap());
                    consume(&mut subscribed, shared.map_or(filter, |(_, filter)| filter));
                }
            }
            // PUBACK, PUBREC, PUBREL, PUBCOMP, UNSUBSCRIBE, PINGREQ, AUTH.
            4..=7 | 10 | 12 | 15 => {}
            14 => assert_eq!(at, device.len() - 1, "something follows DISCONNECT"),
            _ => panic!("{first:02x} goes to the server"),
        }
        assert!(at > 0 || first >> 4 == 1, "the first packet is {first:02x}");
    }
    let mut accepted = false;
    for (at, (first, body)) in client.iter().enumerate() {
        match first >> 4 {
            2 => {
                assert!(!accepted, "CONNACK comes twice");
                accepted = true;
                assert!(body[1] == 0 || at == client.len() - 1, "something follows a refusal");
            }
            15 => {}
            _ => assert!(accepted, "{first:02x} comes before CONNACK"),
        }
        match first >> 4 {
            3 => consume(&mut delivered, topic(*first, body, five).0),
            2 | 4..=7 | 9 | 11 | 13 | 15 => {}
            14 => {
                assert!(five);
                assert_eq!(at, client.len() - 1, "something follows DISCONNECT");
            }
            _ => panic!("{first:02x} goes to the client"),
        }
    }
}

fn permitted(seen: &Transcript, about: Sender, action: Action) -> impl Iterator<Item = &str> {
    let asked = seen.asked.iter();
    asked
        .filter(move |JudgeQuestion { about: of, action: verb, permitted, .. }| {
            *permitted && *of == about && *verb == action
        })
        .map(|question| question.path.as_str())
}

/// Checks that this is among the next permitted paths. Some of them may not have been sent.
fn consume<'q>(permitted: &mut impl Iterator<Item = &'q str>, operand: &str) {
    let found = permitted.any(|path| path.strip_prefix("bus/") == Some(operand));
    assert!(found, "{operand:?} was not permitted");
}

/// Checks that a response topic in the output was permitted.
fn may_name(rule: ResponseTopics, response: &str, seen: &Transcript) {
    let actions: &[Action] = match rule {
        ResponseTopics::Either => &[Action::Subscribe, Action::Publish],
        ResponseTopics::Publish => &[Action::Publish],
        ResponseTopics::Off => &[],
    };
    let mut asked = actions.iter().flat_map(|action| permitted(seen, Sender::Client, *action));
    let found = asked.any(|path| path.strip_prefix("bus/") == Some(response));
    assert!(found, "nobody may have {response:?} answered");
}

/// Splits a stream into packets. Only a PUBLISH may be incomplete.
fn packets(mut stream: &[u8]) -> Vec<Packet<'_>> {
    let mut packets = Vec::new();
    while let Some((first, rest)) = stream.split_first() {
        let (length, rest) = number(rest);
        let whole = length <= rest.len();
        assert!(whole || first >> 4 == 3, "{first:02x} is not whole");
        let (body, rest) = rest.split_at(length.min(rest.len()));
        packets.push((*first, body));
        stream = rest;
    }
    packets
}

fn number(bytes: &[u8]) -> (usize, &[u8]) {
    let end = bytes.iter().position(|byte| byte & 0x80 == 0).unwrap();
    assert!(end < 4);
    let value = bytes[..=end].iter().rev().fold(0, |sum, byte| sum << 7 | usize::from(byte & 0x7f));
    (value, &bytes[end + 1..])
}

fn text<'b>(bytes: &mut &'b [u8]) -> &'b str {
    let length = usize::from(bytes[0]) << 8 | usize::from(bytes[1]);
    let text = str::from_utf8(&bytes[2..2 + length]).unwrap();
    *bytes = &bytes[2 + length..];
    text
}

fn after_properties(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (length, rest) = number(bytes);
    rest.split_at(length)
}

/// Returns the client identifier, and the topic of the will with its response topic.
fn connect(body: &[u8], five: bool) -> (&str, Option<(&str, Option<&str>)>) {
    let (flags, mut rest) = (body[7], &body[10..]);
    if five {
        let (properties, after) = after_properties(rest);
        assert!(!has(properties, 0x22), "topic aliases are offered");
        rest = after;
    }
    let id = text(&mut rest);
    if flags & 0x04 == 0 {
        return (id, None);
    }
    let mut response = None;
    if five {
        let (properties, after) = after_properties(rest);
        (response, rest) = (response_topic(properties), after);
    }
    (id, Some((text(&mut rest), response)))
}

/// Returns the topic of a PUBLISH, and its response topic.
fn topic(first: u8, body: &[u8], five: bool) -> (&str, Option<&str>) {
    let mut rest = body;
    let topic = text(&mut rest);
    assert!(!topic.is_empty());
    if first & 0b0110 != 0 {
        rest = &rest[2..];
    }
    let mut response = None;
    if five {
        let properties = after_properties(rest).0;
        assert!(!has(properties, 0x23), "a topic has an alias");
        response = response_topic(properties);
    }
    (topic, response)
}

fn has(properties: &[u8], id: u8) -> bool {
    each(properties).iter().any(|(one, _)| *one == id)
}

fn response_topic(properties: &[u8]) -> Option<&str> {
    let found = each(properties).into_iter().find(|(id, _)| *id == 0x08);
    found.map(|(_, mut value)| text(&mut value))
}

/// Returns the identifier of each property (table 2-4), and the bytes after it.
fn each(mut properties: &[u8]) -> Vec<(u8, &[u8])> {
    let mut all = Vec::new();
    while let Some((id, mut rest)) = properties.split_first() {
        all.push((*id, rest));
        properties = match id {
            0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28..=0x2a => &rest[1..],
            0x13 | 0x21..=0x23 => &rest[2..],
            0x02 | 0x11 | 0x18 | 0x27 => &rest[4..],
            0x0b => number(rest).1,
            0x26 => {
                text(&mut rest);
                text(&mut rest);
                rest
            }
            0x09 | 0x16 => &rest[2 + (usize::from(rest[0]) << 8 | usize::from(rest[1]))..],
            _ => {
                text(&mut rest);
                rest
            }
        };
    }
    all
}

/// Returns the types of the packets that were sent.
#[cfg(test)]
pub(super) fn kinds(seen: &Transcript) -> Vec<u8> {
    let both = [packets(&seen.out.device), packets(&seen.out.client)];
    both.iter().flatten().map(|(first, _)| first >> 4).collect()
}
