//! The commands of RFC 2217 as bytes.

use doorward_model::{Baud, DataBits, FlowControl, Parity, StopBits};

use super::event::{ClientEvent, ServerEvent};
use super::option::COM_PORT;
use super::{IAC, SB, SE, escape};
use crate::request::{LineAnswer, LineRequest, Modem, Purge};

/// A server's answer to SIGNATURE.
const SIGNATURE: &[u8] = b"doorward";
/// The offset of a server's command numbers from the client's.
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

/// Numbers and their meanings. A number that is not in a table asks for the current value.
type Table<T, const N: usize> = [(u8, T); N];

const ALL_BITS: Table<DataBits, 4> =
    [(5, DataBits::Five), (6, DataBits::Six), (7, DataBits::Seven), (8, DataBits::Eight)];
const PARITIES: Table<Parity, 3> = [(1, Parity::None), (2, Parity::Odd), (3, Parity::Even)];
const STOPS: Table<StopBits, 2> = [(1, StopBits::One), (2, StopBits::Two)];
const PURGES: Table<Purge, 3> = [(1, Purge::FromLine), (2, Purge::ToLine), (3, Purge::Both)];
const CONTROLS: Table<LineRequest, 20> = [
    (0, LineRequest::Flow(None)),
    (1, LineRequest::Flow(Some(FlowControl::None))),
    (2, LineRequest::Flow(Some(FlowControl::Software))),
    (3, LineRequest::Flow(Some(FlowControl::Hardware))),
    (4, LineRequest::Break(None)),
    (5, LineRequest::Break(Some(true))),
    (6, LineRequest::Break(Some(false))),
    (7, LineRequest::Dtr(None)),
    (8, LineRequest::Dtr(Some(true))),
    (9, LineRequest::Dtr(Some(false))),
    (10, LineRequest::Rts(None)),
    (11, LineRequest::Rts(Some(true))),
    (12, LineRequest::Rts(Some(false))),
    (13, LineRequest::FlowBack(None)),
    (14, LineRequest::FlowBack(Some(FlowControl::None))),
    (15, LineRequest::FlowBack(Some(FlowControl::Software))),
    (16, LineRequest::FlowBack(Some(FlowControl::Hardware))),
    // Flow control by DCD, DTR and DSR is not supported.
    (17, LineRequest::Flow(None)),
    (18, LineRequest::FlowBack(None)),
    (19, LineRequest::Flow(None)),
];

fn meaning<T: Copy>(table: &[(u8, T)], number: u8) -> Option<T> {
    table.iter().find(|(one, _)| *one == number).map(|(_, meaning)| *meaning)
}

fn number<T: Copy + PartialEq>(table: &[(u8, T)], meaning: Option<T>) -> u8 {
    let found = table.iter().find(|(_, one)| Some(*one) == meaning);
    found.map_or(0, |(number, _)| *number)
}

/// Parses a client's subnegotiation. A value that no line can have becomes a question for the
/// current value, so that the client learns it.
pub(super) fn parse_client(subnegotiation: &[u8]) -> Option<ServerEvent> {
    let [COM_PORT, command, value @ ..] = subnegotiation else { return None };
    Some(match (*command, value) {
        (SIGN, []) => ServerEvent::Reply(command_bytes(SERVER + SIGN, SIGNATURE)),
        (SUSPEND, _) => ServerEvent::Suspend(true),
        (RESUME, _) => ServerEvent::Suspend(false),
        // Line state is never reported, so the mask is always 0.
        (LINE_MASK, [_, ..]) => ServerEvent::Reply(command_bytes(SERVER + LINE_MASK, &[0])),
        (command, value) => ServerEvent::Request(read(command, value)?),
    })
}

/// Parses a server's subnegotiation.
pub(super) fn parse_server(subnegotiation: &[u8]) -> Option<ClientEvent> {
    let [COM_PORT, command, value @ ..] = subnegotiation else { return None };
    Some(match (command.checked_sub(SERVER)?, value) {
        (SUSPEND, _) => ClientEvent::Suspend(true),
        (RESUME, _) => ClientEvent::Suspend(false),
        (MODEM, [notice, ..]) => ClientEvent::Modem(Modem::of_notice(*notice)),
        (command, value) => ClientEvent::Done(read(command, value)?),
    })
}

/// Encodes a client's request.
pub(super) fn ask(request: LineRequest) -> Vec<u8> {
    let (command, value) = write(request);
    command_bytes(command, &value)
}

/// Encodes a server's answer.
pub(super) fn answer(answer: LineAnswer) -> Vec<u8> {
    let (command, value) = match answer {
        LineAnswer::Modem(notice) => (MODEM, vec![notice]),
        LineAnswer::Done(request) => write(request),
    };
    command_bytes(SERVER + command, &value)
}

/// Parses a command and its value. Requests and answers have the same form.
fn read(command: u8, value: &[u8]) -> Option<LineRequest> {
    use LineRequest as R;
    Some(match (command, value) {
        (BAUD, value) => {
            let rate = <[u8; 4]>::try_from(value).ok()?;
            R::Baud(Baud::new(u32::from_be_bytes(rate)))
        }
        (BITS, [bits, ..]) => R::Bits(meaning(&ALL_BITS, *bits)),
        (PARITY, [parity, ..]) => R::Parity(meaning(&PARITIES, *parity)),
        (STOP, [stop, ..]) => R::Stop(meaning(&STOPS, *stop)),
        (CONTROL, [control, ..]) => meaning(&CONTROLS, *control)?,
        (MODEM_MASK, [mask, ..]) => R::Modem(*mask),
        (PURGE, [purge, ..]) => R::Purge(meaning(&PURGES, *purge)?),
        _ => return None,
    })
}

/// Encodes a command and its value: the reverse of [`read`].
fn write(request: LineRequest) -> (u8, Vec<u8>) {
    use LineRequest as R;
    let (command, value) = match request {
        R::Baud(baud) => {
            return (BAUD, baud.map_or(0, Baud::get).to_be_bytes().to_vec());
        }
        R::Bits(bits) => (BITS, number(&ALL_BITS, bits)),
        R::Parity(parity) => (PARITY, number(&PARITIES, parity)),
        R::Stop(stop) => (STOP, number(&STOPS, stop)),
        R::Flow(_) | R::FlowBack(_) | R::Break(_) | R::Dtr(_) | R::Rts(_) => {
            (CONTROL, number(&CONTROLS, Some(request)))
        }
        R::Modem(mask) => (MODEM_MASK, mask),
        R::Purge(purge) => (PURGE, number(&PURGES, Some(purge))),
    };
    (command, vec![value])
}

fn command_bytes(command: u8, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![IAC, SB, COM_PORT, command];
    value.iter().for_each(|byte| escape(*byte, &mut bytes));
    bytes.extend([IAC, SE]);
    bytes
}
