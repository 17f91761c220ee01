//! Fuzzing of the MQTT machine: checks what must always hold, whatever the two sides send.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use std::iter::from_fn;

use doorward_model::{Action, ClientIds, MqttOptions, Name, Path, ResponseTopics};

use super::Mqtt;
use super::oracle;
use crate::machine::{Judge, Machine, Out, Progress, Sender};

/// The most bytes that a machine may store: a packet of each side, with the spare capacity of a
/// vector, and the waiting packets towards each.
const HELD: usize = 2 * 2 * 257 * 1024 + 2 * 256 * 1024;
/// The most output bytes for one input byte: a PUBLISH of 8 bytes with an alias becomes one with
/// its topic.
const GROWN: usize = 70;

/// The output of a machine, and its questions.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Transcript {
    pub(super) asked: Vec<JudgeQuestion>,
    pub(super) out: Out,
    pub(super) fault: Option<String>,
}

/// A question to the judge while that side was read, and the answer.
#[derive(Debug, PartialEq)]
pub(super) struct JudgeQuestion {
    pub(super) about: Sender,
    pub(super) action: Action,
    pub(super) path: String,
    pub(super) permitted: bool,
}

/// A judge that answers by the bits of a pattern, in turn, and stores its questions.
struct Bits<'s> {
    pattern: u8,
    about: Sender,
    asked: &'s mut Vec<JudgeQuestion>,
    /// The turn is over after this many questions.
    until: usize,
}

impl Judge for Bits<'_> {
    fn may(&mut self, action: Action, path: &Path) -> bool {
        let permitted = self.pattern >> (self.asked.len() % 8) & 1 == 1;
        self.asked.push(JudgeQuestion { about: self.about, action, path: path.raw(), permitted });
        permitted
    }

    fn turn_is_over(&self) -> bool {
        self.asked.len() >= self.until
    }
}

/// Drives a machine. `pattern` says what is permitted, and a turn is over after `turn` questions.
pub(super) fn drive<'p>(
    options: MqttOptions,
    pattern: u8,
    turn: usize,
    pieces: impl IntoIterator<Item = (Sender, &'p [u8])>,
) -> Transcript {
    let interface: Name = "bus".parse().unwrap();
    let mut mqtt = Mqtt::new(&interface, "user/alice", options, "fresh");
    let (mut seen, mut came) = (Transcript::default(), 0);
    for (about, piece) in pieces {
        came += piece.len();
        let mut left = Some(piece);
        while let Some(bytes) = left.take() {
            let until = seen.asked.len().saturating_add(turn);
            let mut judge = Bits { pattern, about, asked: &mut seen.asked, until };
            match mqtt.read(about, bytes, &mut judge, &mut seen.out) {
                Ok(Progress::All) => {}
                Ok(Progress::Part(taken)) => {
                    assert!(judge.turn_is_over(), "it stops in the middle of its turn");
                    left = Some(&bytes[taken..]);
                }
                Err(fault) => {
                    assert_eq!(fault.by, about);
                    seen.fault = Some(fault.to_string());
                }
            }
        }
        let sent = seen.out.device.len() + seen.out.client.len();
        assert!(mqtt.held() <= HELD.min(2 * came + 8192), "{} bytes are held", mqtt.held());
        assert!(sent <= GROWN * came, "{sent} bytes come of {came}");
        if seen.fault.is_some() || seen.out.over.is_some() {
            break;
        }
    }
    // After the end, nothing is read.
    let before = seen.out.clone();
    let ended = seen.fault.is_some() || seen.out.over.is_some();
    let (about, until) = (Sender::Client, usize::MAX);
    let mut judge = Bits { pattern, about, asked: &mut seen.asked, until };
    if ended {
        mqtt.read(Sender::Client, &[0xc0, 0], &mut judge, &mut seen.out).unwrap();
        assert_eq!(seen.out, before);
    }
    mqtt.parting(&mut judge, &mut seen.out);
    mqtt.read(Sender::Client, &[0xc0, 0], &mut judge, &mut seen.out).unwrap();
    assert!(matches!(&seen.out.device[before.device.len()..], [] | [0xe0, 0]));
    assert_eq!(seen.out.client, before.client);
    seen
}

/// Drives the machine with `bytes`: the interface's options, the pattern of permissions, and then
/// pieces of input, each after a byte with its side (the highest bit) and length.
///
/// # Panics
/// When an invariant does not hold.
pub(crate) fn mqtt(bytes: &[u8]) {
    run(bytes);
}

