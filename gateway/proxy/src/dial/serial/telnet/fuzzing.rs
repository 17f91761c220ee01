#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use std::collections::VecDeque;

use doorward_model::LineSettings;
use doorward_wire::fuzzing::{Feed, pieces};

use super::super::request::{Answer, InForce};
use super::{DO, Heard, SB, SE, SUBNEGOTIATION, Telnet, WILL, put};

/// A telnet client: where its bytes are cut changes nothing, nothing of what it says grows, what
/// it is told can be read, and the line's bytes come through.
pub fn telnet(bytes: &[u8]) {
    let mut feed = Feed::new(bytes);
    let offers = feed.flag();
    let cuts = feed.bytes(16);
    let bytes = feed.rest();

    let heard = hear(offers, &[bytes]);
    assert_eq!(hear(offers, &pieces(bytes, cuts)), heard);
    let (mut data, mut replies) = (0, 0);
    for one in &heard {
        match one {
            Heard::Data(bytes) => data += bytes.len(),
            Heard::Reply(bytes) => {
                replies += bytes.len();
                assert!(data_in(bytes).is_empty(), "{bytes:?}");
            }
            Heard::Request(request) => {
                let in_force = InForce::new(LineSettings::default());
                for answer in [Answer::Done(*request, in_force), Answer::Modem(feed.byte())] {
                    let said = Telnet::default().answer(&answer);
                    assert!(said.len() <= 32);
                    assert!(data_in(&said).is_empty(), "{said:?}");
                }
            }
            Heard::Suspend(_) => {}
        }
    }
    assert!(data <= bytes.len());
    assert!(replies <= 3 * bytes.len(), "whoever says little is told little");

    let mut escaped = VecDeque::new();
    bytes.iter().for_each(|byte| Telnet::escape(*byte, &mut escaped));
    let binary = [&[Telnet::IAC, WILL, 0], &*escaped.make_contiguous()].concat();
    let heard = Telnet::default().receive(&binary);
    let read = heard.iter().filter_map(|one| match one {
        Heard::Data(bytes) => Some(bytes.as_slice()),
        _ => None,
    });
    assert_eq!(read.collect::<Vec<_>>().concat(), bytes);
}

/// All that is heard; neighbours of one kind are one.
fn hear(offers: bool, pieces: &[&[u8]]) -> Vec<Heard> {
    let (mut telnet, mut heard) = (Telnet::default(), vec![]);
    if offers {
        assert!(data_in(&telnet.offer()).is_empty());
    }
    for piece in pieces {
        for one in telnet.receive(piece) {
            put(&mut heard, one);
        }
        assert!(telnet.subnegotiation.len() <= SUBNEGOTIATION + 1);
    }
    heard
}

/// What another that speaks telnet takes for data.
fn data_in(said: &[u8]) -> Vec<u8> {
    let mut data = vec![];
    for one in Telnet::default().receive(said) {
        if let Heard::Data(bytes) = one {
            data.extend(bytes);
        }
    }
    data
}

pub(crate) fn corpus() -> Vec<Vec<u8>> {
    const IAC: u8 = Telnet::IAC;
    let sub = |bytes: &[u8]| [&[IAC, SB, 44], bytes, &[IAC, SE]].concat();
    let head = [1, 3, 0, 1, 5, 2];
    let session = [
        &head[..],
        &[IAC, WILL, 44, IAC, DO, 0, IAC, WILL, 0, IAC, DO, 1],
        &sub(&[0]),
        &sub(&[1, 0, 0, 0x25, 0x80]),
        b"root\r\0",
        &sub(&[5, 8]),
        &sub(&[11, 255, 255]),
        &sub(&[8]),
        &[IAC, IAC, 13, 10],
        &sub(&[9]),
        &sub(&[12, 3]),
    ]
    .concat();
    let mut corpus = vec![session, [&head[..], &sub(&[7; 100]), b"after it"].concat()];
    for command in 0..14 {
        corpus.push([&head[..], &sub(&[command, 1])].concat());
    }
    corpus
}
