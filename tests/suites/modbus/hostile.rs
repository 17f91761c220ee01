//! Hostile Modbus/TCP, as a table of what becomes of it. What a client says stands in hexadecimal,
//! in the pieces in which it is sent.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Sender, channel};

use doorward_tests::Gateway;
use doorward_tests::running::PATIENCE;

const RULES: &str = "p, user/probe, plc, modbus/1/holding/0-99, read|write, , allow\n\
                     p, user/probe, plc, modbus/1/holding/50-59, write, , deny\n\
                     p, user/probe, plc, modbus/1/coil/0-15, read|write, , allow\n\
                     p, user/probe, plc, modbus/*/input/*, read, , allow\n\
                     p, user/probe, plc, modbus/1/function/8, diagnose, , allow\n\
                     p, user/probe, plc, modbus/1/function/90, diagnose, , allow\n\
                     p, user/probe, plc, modbus/1/device/0-2, read, , allow\n\
                     p, user/probe, plc, modbus/1/file/4, read, , allow\n\
                     p, user/probe, plc, modbus/1/fifo/9, read, , allow";

/// What becomes of a client's frames, in their order: `F` is forwarded, `X2` is answered with
/// exception 2, and `end` is the end of the connection.
const TABLE: &[(&str, &str, &str)] = &[
    ("a read", "0001 0000 0006 01 03 0000 0001", "F"),
    ("a read to the last address that is granted", "0001 0000 0006 01 03 0000 0064", "F"),
    ("a read one beyond it", "0001 0000 0006 01 03 0000 0065", "X2"),
    ("a read that begins before it and ends after it", "0001 0000 0006 01 03 0063 0002", "X2"),
    ("a read across the end of the table", "0001 0000 0006 01 03 ffff 0002", "X2"),
    ("a read whose end wraps to what is granted", "0001 0000 0006 01 03 fff0 0020", "X2"),
    ("a read of nothing", "0001 0000 0006 01 03 0000 0000", "X3"),
    ("a read of 126 registers", "0001 0000 0006 01 03 0000 007e", "X3"),
    ("a read of 65535", "0001 0000 0006 01 03 0000 ffff", "X3"),
    ("a read of 2000 coils", "0001 0000 0006 01 01 0000 07d0", "X2"),
    ("a read of 2001 coils", "0001 0000 0006 01 01 0000 07d1", "X3"),
    ("a read without its count", "0001 0000 0004 01 03 0000", "X3"),
    ("a read with something behind it", "0001 0000 0008 01 03 0000 0001 0000", "X3"),
    ("a read of discrete inputs, which are another table", "0001 0000 0006 01 02 0000 0001", "X2"),
    ("a read of another unit", "0001 0000 0006 02 03 0000 0001", "X2"),
    ("a read of unit 255", "0001 0000 0006 ff 03 0000 0001", "X2"),
    ("a read of another unit where any is granted", "0001 0000 0006 f7 04 0000 0001", "F"),
    ("a read of all units where any one is granted", "0001 0000 0006 00 04 0000 0001", "X2"),
    ("a write", "0001 0000 0006 01 06 0000 1234", "F"),
    ("a write where it is denied", "0001 0000 0006 01 06 0032 1234", "X2"),
    ("a read where writing is denied", "0001 0000 0006 01 03 0032 000a", "F"),
    ("a write to all units", "0001 0000 0006 00 06 0000 1234", "X2"),
    ("a write to all units of coils", "0001 0000 0006 00 05 0000 ff00", "X2"),
    ("a write to all units of many", "0001 0000 0009 00 10 0000 0001 02 0001", "X2"),
    ("a write that reaches what is denied", "0001 0000 000b 01 10 0031 0002 04 0001 0002", "X2"),
    (
        "a write whose byte count is less than its count",
        "0001 0000 0009 01 10 0000 0002 02 0001",
        "X3",
    ),
    ("a write whose byte count is more", "0001 0000 000b 01 10 0000 0001 04 0001 0002", "X3"),
    ("a write with more bytes than it says", "0001 0000 000b 01 10 0000 0001 02 0001 0002", "X3"),
    ("a write with fewer bytes than it says", "0001 0000 0008 01 10 0000 0001 02 00", "X3"),
    ("a write of nothing", "0001 0000 0007 01 10 0000 0000 00", "X3"),
    ("a write across the end of the table", "0001 0000 000b 01 10 ffff 0002 04 0001 0002", "X2"),
    ("a coil", "0001 0000 0006 01 05 0000 ff00", "F"),
    ("a coil that is neither on nor off", "0001 0000 0006 01 05 0000 ff01", "X3"),
    ("a coil beyond what is granted", "0001 0000 0006 01 05 0010 ff00", "X2"),
    ("coils up to what is granted", "0001 0000 0009 01 0f 0000 0010 02 ffff", "F"),
    ("coils beyond", "0001 0000 000a 01 0f 0000 0011 03 ffffff", "X2"),
    ("a mask", "0001 0000 0008 01 16 0000 ffff 0000", "F"),
    ("a mask where writing is denied", "0001 0000 0008 01 16 0032 ffff 0000", "X2"),
    ("reading and writing, both granted", "0001 0000 000d 01 17 0000 0001 0002 0001 02 0001", "F"),
    (
        "reading and writing, the reading not granted",
        "0001 0000 000d 01 17 0064 0001 0002 0001 02 0001",
        "X2",
    ),
    (
        "reading and writing, the writing denied",
        "0001 0000 000d 01 17 0000 0001 0032 0001 02 0001",
        "X2",
    ),
    ("reading and writing, cut off", "0001 0000 0008 01 17 0000 0001 0002", "X3"),
    ("a file", "0001 0000 000a 01 14 07 06 0004 0000 0001", "F"),
    ("another file", "0001 0000 000a 01 14 07 06 0005 0000 0001", "X2"),
    (
        "a file that is granted, and another behind it",
        "0001 0000 0011 01 14 0e 06 0004 0000 0001 06 0005 0000 0001",
        "X2",
    ),
    (
        "a file's records that are not granted for writing",
        "0001 0000 000c 01 15 09 06 0004 0000 0001 1234",
        "X2",
    ),
    ("a file with another reference type", "0001 0000 000a 01 14 07 05 0004 0000 0001", "X3"),
    ("a file's record 10000", "0001 0000 000a 01 14 07 06 0004 2710 0001", "X2"),
    ("a queue", "0001 0000 0004 01 18 0009", "F"),
    ("another queue", "0001 0000 0004 01 18 0008", "X2"),
    ("the identification", "0001 0000 0005 01 2b 0e 01 00", "F"),
    ("more of the identification", "0001 0000 0005 01 2b 0e 03 00", "X2"),
    ("the identification, an object that is not granted", "0001 0000 0005 01 2b 0e 04 03", "X2"),
    ("the identification of an unknown kind", "0001 0000 0005 01 2b 0e 09 00", "X3"),
    ("other encapsulated transport", "0001 0000 0005 01 2b 0d 00 00", "X1"),
    ("diagnostics, granted by number", "0001 0000 0006 01 08 0000 1234", "F"),
    ("diagnostics of another unit", "0001 0000 0006 02 08 0000 1234", "X1"),
    ("reporting the server id, not granted", "0001 0000 0002 01 11", "X1"),
    ("a user-defined function, granted by number", "0001 0000 0004 01 5a 0001", "F"),
    ("a user-defined function, not granted", "0001 0000 0004 01 5b 0001", "X1"),
    ("function 0", "0001 0000 0002 01 00", "X1"),
    ("an exception as a request", "0001 0000 0003 01 83 02", "X1"),
    ("function 255", "0001 0000 0003 01 ff 00", "X1"),
    ("two in one piece", "0001 0000 0006 01 03 0000 0001 0002 0000 0006 01 03 0001 0001", "F F"),
    (
        "a forbidden one between two",
        "0001 0000 0006 01 03 0000 0001 0002 0000 0006 01 06 0032 0001 0003 0000 0006 01 03 0001 0001",
        "F X2 F",
    ),
    (
        "the same transaction twice",
        "0007 0000 0006 01 03 0000 0001 0007 0000 0006 01 03 0000 0001",
        "F F",
    ),
    ("byte by byte", "00|01|00|00|00|06|01|03|00|00|00|01", "F"),
    (
        "a frame whose end comes with the next one's head",
        "0001 0000 0006 01 03 00|00 0001 0002 0000|0006 01 06 0032 0001",
        "F X2",
    ),
    ("the longest frame", "0001 0000 00fd 01 10 0000 007b f6 00*246", "X2"),
    ("another protocol", "0001 0001 0006 01 03 0000 0001", "end"),
    (
        "another protocol behind a sound frame",
        "0001 0000 0006 01 03 0000 0001 0002 0100 0006 01 03 0000 0001",
        "F end",
    ),
    ("a length of nothing", "0001 0000 0000 01 03 0000 0001", "end"),
    ("a length without a function", "0001 0000 0001 01", "end"),
    ("a length of 255", "0001 0000 00ff 01 03 0000 0001", "end"),
    ("a length of 65535", "0001 0000 ffff 01 03 0000 0001", "end"),
    (
        "a length one too short, so that the rest begins a frame",
        "0001 0000 0005 01 03 0000 00|01 0002 0000 0006 01 03 0000 0001",
        "X3 end",
    ),
    (
        "a write hidden behind a read by a length too long",
        "0001 0000 0012 01 03 0000 0001 0002 0000 0006 01 06 0000 0001",
        "X3",
    ),
    ("HTTP", "474554202f20485454502f312e310d0a0d0a", "end"),
    ("RTU", "0103 0000 0001 840a", "end"),
    ("ASCII", "3a303130333030303030303031464142", "end"),
    ("half a frame, and the end", "0001 0000 0006 01 03", ""),
];