/// Returns the result of `bytes`; `None` if they are too few.
pub(super) fn run(bytes: &[u8]) -> Option<Transcript> {
    let [kind, pattern, script @ ..] = bytes else { return None };
    let ids = match kind % 4 {
        0 => ClientIds::Strict,
        1 => ClientIds::Off,
        _ => ClientIds::Bound,
    };
    let response = match kind / 4 % 4 {
        1 => ResponseTopics::Publish,
        2 => ResponseTopics::Off,
        _ => ResponseTopics::Either,
    };
    let options = MqttOptions { ids, response };
    let mut rest = script;
    let pieces: Vec<(Sender, &[u8])> = from_fn(|| {
        let (control, after) = rest.split_first()?;
        let (piece, after) = after.split_at(usize::from(control & 0x7f).min(after.len()));
        rest = after;
        Some((if control & 0x80 == 0 { Sender::Client } else { Sender::Device }, piece))
    })
    .collect();
    let seen = drive(options, *pattern, usize::MAX, pieces.iter().copied());
    oracle::check(options, &seen);
    // The same, in turns of one question and of three.
    for turn in [1, 3] {
        assert_eq!(drive(options, *pattern, turn, pieces.iter().copied()), seen);
    }
    // The same, byte by byte.
    let bytes = pieces.iter().flat_map(|(from, piece)| piece.chunks(1).map(|byte| (*from, byte)));
    assert_eq!(drive(options, *pattern, usize::MAX, bytes), seen);
    // The same, in as few pieces as possible.
    let mut joined: Vec<(Sender, Vec<u8>)> = Vec::new();
    for (from, piece) in &pieces {
        match joined.last_mut() {
            Some((last, all)) if last == from => all.extend_from_slice(piece),
            _ => joined.push((*from, piece.to_vec())),
        }
    }
    for turn in [usize::MAX, 1] {
        let joined = joined.iter().map(|(from, piece)| (*from, piece.as_slice()));
        assert_eq!(drive(options, *pattern, turn, joined), seen);
    }
    Some(seen)
}

/// Inputs that reach deep into the machine.
#[must_use]
pub(crate) fn mqtt_corpus() -> Vec<Vec<u8>> {
    let mut corpus = Vec::new();
    for (pattern, dialogue) in DIALOGUES {
        for (ids, pattern) in [(2, *pattern), (1, 0xff), (2, 0x55), (6, 0xff), (10, 0xff)] {
            let mut script = vec![ids, pattern];
            for line in dialogue.lines().map(str::trim).filter(|line| !line.is_empty()) {
                let (from, packets) = line.split_at(1);
                let side = if from == "<" { 0x80 } else { 0 };
                for piece in wire(packets).chunks(0x7f) {
                    script.push(side | u8::try_from(piece.len()).unwrap());
                    script.extend_from_slice(piece);
                }
            }
            corpus.push(script);
        }
    }
    corpus
}

