//! Hostile CoAP, as a table of what becomes of it. What a client says stands in hexadecimal, a
//! datagram each, divided by bars. `00*3` stands for `00 00 00`.

use std::net::UdpSocket;
use std::sync::mpsc::{Sender, channel};

use doorward_tests::Gateway;
use doorward_tests::running::PATIENCE;

const RULES: &str = "p, user/probe, lamp, coap/a, get|put|post|delete, , allow\n\
                     p, user/probe, lamp, coap/, get, , allow\n\
                     p, user/probe, lamp, coap/o, get|observe, , allow\n\
                     p, user/probe, lamp, coap/.well-known/core, get, , allow\n\
                     p, user/probe, lamp, coap/open/**, *, , allow\n\
                     p, user/probe, lamp, coap/open/secret/**, *, , deny";

/// What becomes of each: `F` is forwarded, and answered by the device; `rst` is rejected; `-` is
/// nothing at all; else it is answered with that code by the gateway.
const TABLE: &[(&str, &str, &str)] = &[
    ("get", "41 01 0007 aa b1 61", "F"),
    ("get, not confirmable", "51 01 0007 aa b1 61", "F"),
    ("post", "42 02 0007 aabb b1 61 ff 00", "F"),
    ("put", "44 03 ffff aabbccdd b1 61 ff 616263", "F"),
    ("delete", "48 04 0000 0102030405060708 b1 61", "F"),
    ("the root", "40 01 0007", "F"),
    ("the root, by one empty segment", "40 01 0007 b0", "F"),
    ("the root, another method", "40 02 0007", "4.03"),
    ("another path", "40 01 0007 b1 62", "4.03"),
    ("a path below", "40 01 0007 b1 61 01 62", "4.03"),
    ("an empty last segment", "40 01 0007 b1 61 00", "4.03"),
    ("an empty first segment", "40 01 0007 b0 01 61", "4.00"),
    ("two empty segments", "40 01 0007 b0 00", "4.00"),
    ("an empty segment before what is open", "40 01 0007 b0 04 6f70656e 01 78", "4.00"),
    ("an empty segment before what is denied", "40 01 0007 b4 6f70656e 00 06 736563726574", "4.00"),
    ("two before it", "40 01 0007 b4 6f70656e 00 00 06 736563726574 01 78", "4.00"),
    ("an empty last segment below what is open", "40 01 0007 b4 6f70656e 00", "F"),
    ("what is denied behind a question mark", "40 01 0007 b4 6f70656e 07 7365637265743f", "4.00"),
    ("what is denied behind a number sign", "40 01 0007 b4 6f70656e 07 73656372657423", "4.00"),
    ("what is denied, with an escape", "40 01 0007 b4 6f70656e 08 2537336563726574", "4.00"),
    (
        "what is denied after escapes of dots",
        "40 01 0007 b4 6f70656e 01 78 06 253265253265",
        "4.00",
    ),
    ("what is denied, with a tab", "40 01 0007 b4 6f70656e 07 73656309726574", "4.00"),
    ("an upper-case letter", "40 01 0007 b1 41", "4.03"),
    ("below what is open", "40 01 0007 b4 6f70656e 01 78", "F"),
    ("what is open itself", "40 01 0007 b4 6f70656e", "F"),
    ("what is denied in it", "40 01 0007 b4 6f70656e 06 736563726574", "4.03"),
    ("below what is denied", "40 01 0007 b4 6f70656e 06 736563726574 01 78", "4.03"),
    (
        "a percent sign in what is denied, which is another name",
        "40 01 0007 b4 6f70656e 08 2573736563726574",
        "F",
    ),
    ("what is denied after a dot", "40 01 0007 b4 6f70656e 01 2e 06 736563726574", "4.00"),
    (
        "what is denied after two dots",
        "40 01 0007 b4 6f70656e 01 78 02 2e2e 06 736563726574",
        "4.00",
    ),
    ("what is denied by a slash", "40 01 0007 bb 6f70656e2f736563726574", "4.00"),
    ("what is denied behind NUL", "40 01 0007 b4 6f70656e 07 73656372657400", "4.00"),
    ("what servers are asked first", "40 01 0007 bb 2e77656c6c2d6b6e6f776e 04 636f7265", "F"),
    ("a star is a letter", "40 01 0007 b1 2a", "4.03"),
    ("two stars", "40 01 0007 b2 2a2a", "4.03"),
    ("a plus", "40 01 0007 b1 2b", "4.03"),
    ("a number sign", "40 01 0007 b1 23", "4.00"),
    ("a byte that is no UTF-8", "40 01 0007 b1 ff", "4.00"),
    ("a slash in more bytes than it needs", "40 01 0007 b2 c0af", "4.00"),
    ("half a surrogate", "40 01 0007 b3 eda080", "4.00"),
    ("a query", "40 01 0007 b1 61 41 78", "F"),
    ("a query in 255 parts, which makes 256 options", "40 01 0007 b1 61 40 00*254", "F"),
    ("257 options", "40 01 0007 b1 61 40 00*255", "rst"),
    ("257 options that may not be confirmed", "50 01 0007 b1 61 40 00*255", "-"),
    ("a query that looks like a path", "40 01 0007 b1 61 44 2f2e2e2f", "F"),
    ("Uri-Host", "40 01 0007 34 6c616d70 81 61", "F"),
    ("Uri-Host, and a path that is refused", "40 01 0007 34 6c616d70 81 62", "4.03"),
    ("Uri-Host, twice", "40 01 0007 31 78 01 79 81 61", "4.02"),
    ("Uri-Port of 3 bytes", "40 01 0007 73 000050 41 61", "4.02"),
    ("Proxy-Uri", "41 01 0007 aa d9 16 636f61703a2f2f782f", "5.05"),
    ("Proxy-Scheme after a path that is granted", "40 01 0007 b1 61 d4 0f 68747470", "5.05"),
    ("OSCORE", "41 02 0007 aa 91 09 21 61", "4.02"),
    ("EDHOC", "40 02 0007 b1 61 d0 fd", "4.02"),
    ("an unknown critical option", "40 01 0007 b1 61 e0 fcd1", "4.02"),
    ("an unknown option that is safe to forward", "40 01 0007 b1 61 e0 fcd0", "F"),
    ("an unknown option that is unsafe to forward", "40 01 0007 b1 61 e0 fcd2", "4.02"),
    ("If-None-Match, twice", "40 03 0007 50 00 61 61", "4.02"),
    ("the last hop", "40 01 0007 b1 61 51 01", "5.08"),
    ("no hop", "40 01 0007 b1 61 51 00", "4.00"),
    ("observing what may be", "41 01 0007 aa 60 51 6f", "F"),
    ("observing what may only be got", "41 01 0007 aa 60 51 61", "4.03"),
    ("not observing any more", "41 01 0007 aa 61 01 51 61", "F"),
    ("Observe, twice", "40 01 0007 60 00 51 6f", "4.02"),
    ("Observe at another method", "40 02 0007 60 51 61", "F"),
    ("FETCH", "41 05 0007 aa b1 61", "4.05"),
    ("PATCH", "40 06 0007 b1 61", "4.05"),
    ("iPATCH, not confirmable", "50 07 0007 b1 61", "4.05"),
    ("a method that is none", "40 1f 0007 b1 61", "4.05"),
    ("three bytes", "40 01 00", "-"),
    ("version 0", "00 01 0007 b1 61", "-"),
    ("version 2", "80 01 0007 b1 61", "-"),
    ("version 3", "c0 01 0007 b1 61", "-"),
    ("a class of 1", "40 21 0007 b1 61", "rst"),
    ("a class of 6", "40 c0 0007 b1 61", "rst"),
    ("a signal of CoAP over TCP", "40 e1 0007", "rst"),
    ("a class of 7, not confirmable", "50 ff 0007", "-"),
    ("a token of 9 bytes", "49 01 0007 010203040506070809 b1 61", "rst"),
    ("a token of 15 bytes", "4f 01 0007 0102030405060708090a0b0c0d0e0f", "rst"),
    ("a token of 9 bytes, not confirmable", "59 01 0007 010203040506070809", "-"),
    ("a token that is cut off", "44 01 0007 aabbcc", "rst"),
    ("a difference of 15", "40 01 0007 b1 61 f0", "rst"),
    ("a length of 15", "40 01 0007 bf", "rst"),
    ("an option that is cut off", "40 01 0007 b2 61", "rst"),
    ("a difference of two bytes that is cut off", "40 01 0007 b1 61 e0 01", "rst"),
    ("a number beyond the last", "40 01 0007 e0 fef3", "rst"),
    ("a marker without a payload", "40 01 0007 b1 61 ff", "rst"),
    ("a marker without a payload, not confirmable", "50 01 0007 b1 61 ff", "-"),
    ("a ping", "40 00 0007", "rst"),
    ("a ping with a token", "41 00 0007 aa", "rst"),
    ("a ping with bytes", "40 00 0007 b1 61", "rst"),
    ("an acknowledgement of nothing", "60 00 0007", "-"),
    ("a rejection of nothing", "70 00 0007", "-"),
    ("a request as an acknowledgement", "60 01 0007 b1 61", "-"),
    ("a request as a rejection", "70 01 0007 b1 61", "-"),
    ("a response", "40 45 0007 ff 61", "rst"),
    ("a response, not confirmable", "50 45 0007 ff 61", "-"),
    ("a response as an acknowledgement", "60 45 0007 ff 61", "-"),
    (
        "a forbidden one between two",
        "40 01 0007 b1 61|40 01 0008 b1 62|40 01 0009 b1 61",
        "F 4.03 F",
    ),
    ("the same one again", "41 01 0007 aa b1 61|41 01 0007 aa b1 61", "F F"),
    ("one token for two paths", "41 01 0007 aa b1 61|41 01 0008 aa b1 62", "F 4.03"),
];