/// Bytes from hexadecimal digits; `00*9` is nine bytes of 0.
fn bytes(hex: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in hex.split([' ', '|']) {
        let (digits, times) = word.split_once('*').unwrap_or((word, "1"));
        let byte = |two: &[u8]| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap();
        let word: Vec<u8> = digits.as_bytes().chunks(2).map(byte).collect();
        bytes.extend(word.repeat(times.parse().unwrap()));
    }
    bytes
}

/// Reads whole frames until there are none.
fn frames(stream: &mut TcpStream, mut each: impl FnMut(&mut TcpStream, Vec<u8>)) {
    loop {
        let mut frame = vec![0; 6];
        if stream.read_exact(&mut frame).is_err() {
            return;
        }
        let length = usize::from(u16::from_be_bytes([frame[4], frame[5]]));
        frame.resize(6 + length, 0);
        if stream.read_exact(&mut frame[6..]).is_err() {
            return;
        }
        each(stream, frame);
    }
}

/// The frame that answers `frame` with an exception.
fn exception(frame: &[u8], code: u8) -> Vec<u8> {
    vec![frame[0], frame[1], 0, 0, 0, 3, frame[6], frame[7] | 0x80, code]
}

/// A device that answers everything with exception 4, which the gateway has not.
fn device(heard: Sender<Vec<u8>>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let heard = heard.clone();
            std::thread::spawn(move || {
                frames(&mut stream, |stream, frame| {
                    let _ = stream.write_all(&exception(&frame, 4));
                    heard.send(frame).unwrap();
                });
            });
        }
    });
    at
}

