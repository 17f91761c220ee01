//! Fuzzing of the Modbus machine: checks what must always hold, whatever a client and a device send
//! and the judge answers.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use doorward_model::{Action, Name, Path};

use super::{FRAME, LONGEST, RTU_FRAME, RtuAnswer, Tcp, read_rtu_answer};
use crate::machine::{Judge, Machine, Out, Progress, Sender};

/// The piece is from the device; the other bits are its length.
const DEVICE: u8 = 128;

/// A judge that answers by the bits of a pattern, in turn.
#[derive(Debug, PartialEq, Eq)]
struct Bits {
    pattern: u8,
    /// Each message that it was asked about: what the message needs, and the answer.
    asked: Vec<(Vec<String>, bool)>,
    /// The turn is over after this many questions.
    until: usize,
}

impl Judge for Bits {
    fn may(&mut self, action: Action, path: &Path) -> bool {
        self.may_all(&[(action, path.clone())])
    }

    fn may_all(&mut self, all: &[(Action, Path)]) -> bool {
        let may = self.pattern >> (self.asked.len() % 8) & 1 == 1;
        let all = all.iter().map(|(action, path)| format!("{action} {path}"));
        self.asked.push((all.collect(), may));
        may
    }

    fn turn_is_over(&self) -> bool {
        self.asked.len() >= self.until
    }
}

/// The output of a machine, and its questions.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    out: Out,
    judge: Bits,
    broken: bool,
}

/// Lets a machine read the pieces, each split into parts of that many bytes, in turns of that many
/// questions.
fn run(pattern: u8, pieces: &[(Sender, &[u8])], parts: usize, turn: usize) -> Seen {
    let interface: Name = "plc".parse().unwrap();
    let mut tcp = Tcp::new(&interface);
    let judge = Bits { pattern, asked: vec![], until: usize::MAX };
    let mut seen = Seen { out: Out::default(), judge, broken: false };
    for (side, piece) in pieces {
        for part in piece.chunks(parts) {
            let mut left = Some(part);
            while let Some(bytes) = left.take() {
                seen.judge.until = seen.judge.asked.len().saturating_add(turn);
                match tcp.read(*side, bytes, &mut seen.judge, &mut seen.out) {
                    Ok(Progress::All) => {}
                    Ok(Progress::Part(taken)) => {
                        assert!(seen.judge.turn_is_over(), "it stops in the middle of its turn");
                        left = Some(&bytes[taken..]);
                    }
                    Err(_) => seen.broken = true,
                }
            }
            seen.judge.until = usize::MAX;
            if seen.broken {
                return seen;
            }
            assert!(tcp.held() <= 2 * FRAME, "it keeps more than a frame of each side");
        }
    }
    seen
}

/// Splits a stream into its frames.
fn frames(mut stream: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    while !stream.is_empty() {
        assert_eq!(stream[2..4], [0, 0], "another protocol was forwarded");
        let length = usize::from(u16::from_be_bytes([stream[4], stream[5]]));
        assert!((2..=1 + LONGEST).contains(&length));
        let (frame, rest) = stream.split_at(6 + length);
        frames.push(frame);
        stream = rest;
    }
    frames
}

/// Returns what the most common requests need, read in the simplest way.
fn needs(frame: &[u8]) -> Option<Vec<String>> {
    let (unit, function, rest) = (frame[6], frame[7], &frame[8..]);
    let word = |at: usize| u32::from(rest[at]) << 8 | u32::from(rest[at + 1]);
    let right = |action: &str, table: &str, first: u32, count: u32| {
        let last = first + count - 1;
        assert!(count > 0 && last <= 65535, "beyond the table");
        let range = if count == 1 { format!("{first}") } else { format!("{first}-{last}") };
        format!("{action} plc/{unit}/{table}/{range}")
    };
    Some(match function {
        1 => vec![right("read", "coil", word(0), word(2))],
        2 => vec![right("read", "discrete", word(0), word(2))],
        3 => vec![right("read", "holding", word(0), word(2))],
        4 => vec![right("read", "input", word(0), word(2))],
        5 => vec![right("write", "coil", word(0), 1)],
        6 | 22 => vec![right("write", "holding", word(0), 1)],
        15 => vec![right("write", "coil", word(0), word(2))],
        16 => vec![right("write", "holding", word(0), word(2))],
        23 => vec![
            right("read", "holding", word(0), word(2)),
            right("write", "holding", word(4), word(6)),
        ],
        24 => vec![right("read", "fifo", word(0), 1)],
        20 | 21 | 43 => return None,
        _ => vec![format!("diagnose plc/{unit}/function/{function}")],
    })
}

