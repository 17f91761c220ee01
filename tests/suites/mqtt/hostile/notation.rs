//! Packets, as the tables write them.
//!
//! A packet is its first byte and, after the length, which is put in, the rest; after `=` nothing is
//! put in. Packets are separated by `;`, and pieces by `|`; `/` before all of it stands for one byte
//! at a time, and a piece `.` for the end of what is said. `'text'` is a string with its length, `[…]` are properties with theirs, all else is
//! hexadecimal; `00*20`, `'a'*20` and `('a' 00)*20` are repeated.

/// The bytes of all packets.
pub(super) fn wire(text: &str) -> Vec<u8> {
    pieces(text).concat()
}

/// The bytes of each piece. A packet cannot be split, but where it is written by `=`.
pub(super) fn pieces(text: &str) -> Vec<Vec<u8>> {
    if let Some(whole) = text.strip_prefix('/') {
        return wire(whole).chunks(1).map(<[u8]>::to_vec).collect();
    }
    text.split('|').map(piece).collect()
}

fn piece(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for packet in text.split(';').map(str::trim).filter(|packet| !packet.is_empty()) {
        let raw = packet.strip_prefix('=');
        let mut body = Vec::new();
        fields(&mut raw.unwrap_or(packet).trim(), &mut body);
        if raw.is_none() {
            bytes.push(body.remove(0));
            length(body.len(), &mut bytes);
        }
        bytes.extend(body);
    }
    bytes
}

pub(super) fn length(mut length: usize, to: &mut Vec<u8>) {
    while length > 127 {
        to.push((length % 128) as u8 | 0x80);
        length /= 128;
    }
    to.push(length as u8);
}

/// Up to the end or a closing bracket.
fn fields(text: &mut &str, to: &mut Vec<u8>) {
    loop {
        *text = text.trim_start();
        if let Some(rest) = text.strip_prefix('[') {
            *text = rest;
            let mut body = Vec::new();
            fields(text, &mut body);
            length(body.len(), to);
            to.extend(body);
        } else if let Some(rest) = text.strip_prefix('(') {
            let (mut content, rest) = rest.split_once(')').unwrap();
            let mut body = Vec::new();
            fields(&mut content, &mut body);
            let (times, rest) = repeated(rest);
            *text = rest;
            to.extend(body.repeat(times));
        } else if let Some(rest) = text.strip_prefix('\'') {
            let (content, rest) = rest.split_once('\'').unwrap();
            let (times, rest) = repeated(rest);
            *text = rest;
            let content = content.repeat(times);
            to.extend(u16::try_from(content.len()).unwrap().to_be_bytes());
            to.extend(content.as_bytes());
        } else if text.is_empty() || text.starts_with(']') {
            *text = text.strip_prefix(']').unwrap_or(text);
            return;
        } else {
            let (digits, rest) = text.split_at(2);
            let (times, rest) = repeated(rest);
            *text = rest;
            let byte = u8::from_str_radix(digits, 16).unwrap_or_else(|_| panic!("{digits:?}"));
            to.extend(std::iter::repeat_n(byte, times));
        }
    }
}

fn repeated(text: &str) -> (usize, &str) {
    let Some(rest) = text.strip_prefix('*') else { return (1, text) };
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    (rest[..end].parse().unwrap(), &rest[end..])
}

/// The packets that bytes are, as far as their lengths are believed.
pub(super) fn packets(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    while !bytes.is_empty() {
        let (mut length, mut head) = (0, 1);
        while let Some(byte) = bytes.get(head) {
            length |= usize::from(byte & 0x7f) << (7 * (head - 1));
            head += 1;
            if byte & 0x80 == 0 || head > 4 {
                break;
            }
        }
        let (packet, rest) = bytes.split_at((head + length).min(bytes.len()));
        packets.push(packet.to_vec());
        bytes = rest;
    }
    packets
}
