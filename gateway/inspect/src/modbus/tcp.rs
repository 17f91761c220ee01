//! The machine of a Modbus/TCP connection.

use std::collections::VecDeque;

use doorward_model::{Action, Name, Path, Table};
use smallvec::SmallVec;

use super::exception::Exception;
use super::frame::{Frame, HEAD, length};
use super::pdu::rights;
use super::right::{ModbusRight, ModbusRights};
use crate::machine::{Fault, Judge, Machine, Out, Progress, Sender};

/// The most requests that wait for their answers. Beyond them, the oldest one is dropped.
const WAITING: usize = 64;

/// One Modbus/TCP connection through the gateway. Each request is forwarded unchanged, or answered
/// with an exception. Each answer is forwarded if a request waits for it.
#[derive(Debug)]
pub struct Tcp {
    interface: Name,
    /// The bytes of an incomplete frame from each side.
    client: Vec<u8>,
    device: Vec<u8>,
    /// Forwarded requests without an answer, the oldest first.
    waiting: VecDeque<Waiting>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Waiting {
    transaction: u16,
    unit: u8,
    function: u8,
}

impl Waiting {
    fn of(frame: &Frame<'_>) -> Self {
        let Frame { transaction, unit, function, .. } = *frame;
        Self { transaction, unit, function: function & 0x7f }
    }
}

/// Returns the exception for a request that is not permitted. A function that is granted by its
/// number counts as not served; otherwise the addresses count as missing.
fn forbidden(rights: &ModbusRights) -> Exception {
    match rights.iter().any(|right| right.table == Table::Function) {
        true => Exception::Function,
        false => Exception::Address,
    }
}

impl Tcp {
    /// Returns a connection to the interface of that name.
    #[must_use]
    pub fn new(interface: &Name) -> Self {
        let (client, device, waiting) = (Vec::new(), Vec::new(), VecDeque::new());
        Self { interface: interface.clone(), client, device, waiting }
    }

    /// Returns how many bytes are stored.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn held(&self) -> usize {
        self.client.len() + self.device.len()
    }

    /// Returns the bytes of an incomplete frame from that side.
    fn part(&mut self, from: Sender) -> &mut Vec<u8> {
        match from {
            Sender::Client => &mut self.client,
            Sender::Device => &mut self.device,
        }
    }

    fn frame(&mut self, from: Sender, bytes: &[u8], judge: &mut dyn Judge, out: &mut Out) {
        match (from, Frame::of(bytes)) {
            (Sender::Client, Some(frame)) => self.request(frame, judge, out),
            (Sender::Device, Some(frame)) => self.answer(frame, out),
            (_, None) => {}
        }
    }

    fn request(&mut self, frame: Frame<'_>, judge: &mut dyn Judge, out: &mut Out) {
        let refused = match rights(frame.unit, frame.pdu) {
            Ok(rights) if self.permits(&rights, judge) => {
                if self.waiting.len() == WAITING {
                    self.waiting.pop_front();
                }
                // A broadcast has no answer on a serial line, but over TCP unit 0 is often the
                // device.
                self.waiting.push_back(Waiting::of(&frame));
                return out.device.extend_from_slice(frame.bytes);
            }
            Ok(rights) => forbidden(&rights),
            Err(exception) => exception,
        };
        out.client.extend_from_slice(&frame.refusal(refused));
    }

    fn permits(&self, rights: &ModbusRights, judge: &mut dyn Judge) -> bool {
        let asked = |right: &ModbusRight| {
            let ModbusRight { action, unit, table, first, last } = *right;
            (action, Path::modbus(&self.interface, unit, table, first, last))
        };
        let all: SmallVec<[(Action, Path); 2]> = rights.iter().map(asked).collect();
        judge.may_all(&all)
    }

    fn answer(&mut self, frame: Frame<'_>, out: &mut Out) {
        let answered = Waiting::of(&frame);
        let found = self.waiting.iter().position(|waiting| *waiting == answered);
        if found.and_then(|at| self.waiting.remove(at)).is_some() {
            out.client.extend_from_slice(frame.bytes);
        }
    }
}

impl Machine for Tcp {
    fn read(
        &mut self,
        from: Sender,
        mut bytes: &[u8],
        judge: &mut dyn Judge,
        out: &mut Out,
    ) -> Result<Progress, Fault> {
        let (all, mut held) = (bytes.len(), std::mem::take(self.part(from)));
        while !bytes.is_empty() {
            if judge.turn_is_over() {
                *self.part(from) = held;
                return Ok(Progress::Part(all - bytes.len()));
            }
            if held.is_empty()
                && let Some(length) = length(from, bytes)?
                && let Some((frame, rest)) = bytes.split_at_checked(length)
            {
                self.frame(from, frame, judge, out);
                bytes = rest;
                continue;
            }
            // The missing bytes of the header, then of the rest.
            let wanted = length(from, &held)?.unwrap_or(HEAD - 1).saturating_sub(held.len());
            let (taken, rest) = bytes.split_at_checked(wanted).unwrap_or((bytes, &[]));
            held.extend_from_slice(taken);
            bytes = rest;
            if length(from, &held)? == Some(held.len()) {
                self.frame(from, &held, judge, out);
                held.clear();
            }
        }
        *self.part(from) = held;
        Ok(Progress::All)
    }

