//! Bounds on one packet, on one flow, and on one turn.

use super::super::held_filters::HELD;
use super::super::subscribe::FILTERS;
use super::*;
use crate::machine::Progress;

const OPEN: &str = "> 10 'MQTT' 04 02 003c 'c'\n< 20 00 00";
const OPEN5: &str = "> 10 'MQTT' 05 02 003c [] 'c'\n< 20 00 00 [22 ffff]";

/// Returns a packet with an identifier, properties for MQTT 5, and an item for each number.
fn listed(first: u8, five: bool, items: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let fields: Vec<u8> = items.flatten().collect();
    let mut packet = vec![first];
    super::super::packet::put_varint(2 + usize::from(five) + fields.len(), &mut packet);
    packet.extend([0, 1]);
    packet.extend(five.then_some(0));
    [packet, fields].concat()
}

fn text(text: &str) -> Vec<u8> {
    [&u16::try_from(text.len()).unwrap().to_be_bytes()[..], text.as_bytes()].concat()
}

/// Returns a SUBSCRIBE with the filters `a/N` of these numbers.
fn subscribe(five: bool, numbers: std::ops::Range<usize>) -> Vec<u8> {
    let filter = |number| [text(&format!("a/{number}")), vec![0]].concat();
    listed(0x82, five, numbers.map(filter))
}

/// Returns the SUBACK or UNSUBACK that answers it.
fn answer(first: u8, five: bool, code: u8, count: usize) -> Vec<u8> {
    listed(first, five, std::iter::repeat_n(vec![code], count))
}

#[test]
fn what_is_held_for_answers_has_bounds() {
    let most = super::super::subscribe::WAITING;
    let mut flow = Flow::after(ClientIds::Bound, OPEN5);
    for number in 0..most / FILTERS {
        let mut packet = subscribe(true, 0..FILTERS);
        packet[3..5].copy_from_slice(&u16::try_from(number + 1).unwrap().to_be_bytes());
        assert_eq!(flow.read(Sender::Client, &packet).fault, None);
    }
    assert_eq!(flow.says(Sender::Client, "82 00f0 [] 'a' 00").out.client, wire("e0 97"));
    // They are free again after their answers.
    let mut flow = Flow::after(ClientIds::Bound, OPEN5);
    for _ in 0..2 * most / FILTERS {
        assert_eq!(flow.read(Sender::Client, &subscribe(true, 0..FILTERS)).fault, None);
        let suback = answer(0x90, true, 0, FILTERS);
        assert_eq!(flow.read(Sender::Device, &suback).out.client, suback);
    }
}

#[test]
fn a_subscribe_with_too_many_filters_is_refused_whole_and_recorded() {
    for (five, open, code) in [(false, OPEN, 0x80), (true, OPEN5, 0x97)] {
        let mut flow = Flow::after(ClientIds::Bound, open);
        let said = flow.read(Sender::Client, &subscribe(five, 0..FILTERS + 1));
        assert_eq!((said.fault, said.out.over), (None, None));
        assert_eq!(said.out.client, answer(0x90, five, code, FILTERS + 1));
        assert_eq!(said.out.device, wire("c0"), "the server hears that there is a client");
        assert!(flow.rules.asked.is_empty(), "nothing of it is decided");
        assert_eq!(flow.rules.barred, ["subscribe bus too-many-filters"]);
        // The connection goes on, and its packet identifier is free.
        let most = subscribe(five, 0..FILTERS);
        assert_eq!(flow.read(Sender::Client, &most).out.device, most);
        assert_eq!(flow.rules.asked.len(), FILTERS);
    }
}

#[test]
fn a_client_holds_so_many_filters_and_no_more() {
    let mut flow = Flow::after(ClientIds::Bound, OPEN5);
    let says = |flow: &mut Flow, numbers: std::ops::Range<usize>| {
        let (packet, count) = (subscribe(true, numbers.clone()), numbers.len());
        let said = flow.read(Sender::Client, &packet);
        assert_eq!((said.fault, said.out.over), (None, None));
        let granted = said.out.device == packet;
        if granted {
            flow.read(Sender::Device, &answer(0x90, true, 0, count));
        } else {
            assert_eq!(said.out.client, answer(0x90, true, 0x97, count));
        }
        granted
    };
    for first in (0..HELD).step_by(FILTERS) {
        assert!(says(&mut flow, first..first + FILTERS));
    }
    assert!(!says(&mut flow, HELD..HELD + 1));
    // Stored filters need no more room, however often they are subscribed to.
    assert!(says(&mut flow, 0..FILTERS));
    assert!(!says(&mut flow, HELD - 1..HELD + 1));
    assert_eq!(flow.rules.barred.len(), 2);
    // Removed filters leave room, and refused ones take none.
    let filters = (7..9_usize).map(|number| text(&format!("a/{number}")));
    let unsubscribe = listed(0xa2, true, filters);
    assert_eq!(flow.read(Sender::Client, &unsubscribe).out.device, unsubscribe);
    flow.read(Sender::Device, &answer(0xb0, true, 0, 2));
    flow.client("82 0001 [] 'no/1' 00 'no/2' 00 'no/3' 00");
    assert!(says(&mut flow, HELD..HELD + 2));
    assert!(!says(&mut flow, HELD + 2..HELD + 3));
}

