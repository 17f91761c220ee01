use doorward_model::{Baud, DataBits, FlowControl, Parity, StopBits};

use super::option::COM_PORT;
use super::{Heard, SB, SE, Telnet};
use crate::dial::serial::request::{Answer, InForce, LineRequest, Purge};

/// What a server calls itself when it is asked.
const SIGNATURE: &[u8] = b"doorward";
/// A server's commands are a client's, plus this.
const SERVER: u8 = 100;

const SIGN: u8 = 0;
const BAUD: u8 = 1;
const BITS: u8 = 2;
const PARITY: u8 = 3;
const STOP: u8 = 4;
const CONTROL: u8 = 5;
const MODEM: u8 = 7;
const SUSPEND: u8 = 8;
const RESUME: u8 = 9;
const LINE_MASK: u8 = 10;
const MODEM_MASK: u8 = 11;
const PURGE: u8 = 12;

/// What a subnegotiation means. A value that no line here can have asks for what is in force, so
/// that the client learns of it.
pub(super) fn read(subnegotiation: &[u8]) -> Option<Heard> {
    use LineRequest as R;
    let [COM_PORT, command, value @ ..] = subnegotiation else { return None };
    let first = value.first().copied();
    let request = match (*command, first) {
        (SIGN, None) => return Some(Heard::Reply(say(SIGN, SIGNATURE))),
        (SUSPEND, _) => return Some(Heard::Suspend(true)),
        (RESUME, _) => return Some(Heard::Suspend(false)),
        // There is nothing to be told of the line's state.
        (LINE_MASK, Some(_)) => return Some(Heard::Reply(say(LINE_MASK, &[0]))),
        (BAUD, _) => {
            let rate = <[u8; 4]>::try_from(value).ok()?;
            R::Baud(Baud::new(u32::from_be_bytes(rate)))
        }
        (BITS, Some(bits)) => R::Bits(match bits {
            5 => Some(DataBits::Five),
            6 => Some(DataBits::Six),
            7 => Some(DataBits::Seven),
            8 => Some(DataBits::Eight),
            _ => None,
        }),
        (PARITY, Some(parity)) => R::Parity(match parity {
            1 => Some(Parity::None),
            2 => Some(Parity::Odd),
            3 => Some(Parity::Even),
            _ => None,
        }),
        (STOP, Some(stop)) => R::Stop(match stop {
            1 => Some(StopBits::One),
            2 => Some(StopBits::Two),
            _ => None,
        }),
        (CONTROL, Some(control)) => self::control(control)?,
        (MODEM_MASK, Some(mask)) => R::Modem(mask),
        (PURGE, Some(1)) => R::Purge(Purge::FromLine),
        (PURGE, Some(2)) => R::Purge(Purge::ToLine),
        (PURGE, Some(3)) => R::Purge(Purge::Both),
        _ => return None,
    };
    Some(Heard::Request(request))
}

fn control(value: u8) -> Option<LineRequest> {
    use LineRequest as R;
    Some(match value {
        // Flow control by DCD and DSR is not to be had.
        0 | 17 | 19 => R::Flow(None),
        1 => R::Flow(Some(FlowControl::None)),
        2 => R::Flow(Some(FlowControl::Software)),
        3 => R::Flow(Some(FlowControl::Hardware)),
        4 => R::Break(None),
        5 => R::Break(Some(true)),
        6 => R::Break(Some(false)),
        7 => R::Dtr(None),
        8 => R::Dtr(Some(true)),
        9 => R::Dtr(Some(false)),
        10 => R::Rts(None),
        11 => R::Rts(Some(true)),
        12 => R::Rts(Some(false)),
        // Nor by DTR.
        13 | 18 => R::FlowBack(None),
        14 => R::FlowBack(Some(FlowControl::None)),
        15 => R::FlowBack(Some(FlowControl::Software)),
        16 => R::FlowBack(Some(FlowControl::Hardware)),
        _ => return None,
    })
}

pub(super) fn answer(answer: &Answer) -> Vec<u8> {
    match answer {
        Answer::Modem(notice) => say(MODEM, &[*notice]),
        Answer::Done(request, in_force) => done(*request, in_force),
    }
}

fn done(request: LineRequest, in_force: &InForce) -> Vec<u8> {
    use LineRequest as R;
    let settings = &in_force.settings;
    let flow = match settings.flow {
        FlowControl::None => 1,
        FlowControl::Software => 2,
        FlowControl::Hardware => 3,
    };
    let either = |on, yes, no| if on { yes } else { no };
    match request {
        R::Baud(_) => say(BAUD, &settings.baud.get().to_be_bytes()),
        R::Bits(_) => say(
            BITS,
            &[match settings.bits {
                DataBits::Five => 5,
                DataBits::Six => 6,
                DataBits::Seven => 7,
                DataBits::Eight => 8,
            }],
        ),
        R::Parity(_) => say(
            PARITY,
            &[match settings.parity {
                Parity::None => 1,
                Parity::Odd => 2,
                Parity::Even => 3,
            }],
        ),
        R::Stop(_) => say(
            STOP,
            &[match settings.stop {
                StopBits::One => 1,
                StopBits::Two => 2,
            }],
        ),
        R::Flow(_) => say(CONTROL, &[flow]),
        R::FlowBack(_) => say(CONTROL, &[flow + 13]),
        R::Break(_) => say(CONTROL, &[either(in_force.sends_break, 5, 6)]),
        R::Dtr(_) => say(CONTROL, &[either(in_force.dtr, 8, 9)]),
        R::Rts(_) => say(CONTROL, &[either(in_force.rts, 11, 12)]),
        R::Modem(mask) => say(MODEM_MASK, &[mask]),
        R::Purge(Purge::FromLine) => say(PURGE, &[1]),
        R::Purge(Purge::ToLine) => say(PURGE, &[2]),
        R::Purge(Purge::Both) => say(PURGE, &[3]),
    }
}

fn say(command: u8, value: &[u8]) -> Vec<u8> {
    let mut said = vec![Telnet::IAC, SB, COM_PORT, SERVER + command];
    for byte in value {
        said.push(*byte);
        if *byte == Telnet::IAC {
            said.push(*byte);
        }
    }
    said.extend([Telnet::IAC, SE]);
    said
}