    /// A device does nothing on its own.
    fn parting(&mut self, _: &mut dyn Judge, _: &mut Out) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A judge that permits what is in its list, and stores its questions.
    #[derive(Default)]
    struct Rules {
        may: Vec<&'static str>,
        asked: Vec<String>,
    }

    impl Judge for Rules {
        fn may(&mut self, action: Action, path: &Path) -> bool {
            let asked = format!("{action} {path}");
            let may = self.may.iter().any(|may| *may == asked || *may == "everything");
            self.asked.push(asked);
            may
        }
    }

    fn frame(transaction: u16, unit: u8, pdu: &[u8]) -> Vec<u8> {
        let length = u16::try_from(pdu.len() + 1).unwrap();
        [&transaction.to_be_bytes()[..], &[0, 0], &length.to_be_bytes(), &[unit], pdu].concat()
    }

    fn machine() -> Tcp {
        Tcp::new(&"plc".parse().unwrap())
    }

    #[test]
    fn what_is_permitted_is_forwarded_and_the_rest_answered_by_its_own_transaction() {
        let mut rules = Rules {
            may: vec!["read plc/5/holding/9", "diagnose plc/5/function/8"],
            ..Rules::default()
        };
        let (mut tcp, mut out) = (machine(), Out::default());
        let frames = [
            (frame(0x1234, 5, &[6, 0, 9, 0, 1]), Some([0x12, 0x34, 0, 0, 0, 3, 5, 0x86, 2])),
            (frame(1, 5, &[3, 0, 9, 0, 1]), None),
            (frame(2, 5, &[17]), Some([0, 2, 0, 0, 0, 3, 5, 0x91, 1])),
            (frame(3, 5, &[8, 0, 0, 1, 2]), None),
            // Both rights are needed, and asked for.
            (
                frame(4, 5, &[23, 0, 9, 0, 1, 0, 9, 0, 1, 2, 0, 0]),
                Some([0, 4, 0, 0, 0, 3, 5, 0x97, 2]),
            ),
            (frame(5, 5, &[3, 0, 9, 0, 0]), Some([0, 5, 0, 0, 0, 3, 5, 0x83, 3])),
        ];
        for (frame, refusal) in frames {
            tcp.read(Sender::Client, &frame, &mut rules, &mut out).unwrap();
            match refusal {
                Some(refusal) => {
                    assert_eq!((&out.client[..], &out.device[..]), (&refusal[..], &[][..]))
                }
                None => assert_eq!((&out.client[..], &out.device[..]), (&[][..], &frame[..])),
            }
            (out.client, out.device) = Default::default();
        }
        let asked = [
            "write plc/5/holding/9",
            "read plc/5/holding/9",
            "diagnose plc/5/function/17",
            "diagnose plc/5/function/8",
            "read plc/5/holding/9",
            "write plc/5/holding/9",
        ];
        assert_eq!(rules.asked, asked);
    }

    #[test]
    fn an_answer_is_forwarded_once_and_only_to_what_was_forwarded() {
        let mut rules = Rules { may: vec!["everything"], ..Rules::default() };
        let mut tcp = machine();
        let mut said = |tcp: &mut Tcp, from, frame: &[u8]| {
            let mut out = Out::default();
            tcp.read(from, frame, &mut rules, &mut out).unwrap();
            out
        };
        let (ask, answer) = (frame(7, 1, &[3, 0, 0, 0, 1]), frame(7, 1, &[3, 2, 0, 1]));
        assert_eq!(said(&mut tcp, Sender::Device, &answer), Out::default());
        assert_eq!(said(&mut tcp, Sender::Client, &ask).device, ask);
        for other in
            [frame(8, 1, &[3, 2, 0, 1]), frame(7, 2, &[3, 2, 0, 1]), frame(7, 1, &[4, 2, 0, 1])]
        {
            assert_eq!(said(&mut tcp, Sender::Device, &other), Out::default());
        }
        assert_eq!(said(&mut tcp, Sender::Device, &answer).client, answer);
        assert_eq!(said(&mut tcp, Sender::Device, &answer), Out::default());
        // An exception is an answer as well.
        said(&mut tcp, Sender::Client, &ask);
        let exception = frame(7, 1, &[0x83, 2]);
        assert_eq!(said(&mut tcp, Sender::Device, &exception).client, exception);
        // Requests that are never answered do not accumulate.
        for _ in 0..1000 {
            said(&mut tcp, Sender::Client, &ask);
        }
        assert_eq!(tcp.waiting.len(), WAITING);
    }

    #[test]
    fn a_frame_that_cannot_be_ends_the_stream() {
        for (bytes, sound) in [
            (&[0, 1, 0, 1, 0, 6][..], false),
            (&[0, 1, 1, 0, 0, 6, 1], false),
            (&[0, 1, 0, 0, 0, 0], false),
            (&[0, 1, 0, 0, 0, 1, 1], false),
            (&[0, 1, 0, 0, 0, 255], false),
            (&[0, 1, 0, 0, 255, 255], false),
            (&[0, 1, 0, 0, 0, 254, 1], true),
            (&[0, 1, 0, 0, 0], true),
            (&[], true),
        ] {
            for from in [Sender::Client, Sender::Device] {
                let (mut rules, mut out) = (Rules::default(), Out::default());
                let read = machine().read(from, bytes, &mut rules, &mut out);
                assert_eq!(read.is_ok(), sound, "{bytes:?}");
                assert_eq!(out, Out::default());
            }
        }
    }
}
