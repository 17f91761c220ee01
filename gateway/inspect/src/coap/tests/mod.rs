//! Tests of the CoAP machine, and their judges.

mod device;
mod hostile;
mod loss;
mod talk;

use doorward_model::{Action, Path};

use super::Coap;
use crate::machine::{DatagramMachine as _, Fault, Judge, Out, Sender};

/// Returns bytes from hexadecimal digits with spaces.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').collect();
    let byte = |two: &[u8]| u8::from_str_radix(str::from_utf8(two).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// A judge that stores its questions, and permits those of its list, or everything without a list.
#[derive(Default)]
struct Listed {
    only: Option<Vec<&'static str>>,
    asked: Vec<String>,
}

impl Judge for Listed {
    fn may(&mut self, action: Action, path: &Path) -> bool {
        let asked = format!("{action} {}", path.raw());
        let may = self.only.as_ref().is_none_or(|only| only.contains(&&*asked));
        self.asked.push(asked);
        may
    }
}

/// Returns a flow whose tokens towards the device are 0, 1, 2 …
fn flow() -> Coap {
    Coap::new(&"lamp".parse().unwrap(), 0)
}

/// The result of a datagram.
#[derive(Debug, PartialEq, Eq)]
struct Became {
    device: Vec<u8>,
    client: Vec<u8>,
    asked: Vec<String>,
    fault: bool,
}

fn read(coap: &mut Coap, from: Sender, datagram: &[u8], only: Option<&[&'static str]>) -> Became {
    let mut judge = Listed { only: only.map(<[_]>::to_vec), asked: Vec::new() };
    // The former content must be gone afterwards.
    let mut out = Out { device: vec![1], client: vec![2], over: Some("old") };
    let read: Result<(), Fault> = coap.read(from, datagram, &mut judge, &mut out);
    assert!(read.is_ok_and(|()| true) || read.is_err_and(|fault| fault.by == from));
    assert_eq!(out.over, None);
    Became { device: out.device, client: out.client, asked: judge.asked, fault: read.is_err() }
}

/// Returns the message with its token towards the device.
fn renamed(datagram: &[u8], ours: u64) -> Vec<u8> {
    let token = usize::from(datagram[0] & 0xf);
    let head = [datagram[0] & 0xf0 | 8, datagram[1], datagram[2], datagram[3]];
    [&head, &ours.to_be_bytes()[..], &datagram[4 + token..]].concat()
}