/// The frames that somebody has said, as far as their lengths are believed.
fn said(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while bytes.len() >= 8 {
        let length = 6 + usize::from(u16::from_be_bytes([bytes[4], bytes[5]]));
        let (frame, rest) = bytes.split_at(length.clamp(8, bytes.len()));
        frames.push(frame.to_vec());
        bytes = rest;
    }
    frames
}

#[test]
fn what_is_said_is_forwarded_answered_or_the_end() {
    let (gateway, (tell, device_heard)) = (Gateway::start(), channel());
    gateway.declare("plc/modbus", &format!("modbus://{}", device(tell)));
    gateway.enrol("user/probe", &[]);
    gateway.rules(RULES);
    let (_listener, at) = gateway.listening("probe", "plc/modbus");
    assert!(TABLE.len() >= 60);
    for (name, pieces, expected) in TABLE {
        let mut stream = TcpStream::connect(at).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        for piece in pieces.split('|') {
            // Whoever was ended early takes no more.
            let _ = stream.write_all(&bytes(piece));
        }
        let expected: Vec<&str> = expected.split_whitespace().collect();
        let (ends, answered) = match expected.split_last() {
            Some((&"end", before)) => (true, before),
            _ => (false, &expected[..]),
        };
        let said = said(&bytes(pieces));
        let (mut told, mut forwarded) = (Vec::new(), Vec::new());
        for (frame, fate) in said.iter().zip(answered) {
            let code = match *fate {
                "F" => {
                    forwarded.push(frame.clone());
                    4
                }
                fate => fate.strip_prefix('X').unwrap().parse().unwrap(),
            };
            told.push(exception(frame, code));
        }
        let mut got = Vec::new();
        if !ends {
            // What is said last is not forwarded before what was said first.
            let _ = stream.shutdown(std::net::Shutdown::Write);
        }
        let mut answers = Vec::new();
        let end = stream.read_to_end(&mut answers);
        assert!(ends || end.is_ok(), "{name}: {end:?}");
        while answers.len() >= 9 {
            got.push(answers.drain(..9).collect::<Vec<u8>>());
        }
        assert!(answers.is_empty(), "{name}: {answers:x?}");
        // A refusal does not wait for the device, and an end not for an answer.
        for answer in &got {
            let at = told.iter().position(|one| one == answer);
            told.remove(at.unwrap_or_else(|| panic!("{name}: told {answer:x?}, not {told:x?}")));
        }
        assert!(ends || told.is_empty(), "{name}: not told {told:x?}");
        let heard: Vec<_> = forwarded
            .iter()
            .map(|_| device_heard.recv_timeout(PATIENCE).expect(name))
            .chain(device_heard.try_iter())
            .collect();
        assert_eq!(heard, forwarded, "{name}: what reached the device");
    }
    assert_eq!(device_heard.try_iter().count(), 0);
}

