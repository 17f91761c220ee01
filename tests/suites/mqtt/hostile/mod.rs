//! Hostile MQTT, as tables of what becomes of it. What is said stands in a notation of its own
//! ([`notation`]), in the pieces in which it is sent.

mod broker;
mod client;
mod first;
mod notation;
mod version_3;
mod version_5;

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};

use doorward_tests::Gateway;
use doorward_tests::running::{PATIENCE, Running};
use notation::{packets, wire};

const RULES: &str = "p, user/probe, plc, mqtt, connect, , allow\n\
                     p, user/probe, plc, mqtt/ok/**, publish|subscribe, , allow\n\
                     p, user/probe, plc, mqtt/ok/no/**, publish|subscribe, , deny\n\
                     p, user/probe, plc, mqtt/$SYS/ok, subscribe, , allow";

/// What is said, what the other side hears of it, and what whoever said it is told, `end` at last if
/// that was the end of the connection. `same` is heard as it was said.
type Row = (&'static str, &'static str, &'static str, &'static str);

/// A gateway in front of that broker, with a local port that leads there.
fn world(broker: SocketAddr) -> (Gateway, Running, SocketAddr) {
    let gateway = Gateway::start();
    gateway.declare("plc/mqtt", &format!("mqtt://{broker}"));
    gateway.enrol("user/probe", &[]);
    gateway.rules(RULES);
    let (listener, at) = gateway.listening("probe", "plc/mqtt");
    (gateway, listener, at)
}

fn connected(at: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(at).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends each piece by itself. Whoever was ended early takes no more.
fn say(stream: &mut TcpStream, pieces: &str) {
    let (pieces, ends) = match pieces.strip_suffix("|.") {
        Some(pieces) => (pieces, true),
        None => (pieces, false),
    };
    for piece in notation::pieces(pieces) {
        let _ = stream.write_all(&piece);
    }
    if ends {
        let _ = stream.shutdown(Shutdown::Write);
    }
}

/// The next packet, if there is one.
fn next(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut packet = vec![0; 1];
    stream.read_exact(&mut packet).ok()?;
    let (mut length, mut shift) = (0, 0);
    loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        packet.push(byte[0]);
        length |= usize::from(byte[0] & 0x7f) << shift;
        shift += 7;
        if byte[0] & 0x80 == 0 || shift > 21 {
            break;
        }
    }
    let head = packet.len();
    packet.resize(head + length, 0);
    stream.read_exact(&mut packet[head..]).ok()?;
    Some(packet)
}

/// What is told, and whether the end is; `same` is what was said.
fn expected(said: &str, heard: &str) -> (Vec<Vec<u8>>, bool) {
    let (heard, ends) = match heard.strip_suffix("end") {
        Some(before) => (before, true),
        None => (heard, false),
    };
    match heard.trim() {
        "same" => (packets(&wire(said)), ends),
        heard => (packets(&wire(heard)), ends),
    }
}