/// What is permitted, and the packets: of the client after `>`, of the server after `<`.
const DIALOGUES: &[(u8, &str)] = &[
    (
        0xff,
        "> 10 'MQTT' 04 02 003c 'c1'
         < 20 00 00
         > 82 0001 'a/+' 01 'b/#' 02
         < 90 0001 01 02
         > 30 'a/b' 68656c6c6f ; 32 'a/c' 0002 6869 ; 3c 'a/d' 0003 00*200
         < 40 0002 ; 50 0003
         > 62 0003
         < 70 0003 ; 30 'a/b' 68656c6c6f ; 34 'b/c' 0007 00*300
         > 50 0007
         < 62 0007
         > 70 0007 ; c0 ; a2 0009 'a/+'
         < d0 ; b0 0009
         > e0",
    ),
    (
        0b1010_1101,
        "> 10 'MQTT' 04 ee 003c 'c2' 'w/t' 'gone' 'name' 'word'
         < 20 01 00
         > 82 0001 'a' 00 '$share/g/b' 01 'c/+/d' 02
         < 90 0001 01 ; 34 'no' 0005 00*20 ; 62 0005 ; 32 'no' 0006 ; 3c 'x' 0008 ; 62 0008
         > 30 'x' 00 ; 30 'y' ; 30 'z'",
    ),
    (
        0b1110_1011,
        "> 10 'MQTT' 05 06 003c [11 0000000a 21 0005 22 0010 27 00010000 26 'k' 'v'] '' [18 00000001 01 01 08 'r'] 'w' 'x'
         < 20 00 00 [22 0003 27 00100000 13 0010 1f 'hello' 24 01]
         > 32 'a' 0001 [23 0001 02 00000009] 68 ; 32 '' 0002 [23 0001] 69 ; 34 'b' 0003 [23 0002] 00*150
         > 3c '' 0004 [23 0002 09 'id' 08 'to' 03 'text'] 6a ; 82 0005 [0b 07] 'a' 2d 'b/#' 01 '$share/g/+' 00
         < 40 0001 10 ; 50 0004 00 [] ; 90 0005 [1f 'why'] 01 00 ; 30 'a' [0b 07 0b 08 01 01] 68 ; 34 'c' 0009 [] ; 62 0009
         > 62 0004 92 [26 'k' 'v'] ; a2 0006 [] 'a' ; c0
         < 70 0004 ; b0 0006 [] 11 ; d0 ; 62 0009
         > e0 04 [11 00000005]",
    ),
    (
        0xff,
        "> 10 'MQTT' 05 00 0000 [15 'scram' 16 'first'] 'user/alice:1'
         < f0 18 [15 'scram' 16 'second']
         > f0 18 [15 'scram' 16 'third']
         < 20 00 00 [15 'scram' 12 'user/alice:9']
         > f0 19 [15 'scram']
         < f0 00 [15 'scram'] ; e0 8b [1c 'other' 1f 'why']",
    ),
    (
        0xff,
        "> 10 'MQTT' 05 02 0000 [] 'c' ; 82 0001 [] 'a' 00 ; 30 'b' [] 6869
         < 20 00 87 []",
    ),
    (
        0b0000_1001,
        "> 10 'MQTT' 05 02 0000 [] 'c' ; 82 0001 [] 'a' 00 ; 32 'b' 0002 [] 6869
         < 20 00 00 [] ; 32 'd' 0003 [] 00*100
         > 30 'b' [23 0001]",
    ),
    (0xff, "> 10 'MQIsdp' 03 02 003c 'c1'"),
    (0xff, "> 10 'MQTT' 06 02 003c 'c1'"),
];

/// Writes packets that are separated by `;`: the first byte, the length, which is computed, and the
/// rest. After `=` no length is added. `'text'` is a string with its length, `[…]` are properties
/// with theirs, everything else is hexadecimal. `00*20` and `'a'*20` are repeated.
pub(super) fn wire(text: &str) -> Vec<u8> {
    let mut packets = Vec::new();
    for packet in text.split(';').map(str::trim).filter(|packet| !packet.is_empty()) {
        if let Some(raw) = packet.strip_prefix('=') {
            fields(&mut raw.trim(), &mut packets);
            continue;
        }
        let (first, mut rest) = packet.split_at(2);
        let mut body = Vec::new();
        fields(&mut rest, &mut body);
        packets.push(u8::from_str_radix(first, 16).unwrap());
        prefixed(&body, &mut packets);
    }
    packets
}

fn prefixed(body: &[u8], to: &mut Vec<u8>) {
    let mut length = body.len();
    while length > 127 {
        to.push(u8::try_from(length % 128).unwrap() | 0x80);
        length /= 128;
    }
    to.push(u8::try_from(length).unwrap());
    to.extend_from_slice(body);
}

/// Writes fields up to the end or a closing bracket.
fn fields(text: &mut &str, to: &mut Vec<u8>) {
    loop {
        *text = text.trim_start();
        if let Some(rest) = text.strip_prefix('[') {
            *text = rest;
            let mut body = Vec::new();
            fields(text, &mut body);
            prefixed(&body, to);
        } else if let Some(rest) = text.strip_prefix('\'') {
            let (content, rest) = rest.split_once('\'').unwrap();
            let (times, rest) = repeated(rest);
            *text = rest;
            let content = content.repeat(times);
            to.extend(u16::try_from(content.len()).unwrap().to_be_bytes());
            to.extend_from_slice(content.as_bytes());
        } else if text.is_empty() || text.starts_with(']') {
            *text = text.strip_prefix(']').unwrap_or(text);
            return;
        } else {
            let (byte, rest) = text.split_at(2);
            let (times, rest) = repeated(rest);
            *text = rest;
            let byte = u8::from_str_radix(byte, 16).unwrap_or_else(|_| panic!("{byte:?}"));
            to.extend(std::iter::repeat_n(byte, times));
        }
    }
}

fn repeated(text: &str) -> (usize, &str) {
    let Some(rest) = text.strip_prefix('*') else { return (1, text) };
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (times, rest) = rest.split_at(end);
    (times.parse().unwrap(), rest)
}
