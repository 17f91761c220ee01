//! Fuzzing of the CoAP machine: checks what must always hold, whatever the two sides send and the
//! judge answers.

use std::collections::{BTreeMap, BTreeSet};

use doorward_model::{Action, Path};

use super::Coap;
use super::exchange::{EXCHANGES, OBSERVATIONS, SENT};
use crate::machine::{DatagramMachine as _, Judge, Out, Sender};

/// The datagram is from the device.
const DEVICE: u8 = 1;
/// The judge refuses everything.
const REFUSE: u8 = 2;
/// The judge refuses every `observe`.
const BLIND: u8 = 4;
/// The header is followed by the number of a token towards the device, in place of a token.
const TOKEN: u8 = 8;
/// The flow is cut after this datagram.
const CUT: u8 = 16;

struct Answers {
    refuse: bool,
    blind: bool,
    asked: Vec<(Action, String, bool)>,
}

impl Judge for Answers {
    fn may(&mut self, action: Action, path: &Path) -> bool {
        let may = !(self.refuse || self.blind && action == Action::Observe);
        self.asked.push((action, path.raw(), may));
        may
    }
}

/// A message, read in the simplest way.
#[derive(Debug, Default)]
struct Seen {
    kind: u8,
    code: u8,
    id: u16,
    token: Vec<u8>,
    options: Vec<(usize, Vec<u8>)>,
    payload: Vec<u8>,
}

impl Seen {
    /// Reads a message that the machine has sent, which is always well formed.
    fn of(datagram: &[u8]) -> Self {
        let mut bytes = datagram.iter().copied();
        let mut next = || bytes.next();
        let mut seen = Self::default();
        let first = next().unwrap_or_default();
        assert_eq!(first >> 6, 1, "{datagram:x?}");
        seen.kind = first >> 4 & 3;
        seen.code = next().unwrap_or_default();
        seen.id = u16::from_be_bytes([next().unwrap_or_default(), next().unwrap_or_default()]);
        seen.token = (0..first & 0xf).filter_map(|_| next()).collect();
        assert!(seen.token.len() == usize::from(first & 0xf) && seen.token.len() <= 8);
        let mut number = 0;
        while let Some(first) = next() {
            if first == 0xff {
                seen.payload = bytes.collect();
                assert!(!seen.payload.is_empty());
                break;
            }
            let mut extended = |nibble: u8| match nibble {
                13 => next().map(|more| usize::from(more) + 13),
                14 => Some(usize::from(next()?) * 256 + usize::from(next()?) + 269),
                15 => None,
                plain => Some(plain.into()),
            };
            let (delta, length) = (extended(first >> 4), extended(first & 0xf));
            assert!(delta.is_some() && length.is_some(), "{datagram:x?}");
            number += delta.unwrap_or_default();
            let value: Vec<u8> = (0..length.unwrap_or_default()).filter_map(|_| next()).collect();
            assert_eq!(Some(value.len()), length);
            seen.options.push((number, value));
        }
        seen
    }

    fn values(&self, number: usize) -> impl Iterator<Item = &[u8]> {
        self.options.iter().filter(move |one| one.0 == number).map(|one| &one.1[..])
    }

    /// Returns the path that the device will read.
    fn path(&self) -> String {
        let segments: Vec<_> = self.values(11).map(String::from_utf8_lossy).collect();
        let path = segments.join("/");
        // Other servers read the path without empty segments, joined by slashes, or as a URL.
        let merged = segments.iter().fold(String::new(), |all, one| match all.as_str() {
            "" => one.to_string(),
            all => format!("{all}/{one}"),
        });
        assert_eq!(merged, path);
        assert!(!path.contains("//") && !path.contains(['?', '#', '\\', '\t', '\n', '\0']));
        let escaped = path.split('%').skip(1).map(|rest| rest.bytes().take(2));
        assert!(!escaped.into_iter().any(|two| two.filter(u8::is_ascii_hexdigit).count() == 2));
        assert!(!path.split('/').any(|one| one == "." || one == ".."));
        format!("lamp/{path}")
    }
}

/// What an observer knows of the flow.
#[derive(Default)]
struct Ledger {
    /// By the token towards the device: the client's token, the path, and how often it was sent.
    sent: BTreeMap<Vec<u8>, (Vec<u8>, String, usize)>,
    /// How many first answers came without asking the judge.
    answered: BTreeMap<Vec<u8>, usize>,
    /// The types, ids and tokens of messages that the client was sent.
    shown: BTreeSet<(u8, u16, Vec<u8>)>,
}

