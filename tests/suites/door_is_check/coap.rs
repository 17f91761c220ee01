//! CoAP: confirmable requests, one after the other.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use super::{Answer, Operation, Seed, Speech};

pub(super) const SPEECH: Speech =
    Speech { interface: "coap", serve, rule, always: "coap/ok, get", operation, client };

/// A device that says 2.05 to everything.
fn serve() -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut datagram = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut datagram) {
            let token = usize::from(datagram[0] & 15);
            if length >= 4 + token && datagram[1] != 0 {
                // An acknowledgement with the answer.
                let head = [0x60 | datagram[0] & 15, 0x45];
                drop(socket.send_to(&[&head, &datagram[2..4 + token]].concat(), from));
            }
        }
    });
    format!("coap://{at}")
}

fn rule(seed: &mut Seed) -> String {
    const WORDS: [&str; 7] = ["a", "b", "A", "a%20b", "*", "1-9", ".x"];
    let path = seed.path(&WORDS, 3);
    let tail = if path.is_empty() { "/**" } else { seed.of(&["", "/**", "/**"]) };
    let slash = if path.is_empty() { "" } else { "/" };
    format!("coap{slash}{path}{tail}, {}", seed.of(&["*", "get", "get|put", "post|delete"]))
}

fn operation(seed: &mut Seed) -> Operation {
    const WORDS: [&str; 9] = ["a", "a", "b", "A", "a b", "1-9", "5", ".x", "a%20b"];
    let path = seed.path(&WORDS, 3);
    // The interface's name alone is its root.
    let slash = if path.is_empty() && seed.below(2) == 0 { "" } else { "/" };
    let tail = if path.is_empty() { "" } else { seed.of(&["", "", "", "/"]) };
    let action = seed.of(&["get", "get", "put", "post", "delete"]);
    Operation { action, operand: format!("{slash}{path}{tail}") }
}

fn client(at: SocketAddr, operations: &[Operation]) -> Vec<Answer> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(at).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let mut number = 0_u16;
    let answer = |operation: &Operation| {
        number += 1;
        let code = match operation.action {
            "get" => 1,
            "post" => 2,
            "put" => 3,
            _ => 4,
        };
        let [high, low] = number.to_be_bytes();
        let mut datagram = vec![0x41, code, high, low, low];
        let segments = operation.operand.split('/').skip(1).filter(|_| operation.operand.len() > 1);
        for (at, segment) in segments.enumerate() {
            // Uri-Path is the option 11.
            let delta = if at == 0 { 11 << 4 } else { 0 };
            datagram.push(delta | u8::try_from(segment.len()).unwrap());
            datagram.extend(segment.as_bytes());
        }
        let mut answer = [0; 1500];
        let heard = (0..60).any(|_| {
            socket.send(&datagram).unwrap();
            // Until a second passes without a datagram; then the request is sent again.
            std::iter::from_fn(|| socket.recv(&mut answer).ok().map(|length| (length, answer)))
                .any(|(length, answer)| length >= 4 && answer[2..4] == [high, low])
        });
        assert!(heard, "no answer to {number} {} {}", operation.action, operation.operand);
        match answer[1] {
            code if code >> 5 == 2 => Answer::Permitted,
            0x83 => Answer::Denied,
            0x80 => Answer::Refused,
            code => panic!("{}: {code:#x}", operation.operand),
        }
    };
    operations.iter().map(answer).collect()
}