/// What a device says to whom nobody has asked, or that is no answer.
#[test]
fn what_a_device_says_reaches_only_whoever_asked_for_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let gateway = Gateway::start();
    gateway.declare("plc/modbus", &format!("modbus://{}", listener.local_addr().unwrap()));
    gateway.enrol("user/probe", &[]);
    gateway.rules(RULES);
    let (_door, at) = gateway.listening("probe", "plc/modbus");
    let ask = "0007 0000 0006 01 03 0000 0001";
    let answer = "0007 0000 0005 01 03 02 0001";
    for (name, says, told) in [
        ("its answer", answer, answer),
        ("twice", &[answer, answer].concat(), answer),
        (
            "another transaction before it",
            &["0008 0000 0005 01 03 02 0001", answer].concat(),
            answer,
        ),
        ("another unit before it", &["0007 0000 0005 02 03 02 0001", answer].concat(), answer),
        ("another function before it", &["0007 0000 0005 01 04 02 0001", answer].concat(), answer),
        ("an exception", "0007 0000 0003 01 83 02", "0007 0000 0003 01 83 02"),
        ("byte by byte", "00|07|00|00|00|05|01|03|02|00|01", answer),
        ("another protocol", "0007 0001 0005 01 03 02 0001", ""),
        ("a length that cannot be", "0007 0000 0000 01 03 02 0001", ""),
    ] {
        let mut client = TcpStream::connect(at).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.write_all(&bytes(ask)).unwrap();
        let (mut device, _) = listener.accept().unwrap();
        device.set_nodelay(true).unwrap();
        device.read_exact(&mut vec![0; bytes(ask).len()]).unwrap();
        for piece in says.split('|') {
            let _ = device.write_all(&bytes(piece));
        }
        drop(device);
        let mut got = Vec::new();
        let end = client.read_to_end(&mut got);
        assert_eq!(got, bytes(told), "{name}: {end:?}");
    }
}