fn bytes(hex: &str) -> Vec<u8> {
    let byte = |two: &[u8]| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap();
    let part = |part: &str| -> Vec<u8> {
        let (digits, times) = part.split_once('*').unwrap_or((part, "1"));
        let some: Vec<u8> = digits.as_bytes().chunks(2).map(byte).collect();
        some.repeat(times.parse().unwrap())
    };
    hex.split_whitespace().flat_map(part).collect()
}

/// What a message is: `2.05`, or what it is when it is empty.
fn word(datagram: &[u8]) -> String {
    match (datagram[0] & 0x30, datagram[1]) {
        (0x30, 0) => "rst".to_owned(),
        (_, 0) => "ack".to_owned(),
        (_, code) => format!("{}.{:02}", code >> 5, code & 0x1f),
    }
}

/// A device that answers everything with 2.05, and tells what has reached it.
fn device(heard: Sender<Vec<u8>>) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let url = format!("coap://{}", socket.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut room = [0; 65536];
        while let Ok((count, from)) = socket.recv_from(&mut room) {
            let datagram = &room[..count];
            let token = usize::from(datagram[0] & 0xf);
            let mut answer = datagram[..4 + token].to_vec();
            // In an acknowledgement, or as unconfirmed as it was asked.
            answer[0] = if datagram[0] & 0x30 == 0 { 0x60 } else { 0x50 } | datagram[0] & 0xf;
            answer[1] = 0x45;
            if datagram[1] != 0 {
                socket.send_to(&answer, from).unwrap();
            }
            heard.send(datagram.to_vec()).unwrap();
        }
    });
    url
}