#[test]
fn lists_in_packets_have_bounds() {
    for (five, open) in [(false, OPEN), (true, OPEN5)] {
        let filters = |count: usize| {
            listed(0xa2, five, (0..count).map(|number| text(&format!("a/{number}"))))
        };
        let mut flow = Flow::after(ClientIds::Bound, open);
        let most = filters(FILTERS);
        assert_eq!(flow.read(Sender::Client, &most).out.device, most);
        let said = flow.read(Sender::Client, &filters(FILTERS + 1));
        assert!(said.fault.is_some() && said.out.device.is_empty());
        assert_eq!(said.out.client, if five { wire("e0 97") } else { vec![] });
    }
    let publish = |count: usize| {
        let properties = vec![[&[0x26][..], &text("k"), &text("")].concat(); count].concat();
        let mut fields = text("a");
        super::super::packet::put_varint(properties.len(), &mut fields);
        fields.extend(properties);
        let mut packet = vec![0x30];
        super::super::packet::put_varint(fields.len(), &mut packet);
        [packet, fields].concat()
    };
    let most = super::super::properties::MOST;
    let mut flow = Flow::after(ClientIds::Bound, OPEN5);
    assert_eq!(flow.read(Sender::Client, &publish(most)).out.device, publish(most));
    let said = flow.read(Sender::Client, &publish(most + 1));
    assert_eq!((said.out.client, said.out.device), (wire("e0 97"), vec![]));
}

/// A judge that permits everything but `a/5`, and ends its turn after some questions.
struct Turns {
    asked: usize,
    until: usize,
}

impl Judge for Turns {
    fn may(&mut self, _: Action, path: &Path) -> bool {
        self.asked += 1;
        path.raw() != "bus/a/5"
    }

    fn turn_is_over(&self) -> bool {
        self.asked >= self.until
    }
}

#[test]
fn a_long_subscribe_is_decided_in_turns_and_forwarded_whole() {
    let mut flow = Flow::after(ClientIds::Bound, OPEN5);
    let (packet, after) = (subscribe(true, 0..1000), wire("30 'a' [] 68"));
    let mut turns = Turns { asked: 0, until: 0 };
    let mut turn = |flow: &mut Flow, bytes: &[u8]| {
        turns.until = turns.asked + 300;
        let mut out = Out::default();
        let read = flow.mqtt.read(Sender::Client, bytes, &mut turns, &mut out).unwrap();
        assert!(turns.asked <= turns.until, "a turn is no longer than it may be");
        (read, out)
    };
    let both = [&packet[..], &after].concat();
    assert_eq!(turn(&mut flow, &both), (Progress::Part(packet.len()), Out::default()));
    for _ in 0..2 {
        assert_eq!(turn(&mut flow, &after), (Progress::Part(0), Out::default()));
        // Packets of the server are read meanwhile.
        assert_eq!(flow.server("30 'a' [] 68").1, after);
    }
    let (read, out) = turn(&mut flow, &after);
    assert_eq!(read, Progress::All);
    let five = [text("a/5"), vec![0]].concat();
    let filters = (0..1000).map(|number| [text(&format!("a/{number}")), vec![0]].concat());
    let permitted = listed(0x82, true, filters.filter(|filter| *filter != five));
    assert_eq!(out.device, [permitted, after.clone()].concat());

    // If the client leaves before the end, nothing is forwarded.
    let mut flow = Flow::after(ClientIds::Bound, OPEN5);
    assert_eq!(turn(&mut flow, &packet).0, Progress::Part(packet.len()));
    assert_eq!(flow.parting(), vec![]);
    assert_eq!(turn(&mut flow, &[]), (Progress::All, Out::default()));
}
