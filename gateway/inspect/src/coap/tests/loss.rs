//! A client that breaks the rules, a device that forgets nothing, and a network that loses, repeats
//! and delays datagrams. No answer must reach the client without a permitted request for it, and no
//! notification that the client may not see.

use std::collections::BTreeMap;

use doorward_model::{Action, Path};
use proptest::prelude::*;

use super::flow;
use crate::coap::Coap;
use crate::machine::{DatagramMachine as _, Judge, Out, Sender};

/// One event. Its bytes choose among what exists.
#[derive(Clone, Debug)]
enum Event {
    /// The client sends a request: for one of three paths, with one of three tokens, under one of
    /// three ids.
    Request { path: u8, token: u8, id: u8, observe: Option<u8>, confirmable: bool },
    /// A datagram that was once sent to the gateway arrives there.
    Arrives(prop::sample::Index),
    /// A datagram that was once sent to the device arrives there, and the device answers in one of
    /// three ways.
    Answered(prop::sample::Index, u8),
    /// The resource at a path changes, and the device notifies its observers.
    Changed { path: u8, confirmable: bool, fails: bool },
    /// The client acknowledges or rejects a message.
    Receipt { kind: u8, id: u8 },
    /// The policy changes: one bit for each action and path.
    Policy(u8),
}

fn event() -> impl Strategy<Value = Event> {
    let observe = prop_oneof![Just(None), Just(Some(0)), Just(Some(0)), Just(Some(1))];
    prop_oneof![
        4 => (0..3u8, 0..3u8, 0..3u8, observe, any::<bool>()).prop_map(
            |(path, token, id, observe, confirmable)|
                Event::Request { path, token, id, observe, confirmable }),
        8 => any::<prop::sample::Index>().prop_map(Event::Arrives),
        6 => (any::<prop::sample::Index>(), 0..3u8).prop_map(|(which, how)| Event::Answered(which, how)),
        3 => (0..3u8, any::<bool>(), any::<bool>()).prop_map(
            |(path, confirmable, fails)| Event::Changed { path, confirmable, fails }),
        1 => (2..4u8, 0..40u8).prop_map(|(kind, id)| Event::Receipt { kind, id }),
        2 => any::<u8>().prop_map(Event::Policy),
    ]
}

const PATHS: [u8; 3] = *b"abc";

/// A judge that permits what the bits say.
struct Bits(u8, Vec<(Action, String, bool)>);

impl Judge for Bits {
    fn may(&mut self, action: Action, path: &Path) -> bool {
        let path = path.raw();
        let at = PATHS.iter().position(|name| path.as_bytes().ends_with(&[*name])).unwrap();
        let may = self.0 >> (at + if action == Action::Observe { 3 } else { 0 }) & 1 == 1;
        self.1.push((action, path, may));
        may
    }
}

/// Returns the token and the bytes after it.
fn token(datagram: &[u8]) -> (Vec<u8>, &[u8]) {
    let (token, rest) = datagram[4..].split_at(usize::from(datagram[0] & 0xf));
    (token.to_vec(), rest)
}

/// A device that registers every token at every path, as often as it is asked.
#[derive(Default)]
struct Device {
    observers: Vec<(u8, Vec<u8>)>,
    notified: BTreeMap<u16, (u8, Vec<u8>)>,
    next: u16,
}

impl Device {
    fn response(&mut self, head: [u8; 2], id: Option<u16>, token: &[u8], rest: &[u8]) -> Vec<u8> {
        self.next += 1;
        let [high, low] = id.unwrap_or(self.next).to_be_bytes();
        [&[head[0] | 8, head[1], high, low], token, rest].concat()
    }

    /// Answers a datagram. The payload of each answer names the path.
    fn answers(&mut self, datagram: &[u8], how: u8) -> Option<Vec<u8>> {
        let id = u16::from_be_bytes([datagram[2], datagram[3]]);
        if datagram[1] == 0 {
            if datagram[0] == 0x70
                && let Some(gone) = self.notified.get(&id)
            {
                self.observers.retain(|observer| observer != gone);
            }
            return None;
        }
        let (token, options) = token(datagram);
        let path = *options.last().unwrap();
        let observe: &[u8] = match options {
            [0x60, ..] => {
                self.observers.push((path, token.clone()));
                &[0x60]
            }
            [0x61, 1, ..] => {
                self.observers.retain(|observer| *observer != (path, token.clone()));
                &[]
            }
            _ => &[],
        };
        let rest = [observe, &[0xff, path]].concat();
        Some(match how {
            0 if datagram[0] & 0x30 == 0 => self.response([0x60, 0x45], Some(id), &token, &rest),
            1 => self.response([0x40, 0x45], None, &token, &rest),
            _ => self.response([0x50, 0x45], None, &token, &rest),
        })
    }