/// Plays both sides of a flow. Each datagram is a byte of flags, its length, and its bytes. Tokens
/// towards the device count from 0.
///
/// # Panics
/// When an invariant does not hold.
pub(crate) fn coap(bytes: &[u8]) {
    let Ok(interface) = "lamp".parse() else { return };
    let (mut coap, mut ledger, mut out) =
        (Coap::new(&interface, 0), Ledger::default(), Out::default());
    let mut rest = bytes;
    while let [flags, length, after @ ..] = rest {
        let (datagram, after) = after.split_at_checked((*length).into()).unwrap_or((after, &[]));
        rest = after;
        let from = if flags & DEVICE == 0 { Sender::Client } else { Sender::Device };
        let datagram = match datagram {
            [first, code, a, b, number, more @ ..] if flags & TOKEN != 0 => {
                let head = [first & 0xf0 | 8, *code, *a, *b];
                [&head[..], &u64::from(*number).to_be_bytes(), more].concat()
            }
            as_it_is => as_it_is.to_vec(),
        };
        let (refuse, blind) = (flags & REFUSE != 0, flags & BLIND != 0);
        let mut judge = Answers { refuse, blind, asked: Vec::new() };
        let ended = coap.read(from, &datagram, &mut judge, &mut out);
        assert!(ended.is_ok() || judge.asked.is_empty());
        assert_eq!(out.over, None);
        match from {
            Sender::Client => from_client(&mut ledger, &datagram, &judge.asked, &out),
            Sender::Device => from_device(&mut ledger, &datagram, &judge.asked, &out),
        }
        let (exchanges, observations, shown) = coap.sizes();
        assert!(exchanges <= EXCHANGES && observations <= OBSERVATIONS && shown <= SENT);
        if flags & CUT != 0 {
            let parting = coap.parting();
            assert_eq!(parting.len(), observations);
            for datagram in parting.into_iter().map(|out| out.device) {
                let seen = Seen::of(&datagram);
                assert!(seen.values(6).eq([&[1][..]]) && seen.payload.is_empty());
                assert_eq!(ledger.sent.get(&seen.token).map(|one| &one.1), Some(&seen.path()));
            }
        }
    }
}

/// Checks that only permitted requests reach the device, with the path that the judge was asked
/// about, and that all others are answered.
fn from_client(ledger: &mut Ledger, datagram: &[u8], asked: &[(Action, String, bool)], out: &Out) {
    assert!(out.device.is_empty() || out.client.is_empty());
    if !out.client.is_empty() {
        let (seen, theirs) = (Seen::of(&out.client), datagram.get(2..4));
        assert_eq!(theirs, Some(&seen.id.to_be_bytes()[..]));
        // A Reset, or a refusal.
        assert!(if seen.kind == 3 { seen.code == 0 } else { seen.code >= 0x80 });
        assert!(seen.options.is_empty());
    }
    if out.device.is_empty() {
        assert!(asked.iter().all(|one| one.2) == asked.is_empty());
        return;
    }
    let (seen, theirs) = (Seen::of(&out.device), Seen::of(datagram));
    assert_eq!((seen.kind, seen.code, seen.id), (theirs.kind, theirs.code, theirs.id));
    if seen.code == 0 {
        assert_eq!(out.device, datagram);
        let about =
            |shown: &(u8, u16, Vec<u8>)| shown.1 == seen.id && (seen.kind == 3 || shown.0 == 0);
        assert!(ledger.shown.iter().any(about), "it was not shown");
        return;
    }
    let action = match seen.code {
        1 => Action::Get,
        2 => Action::Post,
        3 => Action::Put,
        _ => Action::Delete,
    };
    let path = seen.path();
    assert!(asked.contains(&(action, path.clone(), true)) && asked.iter().all(|one| one.2));
    if seen.values(6).any(|value| value.iter().all(|byte| *byte == 0)) {
        assert!(asked.contains(&(Action::Observe, path.clone(), true)));
    }
    for never in [3, 7, 9, 19, 31, 35, 39] {
        assert_eq!(seen.values(never).count(), 0);
    }
    assert_eq!(seen.payload, theirs.payload);
    let sent = ledger.sent.entry(seen.token).or_insert((theirs.token.clone(), path.clone(), 0));
    assert_eq!((&sent.0, &sent.1), (&theirs.token, &path), "one token, one path");
    sent.2 += 1;
}

/// Checks that only answers to permitted requests reach the client, and no notification that the
/// judge was not asked about.
fn from_device(ledger: &mut Ledger, datagram: &[u8], asked: &[(Action, String, bool)], out: &Out) {
    let forwarded = !out.client.is_empty() && out.device.is_empty();
    if !out.device.is_empty() {
        let seen = Seen::of(&out.device);
        assert_eq!((seen.kind, seen.code, out.device.len()), (3, 0, 4));
        assert_eq!(out.device.get(2..), datagram.get(2..4));
    }
    if out.client.is_empty() {
        assert!(asked.is_empty());
        return;
    }
    let (seen, theirs) = (Seen::of(&out.client), Seen::of(datagram));
    assert_eq!(seen.id, theirs.id);
    if seen.code == 0 {
        assert!(asked.is_empty() && seen.kind >= 2);
        return;
    }
    let Some((token, path, times)) = ledger.sent.get(&theirs.token) else {
        assert!(out.client.is_empty(), "nobody asked for it");
        return;
    };
    assert_eq!(&seen.token, token);
    assert!(asked.iter().all(|one| one.0 == Action::Observe && one.1 == *path));
    let refused = asked.iter().any(|one| !one.2);
    let is_as_it_was = seen.code == theirs.code
        && seen.options == theirs.options
        && seen.payload == theirs.payload;
    if refused || !forwarded || !is_as_it_was {
        assert_eq!(seen.code, if refused { 0x83 } else { 0xa2 });
        assert!(seen.options.is_empty() && seen.payload.is_empty());
        assert_eq!((forwarded, seen.kind), (theirs.kind == 2, theirs.kind.max(1)));
        return;
    }
    assert_eq!(seen.kind, theirs.kind);
    let first = seen.kind == 2 || ledger.shown.insert((seen.kind, seen.id, theirs.token.clone()));
    assert!(!asked.is_empty() || seen.values(6).count() == 0, "it may not be seen");
    if asked.is_empty() && first {
        let answered = ledger.answered.entry(theirs.token).or_default();
        *answered += 1;
        assert!(*answered <= *times, "more answers than requests");
    }
}