/// A request for what is granted: what came before it has been read when it is answered.
const LAST: &str = "42 01 7777 eeee b1 61";

#[test]
fn what_is_said_is_forwarded_answered_or_nothing() {
    let (gateway, (tell, device_heard)) = (Gateway::start(), channel());
    gateway.declare("lamp/coap", &device(tell));
    gateway.enrol("user/probe", &[]);
    gateway.rules(RULES);
    let (_listener, at) = gateway.listening("probe", "lamp/coap");
    assert!(TABLE.len() >= 60);
    for (name, said, expected) in TABLE {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.connect(at).unwrap();
        let mut room = [0; 65536];
        let mut told = |until: Option<u16>| {
            let mut told = Vec::new();
            loop {
                let count =
                    socket.recv(&mut room).unwrap_or_else(|error| panic!("{name}: {error}"));
                if room[2..4] == until.unwrap_or_default().to_be_bytes() && until.is_some() {
                    return told;
                }
                told.push(room[..count].to_vec());
                if until.is_none() {
                    return told;
                }
            }
        };
        let (mut answers, mut forwarded) = (Vec::new(), 0);
        for (datagram, fate) in said.split('|').zip(expected.split(' ')) {
            let datagram = bytes(datagram);
            socket.send(&datagram).unwrap();
            let fate = if fate == "F" { "2.05" } else { fate };
            forwarded += usize::from(fate == "2.05");
            if fate == "-" {
                continue;
            }
            let answer = told(None).remove(0);
            assert_eq!(word(&answer), fate, "{name}: {answer:x?}");
            assert_eq!(answer[2..4], datagram[2..4], "{name}: under its id");
            let token = usize::from(answer[0] & 0xf);
            assert!(datagram[4..].starts_with(&answer[4..4 + token]), "{name}: with its token");
        }
        socket.send(&bytes(LAST)).unwrap();
        answers.extend(told(Some(0x7777)));
        assert_eq!(answers, [[0; 0]; 0], "{name}: nothing else is said");
        let heard: Vec<_> = (0..=forwarded)
            .map(|_| device_heard.recv_timeout(PATIENCE).expect(name))
            .chain(device_heard.try_iter())
            .collect();
        assert_eq!(heard.len(), forwarded + 1, "{name}: {heard:x?}");
        // Nobody says whom it was for, and whose token it was.
        for datagram in &heard {
            assert_eq!(datagram[0] & 0xf, 8, "{name}: the gateway's own token");
            assert!(!datagram.windows(4).any(|four| four == b"lamp"), "{name}: {datagram:x?}");
        }
    }
}

