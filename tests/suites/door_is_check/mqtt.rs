//! MQTT 5: messages of QoS 1 and subscriptions, one after the other on one connection.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use doorward_tests::running::PATIENCE;

use super::{Answer, Operation, Seed, Speech};

pub(super) const SPEECH: Speech =
    Speech { interface: "mqtt", serve, rule, always: "mqtt, connect", operation, client };

const CONNECT: u8 = 0x10;
const PUBLISH: u8 = 0x32;
const SUBSCRIBE: u8 = 0x82;
/// The gateway sends one where it has refused something, so that the broker sees a client.
const PING: u8 = 0xc0;

/// A broker that accepts everything, and delivers nothing.
fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                while let Some((kind, body)) = packet(&mut stream) {
                    let answer = match kind {
                        CONNECT => vec![0x20, 3, 0, 0, 0],
                        PUBLISH => {
                            let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
                            vec![0x40, 2, body[2 + topic], body[3 + topic]]
                        }
                        SUBSCRIBE => vec![0x90, 4, body[0], body[1], 0, 0],
                        PING => vec![0xd0, 0],
                        _ => return,
                    };
                    drop(stream.write_all(&answer));
                }
            });
        }
    });
    format!("mqtt://{at}")
}

/// The next packet: its first byte, and what follows its length. All here are short.
fn packet(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 2];
    stream.read_exact(&mut head).ok()?;
    assert!(head[1] < 0x80, "a long packet");
    let mut body = vec![0; head[1].into()];
    stream.read_exact(&mut body).ok()?;
    Some((head[0], body))
}

fn rule(seed: &mut Seed) -> String {
    const WORDS: [&str; 8] = ["a", "b", "A", "*", "$SYS", "x%20y", "1-9", ""];
    let (path, tail) = (seed.path(&WORDS, 3), seed.of(&["", "/**"]));
    let actions = seed.of(&["publish", "subscribe", "publish|subscribe"]);
    if path.is_empty() {
        format!("mqtt/**, {actions}")
    } else {
        format!("mqtt/{path}{tail}, {actions}")
    }
}

fn operation(seed: &mut Seed) -> Operation {
    const LEVELS: [&str; 7] = ["a", "b", "A", "$SYS", "x y", "1-9", "c"];
    const MORE: [&str; 10] = ["a", "b", "A", "$SYS", "x y", "1-9", "", "c", "+", "+"];
    let publish = seed.below(2) == 0;
    let first = if publish { seed.of(&LEVELS) } else { seed.of(&["a", "b", "$SYS", "+", "#"]) };
    let mut operand = format!("/{first}");
    for _ in 0..seed.below(3) {
        if first != "#" {
            operand =
                format!("{operand}/{}", seed.of(if publish { &LEVELS[..] } else { &MORE[..] }));
        }
    }
    if !publish && first != "#" && seed.below(3) == 0 {
        operand.push_str("/#");
    }
    Operation { action: if publish { "publish" } else { "subscribe" }, operand }
}

fn client(at: SocketAddr, operations: &[Operation]) -> Vec<Answer> {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut send = |kind: u8, body: &[u8]| {
        let length = u8::try_from(body.len()).unwrap();
        stream.write_all(&[&[kind, length][..], body].concat()).unwrap();
        packet(&mut stream).unwrap_or_else(|| panic!("no answer to {}", body.escape_ascii()))
    };
    let (kind, body) = send(CONNECT, b"\0\x04MQTT\x05\x02\0\0\0\0\x01t");
    assert_eq!((kind, body[1]), (0x20, 0), "{body:?}");
    let answer = |operation: &Operation| {
        let topic = &operation.operand[1..];
        let named =
            [&u16::try_from(topic.len()).unwrap().to_be_bytes()[..], topic.as_bytes()].concat();
        let code = match operation.action {
            "publish" => {
                let (kind, body) = send(PUBLISH, &[&named[..], &[0, 7, 0, b'x']].concat());
                assert_eq!(kind, 0x40, "{topic}");
                body.get(2).copied().unwrap_or_default()
            }
            _ => {
                let (kind, body) = send(SUBSCRIBE, &[&[0, 7, 0][..], &named, &[0]].concat());
                assert_eq!(kind, 0x90, "{topic}");
                *body.last().unwrap()
            }
        };
        match code {
            0..=2 => Answer::Permitted,
            0x87 => Answer::Denied,
            code => panic!("{topic}: {code:#x}"),
        }
    };
    operations.iter().map(answer).collect()
}
