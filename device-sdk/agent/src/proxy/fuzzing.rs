//! Fuzz targets for the local proxy's parsers.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use doorward_wire::fuzzing::{Feed, pieces};

use super::header::{self, DatagramTarget};
use super::http::{self, ConnectHead, LONGEST};
use super::socks::{NAME, Socks, SocksCommand, SocksStep};
use super::token::ProxyToken;

/// Checks a SOCKS negotiation: splitting the input anywhere changes nothing, each message gets at
/// most one answer, and no request is granted without the token.
pub fn socks(bytes: &[u8]) {
    let mut feed = Feed::new(bytes);
    let token = ProxyToken::of("abc");
    let token = feed.flag().then_some(&token);
    let cuts = feed.bytes(16);
    let bytes = feed.rest();
    let (steps, rest) = negotiate(token, &[bytes]);
    assert_eq!(negotiate(token, &pieces(bytes, cuts)), (steps.clone(), rest.clone()));
    assert!(bytes.ends_with(&rest));
    assert!(steps.len() <= 3, "at most a greeting, a password and a request");
    let done =
        steps.iter().filter(|step| matches!(step, SocksStep::Do(_) | SocksStep::Refuse(_))).count();
    assert!(done <= 1);
    if let Some(SocksStep::Do(command)) = steps.last() {
        assert!(token.is_none() || shows(bytes) == Some(true), "the client did not send the token");
        if let SocksCommand::Connect(host) = command {
            assert!(host.len() <= 255);
        }
    }
}

/// Returns whether the user or the password (RFC 1929) is the token.
fn shows(bytes: &[u8]) -> Option<bool> {
    let password = bytes.get(2 + usize::from(*bytes.get(1)?)..)?;
    let (user, password) = password.get(2..)?.split_at_checked(usize::from(*password.get(1)?))?;
    let (length, password) = password.split_first()?;
    Some(user == b"abc" || password.get(..usize::from(*length))? == b"abc")
}

/// Returns the steps for the bytes, and the bytes that are left.
fn negotiate(token: Option<&ProxyToken>, pieces: &[&[u8]]) -> (Vec<SocksStep>, Vec<u8>) {
    let (mut socks, mut steps, mut over) = (Socks::new(token), vec![], vec![]);
    for piece in pieces {
        over.extend_from_slice(piece);
        loop {
            let taken = socks.push(&over);
            over.drain(..taken);
            let step = socks.step();
            if step == SocksStep::More {
                break;
            }
            steps.push(step);
        }
        let is_over = matches!(steps.last(), Some(SocksStep::Do(_) | SocksStep::Refuse(_)));
        assert!(is_over || over.is_empty(), "at most one message waits");
    }
    let mut rest = socks.rest();
    rest.extend(over);
    (steps, rest)
}

pub(crate) fn socks_corpus() -> Vec<Vec<u8>> {
    let request = [&[5, 1, 0, NAME, 8][..], b"ssh--plc", &[0, 22], b"SSH-2.0"].concat();
    let password = b"\x05\x02\x00\x02\x01\x01x\x03abc";
    vec![
        [&[0, 3, 0, 1, 5, 2, 5, 1, 0], request.as_slice()].concat(),
        [&[1, 3, 0, 1, 5, 2], password.as_slice(), &request].concat(),
        // Here neither the user nor the password is the token.
        [&[1, 0, 0], &password[..5], b"\0\x03xyz", &request].concat(),
        [&[1, 0, 0], &password[..5], b"\x01x\0", &request].concat(),
        [&[1, 0, 0], password.as_slice(), &[5, 3, 0, 1, 0, 0, 0, 0, 0x12, 0x34]].concat(),
        vec![0, 1, 0, 1, 5, 1, 0, 5, 1, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 9],
        [&[1, 0, 0, 5, 1, 2, 1, 255][..], &[b'u'; 255], &[255], &[b'p'; 255]].concat(),
    ]
}