/// A connection: a pattern of answers, then pieces, each after its side and length.
pub(crate) fn modbus(bytes: &[u8]) {
    let Some((&pattern, mut rest)) = bytes.split_first() else { return };
    let mut pieces = Vec::new();
    let mut said = [Vec::new(), Vec::new()];
    while let Some((&head, after)) = rest.split_first() {
        let (side, at) = if head & DEVICE == 0 { (Sender::Client, 0) } else { (Sender::Device, 1) };
        let (piece, more) = after.split_at(usize::from(head & !DEVICE).min(after.len()));
        pieces.push((side, piece));
        said[at].extend_from_slice(piece);
        rest = more;
    }
    let seen = run(pattern, &pieces, usize::MAX, usize::MAX);
    for (parts, turn) in [(1, usize::MAX), (7, 1), (usize::MAX, 1), (usize::MAX, 2)] {
        let again = run(pattern, &pieces, parts, turn);
        assert_eq!(seen, again, "it makes a difference how it is split");
    }
    // Exactly the permitted requests are forwarded, in their order and unchanged.
    let forwarded = frames(&seen.out.device);
    let permitted: Vec<_> = seen.judge.asked.iter().filter(|(_, may)| *may).collect();
    assert_eq!(forwarded.len(), permitted.len());
    for (frame, (asked, _)) in forwarded.iter().zip(permitted) {
        assert!(said[0].windows(frame.len()).any(|window| window == *frame));
        if let Some(needs) = needs(frame) {
            assert_eq!(needs, *asked);
        }
    }
    // The client gets refusals, and answers of the device.
    for frame in frames(&seen.out.client) {
        let refusal = frame.len() == 9 && frame[7] >= 128 && (1..=3).contains(&frame[8]);
        assert!(refusal || said[1].windows(frame.len()).any(|window| window == frame));
    }
}

/// Connections that reach deep into the machine.
pub(crate) fn modbus_corpus() -> Vec<Vec<u8>> {
    let frame = |head: u8, pdu: &[u8]| {
        let length = u8::try_from(pdu.len()).unwrap();
        [&[head | (7 + length), 0, 7, 0, 0, 0, 1 + length, 1][..], pdu].concat()
    };
    let asked: [&[u8]; 12] = [
        &[1, 0, 1, 0, 8],
        &[3, 0, 100, 0, 10],
        &[3, 255, 255, 0, 2],
        &[4, 0, 0, 0, 1],
        &[5, 0, 7, 255, 0],
        &[6, 0, 7, 18, 52],
        &[8, 0, 0, 1, 2],
        &[16, 0, 1, 0, 2, 4, 0, 1, 0, 2],
        &[20, 7, 6, 0, 4, 0, 1, 0, 2],
        &[22, 0, 4, 0, 242, 0, 37],
        &[23, 0, 3, 0, 6, 0, 14, 0, 1, 2, 0, 255],
        &[43, 14, 1, 0],
    ];
    let mut corpus: Vec<Vec<u8>> = Vec::new();
    for pattern in [0xff, 0x55, 0] {
        let all = asked.iter().flat_map(|pdu| [frame(0, pdu), frame(DEVICE, &[pdu[0], 1, 0])]);
        corpus.push([vec![pattern], all.collect::<Vec<_>>().concat()].concat());
        corpus.extend(asked.iter().map(|pdu| [vec![pattern], frame(0, pdu)].concat()));
    }
    corpus
}

/// Bytes from a serial line. The first byte says whether the line has been silent since.
pub(crate) fn line(bytes: &[u8]) {
    let Some((&silent, bytes)) = bytes.split_first() else { return };
    match read_rtu_answer(bytes, silent & 1 == 1) {
        RtuAnswer::Answer(_, pdu) => assert!((1..=LONGEST).contains(&pdu.len())),
        RtuAnswer::More | RtuAnswer::Silence => {
            assert!(silent & 1 == 0 && bytes.len() <= RTU_FRAME, "it waits for what cannot come");
        }
        RtuAnswer::Garbled => {}
    }
}

/// Answers of units.
pub(crate) fn line_corpus() -> Vec<Vec<u8>> {
    let answers: [&[u8]; 6] = [
        &[3, 2, 0, 7],
        &[0x83, 2],
        &[6, 0, 7, 18, 52],
        &[24, 0, 6, 0, 2, 1, 2, 3, 4],
        &[7, 0],
        &[90, 1],
    ];
    let of =
        |silent: u8| answers.iter().map(move |pdu| [vec![silent], super::rtu(1, pdu)].concat());
    of(0).chain(of(1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gets_far_is_stood() {
        modbus_corpus().iter().for_each(|input| modbus(input));
        line_corpus().iter().for_each(|input| line(input));
    }
}
