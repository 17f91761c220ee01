//! Invariants for any MQTT packets.

use proptest::prelude::*;

use super::super::fuzzing::{drive, mqtt, mqtt_corpus, run};
use super::super::oracle;
use super::*;

/// Packets of either side, mostly well formed, for either version.
fn packet(five: bool) -> impl Strategy<Value = String> {
    let properties = if five { "[]" } else { "" };
    let topic = "[ab](/[ab$]){0,2}";
    let id = "000[1-3]";
    prop_oneof![
        4 => ("3[01]", topic, "(00){0,20}")
            .prop_map(move |(first, topic, payload)| format!("{first} '{topic}' {properties} {payload}")),
        4 => ("3[2-5a-d]", topic, id, "(00){0,20}").prop_map(move |(first, topic, id, payload)| {
            format!("{first} '{topic}' {id} {properties} {payload}")
        }),
        2 => ("3[01]", "([ab](/[ab]){0,2})?", "000[0-4]", "(00){0,20}").prop_map(
            move |(first, topic, alias, payload)| format!("{first} '{topic}' [23 {alias}] {payload}")
        ),
        2 => (id, prop::collection::vec("'(\\$share/g/)?[ab+](/[ab+]){0,2}(/#)?' 0[0-2]", 1..4))
            .prop_map(move |(id, filters)| format!("82 {id} {properties} {}", filters.join(" "))),
        2 => (id, "(0[0-2]|80){1,4}").prop_map(move |(id, codes)| format!("90 {id} {properties} {codes}")),
        3 => ("(40|50|62|70)", id).prop_map(|(first, id)| format!("{first} {id}")),
        1 => Just(format!("a2 0001 {properties} 'a'")),
        1 => Just("c0".to_owned()),
        1 => Just("d0".to_owned()),
        1 => "(e0|e0 04|e0 8b|f0|20 00 00)",
    ]
}

/// The packets of both sides after a connection was made.
fn dialogue() -> impl Strategy<Value = Vec<(Sender, Vec<u8>)>> {
    any::<bool>().prop_flat_map(|five| {
        let said = (any::<bool>(), packet(five)).prop_map(|(client, packet)| {
            (if client { Sender::Client } else { Sender::Device }, wire(&packet))
        });
        prop::collection::vec(said, 0..24).prop_map(move |mut said| {
            let (connect, connack) = if five {
                ("10 'MQTT' 05 06 003c [] 'c' [] 'w' 'x'", "20 00 00 [22 0003]")
            } else {
                ("10 'MQTT' 04 06 003c 'c' 'w' 'x'", "20 00 00")
            };
            said.insert(0, (Sender::Client, wire(connect)));
            // A client need not wait for it.
            said.insert(said.len().min(1 + usize::from(five)), (Sender::Device, wire(connack)));
            said
        })
    })
}

/// Splits the bytes of each side into pieces; the order of the sides stays.
fn cut<'d>(said: &'d [(Sender, Vec<u8>)], cuts: &[usize]) -> Vec<(Sender, &'d [u8])> {
    let (mut pieces, mut cuts) = (Vec::new(), cuts.iter().cycle());
    for (from, packets) in said {
        let mut rest = packets.as_slice();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
            pieces.push((*from, piece));
            rest = after;
        }
    }
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn only_what_was_permitted_passes_however_it_is_split(
        said in dialogue(), pattern: u8, cuts in prop::collection::vec(1usize..30, 1..20),
    ) {
        // Nearly everything is permitted, so that the dialogue goes on.
        let pattern = pattern | 0b11;
        let whole = said.iter().map(|(from, packets)| (*from, packets.as_slice()));
        let seen = drive(MqttOptions::default(), pattern, usize::MAX, whole);
        oracle::check(MqttOptions::default(), &seen);
        for turn in [usize::MAX, 1, 2] {
            let cut = cut(&said, &cuts);
            prop_assert_eq!(&drive(MqttOptions::default(), pattern, turn, cut), &seen);
        }
    }

    #[test]
    fn whatever_comes_is_stood(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        mqtt(&bytes);
    }

    #[test]
    fn whatever_comes_of_a_good_beginning_is_stood(
        which: prop::sample::Index,
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..4u8, any::<u8>()), 0..6),
    ) {
        let corpus = mqtt_corpus();
        let mut input = which.get(&corpus).clone();
        for (at, how, byte) in changes {
            let at = at.index(input.len());
            match how {
                0 => input[at] = byte,
                1 => input[at] ^= 1 << (byte % 8),
                2 => input.insert(at, byte),
                _ if input.len() > 2 => drop(input.remove(at)),
                _ => {}
            }
        }
        mqtt(&input);
    }
}

#[test]
fn good_beginnings_get_far() {
    let mut packets = [0; 16];
    for input in mqtt_corpus() {
        let seen = run(&input).unwrap();
        oracle::kinds(&seen).iter().for_each(|kind| packets[usize::from(*kind)] += 1);
    }
    // Every packet type passes.
    assert!(packets[1..].iter().all(|count| *count > 0), "{packets:?}");
}