/// Checks the head of an HTTP request: a complete head is not accepted before its end, bytes after
/// it are left, and no request is granted without the token.
pub fn http(bytes: &[u8]) {
    let (cut, bytes) = bytes.split_first().map_or((0, bytes), |(cut, bytes)| (*cut, bytes));
    let token = ProxyToken::of("abc");
    let head = http::read(bytes, Some(&token));
    let open = http::read(bytes, None);
    match &head {
        ConnectHead::More => {
            assert!(bytes.len() < LONGEST);
            assert_eq!(open, ConnectHead::More);
        }
        ConnectHead::Connect(host, length) => {
            assert_eq!(open, head);
            assert!(*length <= bytes.len() && *length <= LONGEST && host.len() < *length);
            assert_eq!(http::read(&bytes[..*length], Some(&token)), head);
            let part = &bytes[..usize::from(cut) % *length];
            assert_eq!(http::read(part, Some(&token)), ConnectHead::More);
            let mut words = bytes[..*length].split(u8::is_ascii_whitespace);
            assert!(words.any(|word| {
                let pair = STANDARD.decode(word).unwrap_or_default();
                pair.ends_with(b":abc") || pair == b"abc:" || pair == b"abc"
            }));
        }
        ConnectHead::Refuse(problem) => {
            assert!((400..600).contains(&problem.status));
            let answer = String::from_utf8(problem.encode()).unwrap();
            let (fields, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(fields.contains(&format!("Content-Length: {}", body.len())));
            // More bytes do not turn a refusal into a success.
            let more = [bytes, b"\r\n\r\n"].concat();
            assert!(matches!(http::read(&more, Some(&token)), ConnectHead::Refuse(_)));
        }
    }
}

pub(crate) fn http_corpus() -> Vec<Vec<u8>> {
    let good = "CONNECT ssh--plc:22 HTTP/1.1\r\nHost: ssh--plc:22\r\n\
                Proxy-Authorization: Basic ZG9vcndhcmQ6YWJj\r\n\r\nSSH-2.0";
    let many = format!("CONNECT a:1 HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(63));
    let long = format!("CONNECT a:1 HTTP/1.1\r\nX: {}", "a".repeat(LONGEST));
    [
        good,
        "GET http://http--plc/ HTTP/1.1\r\nProxy-Authorization: basic YWJjOg==\r\n\r\n",
        "CONNECT [::1]:22 HTTP/1.0\nProxy-Authorization: Basic OmFiYw==\n\n",
        // Here neither the user nor the password is the token.
        "CONNECT ssh--plc:22 HTTP/1.1\r\nProxy-Authorization: Basic eDp4eXo=\r\n\r\n",
        &many,
        &long,
    ]
    .iter()
    .map(|text| [&[20], text.as_bytes()].concat())
    .collect()
}

/// Checks the header of a relayed datagram: writing what was read gives the same bytes.
pub fn header(bytes: &[u8]) {
    if let Some((target, datagram)) = header::read(bytes) {
        assert_eq!(header::write(&target, datagram).unwrap(), bytes);
    }
    let mut feed = Feed::new(bytes);
    let target = DatagramTarget { host: feed.text(300), port: u16::from(feed.byte()) << 7 };
    let datagram = feed.rest();
    match header::write(&target, datagram) {
        Some(written) => assert_eq!(header::read(&written), Some((target, datagram))),
        None => assert!(target.host.len() > 255),
    }
}

pub(crate) fn header_corpus() -> Vec<Vec<u8>> {
    vec![
        b"\0\0\0\x03\x08dns--box\0\x35a query".to_vec(),
        b"\0\0\0\x01\x7f\0\0\x01\0\x35a query".to_vec(),
        b"\0\0\x01\x03\x01a\0\x35".to_vec(),
        [&[44, 1][..], &[b'n'; 300], &[0, 53], b"a query"].concat(),
    ]
}