/// Inputs that reach deep into the machine.
#[must_use]
pub(crate) fn coap_corpus() -> Vec<Vec<u8>> {
    let script = |parts: &[(u8, &[u8])]| {
        let part = |(flags, datagram): &(u8, &[u8])| {
            [&[*flags, u8::try_from(datagram.len()).unwrap_or(255)], *datagram].concat()
        };
        parts.iter().map(part).collect::<Vec<_>>().concat()
    };
    let get = b"\x41\x01\x00\x01\xaa\xb1a\x01b";
    let register = b"\x41\x01\x00\x02\xbb\x60\x51o";
    let deregister = b"\x41\x01\x00\x03\xbb\x61\x01\x51o";
    let put = b"\x54\x03\x00\x04\x01\x02\x03\x04\x34lamp\x42\x16\x33\x41a\x41q\xd1\x02\x10\xd1\x1b\x06\xffon";
    // The fifth byte of a response is the number of a token.
    let own = DEVICE | TOKEN;
    vec![
        script(&[
            (0, get),
            (own, b"\x60\x45\x00\x01\x00\x80\x21<\xffx"),
            (0, get),
            (DEVICE, b"\x60\x00\x00\x01"),
            (own, b"\x40\x45\x77\x77\x00\xffx"),
            (own, b"\x40\x45\x77\x77\x00\xffx"),
            (0, b"\x60\x00\x77\x77"),
            (0, b"\x40\x00\x00\x09"),
            (REFUSE, get),
        ]),
        script(&[
            (0, register),
            (own, b"\x60\x45\x00\x02\x00\x60\xffx"),
            (own, b"\x50\x45\x77\x78\x00\x61\x05\xffx"),
            (own, b"\x40\x45\x77\x79\x00\x61\x06\xffx"),
            (0, b"\x60\x00\x77\x79"),
            (own | BLIND, b"\x40\x45\x77\x7a\x00\x61\x07\xffx"),
            (own, b"\x50\x45\x77\x7b\x00\x61\x08\xffx"),
            (0, register),
            (own, b"\x50\x45\x77\x7c\x00\x61\x09\xffx"),
            (0, b"\x70\x00\x77\x7c"),
        ]),
        script(&[
            (0, register),
            (0, deregister),
            (own, b"\x60\x45\x00\x03\x00\xffx"),
            (0, b"\x41\x01\x00\x05\xbb\x60\x51p"),
            (own, b"\x50\x84\x77\x7d\x01"),
            (own, b"\x50\x84\x77\x7d\x01"),
            (CUT, register),
        ]),
        script(&[
            (0, put),
            (own, b"\x50\x44\x77\x7e\x00\x41\x01"),
            (0, b"\x50\x02\x00\x06\xb1b\xd1\x03\x02"),
            (DEVICE, b"\x70\x00\x00\x06"),
            (0, b"\x40\x04\x00\x07\xb1.\x00"),
            (0, b"\x40\x01\x00\x0a\xb0\x01a\x04a%2e"),
            (0, b"\x40\x05\x00\x08"),
            (0, b"\x40\x01\x00\x08\xe0\xfc\xdd"),
            (0, b"\x40\x01\x00\x08\xd0\x16"),
            (own, b"\x40\x45\x77\x7f\x00\xe0\xfc\xdd"),
            (DEVICE, b"\x40\x01\x00\x01"),
        ]),
    ]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_corpus_holds() {
        for input in coap_corpus() {
            coap(&input);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 10_000, ..ProptestConfig::default() })]

        #[test]
        fn what_is_like_the_corpus_holds(
            which in prop::collection::vec(0..4usize, 1..4),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 0..12),
        ) {
            let corpus = coap_corpus();
            let mut input: Vec<u8> = which.iter().flat_map(|at| corpus[*at].clone()).collect();
            for (at, byte, how) in changes {
                let at = at.index(input.len());
                match how {
                    0 => input[at] = byte,
                    1 => input[at] ^= 1 << (byte % 8),
                    2 => input.insert(at, byte),
                    _ if input.len() > 1 => {
                        input.remove(at);
                    }
                    _ => {}
                }
            }
            coap(&input);
        }

        #[test]
        fn any_bytes_hold(input in prop::collection::vec(any::<u8>(), 0..600)) {
            coap(&input);
        }
    }
}
