//! What clients say.

use super::*;

/// What has reached the broker: a packet, or the end of a connection.
type Heard = Option<Vec<u8>>;

/// A broker that takes everything.
fn broker(heard: Sender<Heard>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let heard = heard.clone();
            std::thread::spawn(move || {
                let mut five = false;
                while let Some(packet) = next(&mut stream) {
                    if packet[0] == 0x10 {
                        five = packet[if packet[1] & 0x80 == 0 { 8 } else { 9 }] == 5;
                    }
                    let answer = answer(&packet, five);
                    heard.send(Some(packet)).unwrap();
                    let _ = stream.write_all(&answer);
                }
                heard.send(None).unwrap();
            });
        }
    });
    at
}

/// What it answers.
fn answer(packet: &[u8], five: bool) -> Vec<u8> {
    let head = 1 + packet[1..].iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
    let fields = &packet[head..];
    let id = |at: usize| [fields[at], fields[at + 1]];
    let after_topic = || 2 + usize::from(u16::from_be_bytes(id(0)));
    let of = |first: u8, id: [u8; 2]| vec![first, 2, id[0], id[1]];
    match (packet[0] >> 4, packet[0] >> 1 & 3) {
        (1, _) if five => wire("20 00 00 [22 0010]"),
        (1, _) => wire("20 00 00"),
        (3, 1) => of(0x40, id(after_topic())),
        (3, 2) => of(0x50, id(after_topic())),
        (6, _) => of(0x70, id(0)),
        (8, _) => {
            let mut rest = &fields[2..];
            if five {
                rest = &rest[1 + usize::from(rest[0])..];
            }
            let mut codes = Vec::new();
            while !rest.is_empty() {
                let length = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
                codes.push(rest[2 + length] & 3);
                rest = &rest[3 + length..];
            }
            let properties: &[u8] = if five { &[0] } else { &[] };
            let body = [&id(0), properties, &codes].concat();
            let mut suback = vec![0x90];
            notation::length(body.len(), &mut suback);
            [suback, body].concat()
        }
        (10, _) if five => [&[0xb0, 4], &id(0)[..], &[0, 0]].concat(),
        (10, _) => of(0xb0, id(0)),
        (12, _) => vec![0xd0, 0],
        _ => vec![],
    }
}

/// A gateway, the broker behind it, and what that has heard.
struct Bench {
    _listener: Running,
    _gateway: Gateway,
    at: SocketAddr,
    heard: Receiver<Heard>,
}

impl Bench {
    fn new() -> Self {
        let (tell, heard) = channel();
        let (gateway, listener, at) = world(broker(tell));
        Self { _listener: listener, _gateway: gateway, at, heard }
    }

    /// All that the broker heard on one connection, once that has ended.
    fn connection(&self, name: &str) -> Vec<Vec<u8>> {
        let next =
            || self.heard.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{name}: no end"));
        std::iter::from_fn(next).collect()
    }

    /// Says each row of a table, after that.
    fn check(&self, opening: &str, table: &[Row]) {
        let mut wrong = Vec::new();
        for (name, says, hears, told) in table {
            let mut stream = connected(self.at);
            if !opening.is_empty() {
                say(&mut stream, opening);
                assert_eq!(next(&mut stream).unwrap()[0], 0x20, "{name}");
            }
            say(&mut stream, says);
            let (mut hears, _) = expected(says, hears);
            let (mut told, ends) = expected(says, told);
            if !ends {
                // What comes before the answer to it is all that comes.
                say(&mut stream, "c0");
                told.push(wire("d0"));
            }
            let asked = told.iter().filter(|packet| packet[0] == 0xd0).count();
            let (mut got, mut pongs) = (Vec::new(), 0);
            while (ends || pongs < asked)
                && let Some(packet) = next(&mut stream)
            {
                pongs += usize::from(packet[0] == 0xd0);
                got.push(packet);
            }
            // A refusal does not wait for the broker.
            got.sort();
            told.sort();
            if got != told {
                wrong.push(format!("{name}: the client is told {got:x?}, not {told:x?}"));
            }
            let _ = stream.shutdown(Shutdown::Both);
            drop(stream);
            let reached = !opening.is_empty() || !hears.is_empty();
            let mut heard = if reached { self.connection(name) } else { Vec::new() };
            if !opening.is_empty() {
                heard.remove(0);
            }
            if !ends {
                hears.push(wire("c0"));
            }
            heard.extend(self.heard.try_iter().flatten());
            if heard != hears {
                wrong.push(format!("{name}: {heard:x?} reached the broker, not {hears:x?}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

#[test]
fn what_clients_say_first() {
    Bench::new().check("", first::TABLE);
}

#[test]
fn what_clients_say_in_3_1_1() {
    Bench::new().check("10 'MQTT' 04 02 003c 'c'", version_3::TABLE);
}

#[test]
fn what_clients_say_in_5() {
    Bench::new().check("10 'MQTT' 05 02 003c [] 'c'", version_5::TABLE);
}