    fn notifies(&mut self, path: u8, confirmable: bool, fails: bool) -> Vec<Vec<u8>> {
        let kind = if confirmable { 0x40 } else { 0x50 };
        let (code, rest) =
            if fails { (0x84, vec![0xff, path]) } else { (0x45, vec![0x60, 0xff, path]) };
        let mut observers = self.observers.clone();
        observers.retain(|observer| observer.0 == path);
        let notify = |(path, token): (u8, Vec<u8>)| {
            let notification = self.response([kind, code], None, &token, &rest);
            self.notified.insert(self.next, (path, token));
            notification
        };
        observers.into_iter().map(notify).collect()
    }
}

/// What the client was permitted to ask for with each token.
#[derive(Default)]
struct Ledger {
    /// By path and token: how many requests were forwarded.
    forwarded: BTreeMap<(u8, Vec<u8>), usize>,
    /// The answers that came without asking the judge. A repeated answer counts once.
    answered: BTreeMap<(u8, Vec<u8>), Vec<Vec<u8>>>,
}

fn run(events: &[Event]) {
    let mut coap: Coap = flow();
    let (mut device, mut ledger, mut bits) = (Device::default(), Ledger::default(), 0xff);
    let mut sent: Vec<(Sender, Vec<u8>)> = Vec::new();
    let mut reached: Vec<Vec<u8>> = Vec::new();
    let mut out = Out::default();
    for event in events {
        match event {
            Event::Request { path, token, id, observe, confirmable } => {
                let kind = if *confirmable { 0x40 } else { 0x50 };
                let tokens: [&[u8]; 3] = [&[], &[1], &[0, 0, 0, 0, 0, 0, 0, 1]];
                let token = tokens[usize::from(*token)];
                let observe: &[u8] = match observe {
                    None => &[0xb1],
                    Some(0) => &[0x60, 0x51],
                    _ => &[0x61, 1, 0x51],
                };
                let head = [kind | u8::try_from(token.len()).unwrap(), 1, 0, *id];
                let path = PATHS[usize::from(*path)];
                sent.push((Sender::Client, [&head, token, observe, &[path]].concat()));
            }
            Event::Receipt { kind, id } => {
                sent.push((Sender::Client, vec![0x40 | kind << 4, 0, 0, *id]));
            }
            Event::Changed { path, confirmable, fails } => {
                let notified = device.notifies(PATHS[usize::from(*path)], *confirmable, *fails);
                sent.extend(notified.into_iter().map(|one| (Sender::Device, one)));
            }
            Event::Policy(new) => bits = *new,
            Event::Answered(which, how) if !reached.is_empty() => {
                let answer = device.answers(&reached[which.index(reached.len())], *how);
                sent.extend(answer.into_iter().map(|one| (Sender::Device, one)));
            }
            Event::Arrives(which) if !sent.is_empty() => {
                let (from, datagram) = &sent[which.index(sent.len())];
                let mut judge = Bits(bits, Vec::new());
                let _fault = coap.read(*from, datagram, &mut judge, &mut out).is_err();
                if !out.device.is_empty() {
                    reached.push(out.device.clone());
                }
                check(&mut ledger, *from, datagram, &judge.1, &out);
            }
            Event::Answered(..) | Event::Arrives(_) => {}
        }
    }
}

fn check(
    ledger: &mut Ledger,
    from: Sender,
    datagram: &[u8],
    asked: &[(Action, String, bool)],
    out: &Out,
) {
    let may =
        |action, path: u8| asked.contains(&(action, format!("lamp/{}", char::from(path)), true));
    match from {
        Sender::Client if datagram[1] == 1 && !out.device.is_empty() => {
            let ((theirs, rest), (_, forwarded)) = (token(datagram), token(&out.device));
            let path = *rest.last().unwrap();
            assert!(may(Action::Get, path) && (rest[0] != 0x60 || may(Action::Observe, path)));
            assert_eq!(rest, forwarded);
            *ledger.forwarded.entry((path, theirs)).or_default() += 1;
        }
        Sender::Device if out.client.len() > 4 && out.client[1] != 0x83 => {
            let (theirs, rest) = token(&out.client);
            let path = *rest.last().unwrap();
            let key = (path, theirs);
            let forwarded = *ledger.forwarded.get(&key).unwrap_or(&0);
            assert_ne!(forwarded, 0, "nobody asked for it");
            if rest[0] == 0x60 || !asked.is_empty() {
                assert!(may(Action::Observe, path), "it may not be seen");
            } else {
                let answered = ledger.answered.entry(key).or_default();
                if out.client[0] & 0x30 == 0x20 || !answered.contains(&out.client) {
                    answered.push(out.client.clone());
                }
                assert!(answered.len() <= forwarded, "more answers than requests");
            }
        }
        Sender::Client | Sender::Device => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn no_answer_reaches_a_client_that_did_not_ask_and_may_not_see(
        events in prop::collection::vec(event(), 1..150),
    ) {
        run(&events);
    }
}