/// What a device says that nobody asked for, or not so.
#[test]
fn what_a_device_says_reaches_only_whoever_asked_for_it() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let gateway = Gateway::start();
    gateway.declare("lamp/coap", &format!("coap://{}", socket.local_addr().unwrap()));
    gateway.enrol("user/probe", &[]);
    gateway.rules(RULES);
    let (_door, at) = gateway.listening("probe", "lamp/coap");
    // `T` stands for the token of the request.
    for (name, says, told) in [
        ("its answer", "68 45 0007 T ff 61", "62 45 0007 eeee ff 61"),
        ("an empty acknowledgement", "60 00 0007", "60 00 0007"),
        ("a separate response", "48 45 1234 T ff 61", "42 45 1234 eeee ff 61"),
        ("a rejection", "70 00 0007", "70 00 0007"),
        ("another token", "68 45 0007 0102030405060708 ff 61", ""),
        ("a token that is cut off", "64 45 0007 01020304", ""),
        ("the client's token", "62 45 0007 eeee", ""),
        ("another id", "68 45 0008 T ff 61", ""),
        ("a request", "48 01 1234 T b1 61", ""),
        ("a notification that nobody asked for", "58 45 1234 T 61 05", ""),
        ("an unknown option that is unsafe to forward", "68 45 0007 T e0 fcdd", "62 a2 0007 eeee"),
        ("a response that is malformed", "68 45 0007 T ff", ""),
        ("another version", "a8 45 0007 T ff 61", ""),
    ] {
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.connect(at).unwrap();
        let mut room = [0; 1024];
        let mut asked = |client: &UdpSocket, request: &str| {
            client.send(&bytes(request)).unwrap();
            loop {
                let (count, from) = socket.recv_from(&mut room).unwrap();
                // What it rejects is not asked.
                if room[1] != 0 {
                    return (room[4..12].to_vec(), count, from);
                }
            }
        };
        let (token, _, from) = asked(&client, "42 01 0007 eeee b1 61");
        let token: String = token.iter().map(|byte| format!("{byte:02x}")).collect();
        socket.send_to(&bytes(&says.replace('T', &token)), from).unwrap();
        // Another one, whose answer comes after that.
        let (token, _, from) = asked(&client, "42 01 7777 dddd b1 61");
        let answer = [&[0x68, 0x45, 0x77, 0x77][..], &token].concat();
        socket.send_to(&answer, from).unwrap();
        let mut got = Vec::new();
        let mut room = [0; 1024];
        loop {
            let count = client.recv(&mut room).unwrap_or_else(|error| panic!("{name}: {error}"));
            if room[2..4] == [0x77, 0x77] {
                break;
            }
            got.extend_from_slice(&room[..count]);
        }
        assert_eq!(got, bytes(told), "{name}");
    }
}
