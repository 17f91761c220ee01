//! Modbus: reads and writes of registers and bits, one after the other on one connection.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use doorward_tests::running::PATIENCE;

use super::{Answer, Operation, Seed, Speech};

pub(super) const SPEECH: Speech = Speech {
    interface: "modbus",
    serve,
    rule,
    always: "modbus/99/holding/9, read",
    operation,
    client,
};

/// A device that has every register and bit.
fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                while let Some(frame) = frame(&mut stream) {
                    let count = u8::try_from(u16::from_be_bytes([frame[10], frame[11]])).unwrap();
                    let pdu = match frame[7] {
                        one @ (1 | 2) => {
                            [vec![one, count.div_ceil(8)], vec![0; count.div_ceil(8).into()]]
                                .concat()
                        }
                        one @ (3 | 4) => {
                            [vec![one, 2 * count], vec![0; (2 * count).into()]].concat()
                        }
                        _ => frame[7..12].to_vec(),
                    };
                    drop(stream.write_all(&framed(&frame[..2], frame[6], &pdu)));
                }
            });
        }
    });
    format!("modbus://{at}")
}

fn framed(transaction: &[u8], unit: u8, pdu: &[u8]) -> Vec<u8> {
    let length = u16::try_from(pdu.len() + 1).unwrap().to_be_bytes();
    [transaction, &[0, 0], &length, &[unit], pdu].concat()
}

fn frame(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut frame = vec![0; 6];
    stream.read_exact(&mut frame).ok()?;
    let mut rest = vec![0; u16::from_be_bytes([frame[4], frame[5]]).into()];
    stream.read_exact(&mut rest).ok()?;
    frame.extend(rest);
    Some(frame)
}

fn rule(seed: &mut Seed) -> String {
    let unit = seed.of(&["1", "2", "*", "1-2"]);
    let table = seed.of(&["holding", "input", "coil", "discrete", "*"]);
    let addresses = seed.of(&["0-19", "5", "3-7", "10-15", "*", "0-65535"]);
    let actions = seed.of(&["read", "write", "*", "read|write"]);
    match seed.below(5) {
        0 => format!("modbus/{unit}/{table}/**, {actions}"),
        1 => format!("modbus/{unit}/**, {actions}"),
        _ => format!("modbus/{unit}/{table}/{addresses}, {actions}"),
    }
}

fn operation(seed: &mut Seed) -> Operation {
    let write = seed.below(3) == 0;
    let tables: &[&str] =
        if write { &["holding", "coil"] } else { &["holding", "input", "coil", "discrete"] };
    let (unit, first, more) = (seed.of(&[1, 1, 2, 3]), seed.below(20), seed.of(&[0, 0, 1, 4]));
    let addresses = if more == 0 { first.to_string() } else { format!("{first}-{}", first + more) };
    let operand = format!("/{unit}/{}/{addresses}", seed.of(tables));
    Operation { action: if write { "write" } else { "read" }, operand }
}

fn client(at: SocketAddr, operations: &[Operation]) -> Vec<Answer> {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let answer = |operation: &Operation| {
        let parts: Vec<&str> = operation.operand.split('/').collect();
        let (unit, table): (u8, &str) = (parts[1].parse().unwrap(), parts[2]);
        let (first, last) = parts[3].split_once('-').unwrap_or((parts[3], parts[3]));
        let (first, last): (u16, u16) = (first.parse().unwrap(), last.parse().unwrap());
        let count = u8::try_from(last - first + 1).unwrap();
        let function = match (operation.action, table) {
            ("read", "coil") => 1,
            ("read", "discrete") => 2,
            ("read", "holding") => 3,
            ("read", _) => 4,
            (_, "coil") => 15,
            (_, _) => 16,
        };
        let mut pdu = vec![function];
        pdu.extend(first.to_be_bytes());
        pdu.extend([0, count]);
        match function {
            15 => pdu.extend([1, 0]),
            16 => {
                pdu.push(2 * count);
                pdu.extend(vec![0; (2 * count).into()]);
            }
            _ => {}
        }
        stream.write_all(&framed(&[0, 7], unit, &pdu)).unwrap();
        let answer = frame(&mut stream).expect("an answer");
        match answer[7] {
            ok if ok == function => Answer::Permitted,
            _ => Answer::Denied,
        }
    };
    operations.iter().map(answer).collect()
}
