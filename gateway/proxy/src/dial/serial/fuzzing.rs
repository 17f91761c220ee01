//! A fuzz target: a client that speaks telnet with a serial line.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use doorward_local::telnet::{ClientEvent, IAC, ServerEvent, TelnetClient, TelnetServer, escape};
use doorward_local::{InForce, LineAnswer};
use doorward_model::LineSettings;
use doorward_wire::fuzzing::{Feed, pieces};

/// The longest single message: a response with its value, in which every byte is escaped.
const WORD: usize = 32;

/// Checks both ends of telnet, the server at the line and the client: the position of cuts changes
/// nothing, replies do not grow, each end reads what the other writes, and the bytes of the line
/// arrive unchanged.
pub(crate) fn telnet(bytes: &[u8]) {
    let mut feed = Feed::new(bytes);
    let offers = feed.flag();
    let cuts = feed.bytes(16);
    let bytes = feed.rest();

    let heard = hear(offers, &[bytes]);
    assert_eq!(hear(offers, &pieces(bytes, cuts)), heard);
    let told = are_told(offers, &[bytes]);
    assert_eq!(are_told(offers, &pieces(bytes, cuts)), told);

    let (mut data, mut replies) = (0, 0);
    for one in heard {
        match one {
            ServerEvent::Data(bytes) => data += bytes.len(),
            ServerEvent::Reply(bytes) => {
                replies += bytes.len();
                assert!(data_in(&bytes).is_empty(), "{bytes:?}");
            }
            ServerEvent::Request(request) => {
                assert_eq!(
                    TelnetServer::default().receive(&TelnetClient::ask(request)),
                    [ServerEvent::Request(request)]
                );
                let in_force = InForce::new(LineSettings::default()).with(request);
                let answer = request.told(&in_force);
                let said = TelnetServer::answer(LineAnswer::Done(answer));
                assert!(said.len() <= WORD);
                assert_eq!(TelnetClient::default().receive(&said), [ClientEvent::Done(answer)]);
            }
            ServerEvent::Mark => replies += TelnetServer::MARK.len(),
            ServerEvent::Suspend(_) => {}
        }
    }
    assert!(data <= bytes.len());
    assert!(replies <= 3 * bytes.len(), "the replies are longer than three times the input");

    let (mut data, mut replies) = (0, 0);
    for one in told {
        match one {
            ClientEvent::Data(bytes) => data += bytes.len(),
            ClientEvent::Reply(bytes) => {
                replies += bytes.len();
                let heard = TelnetServer::default().receive(&bytes);
                assert!(!heard.iter().any(|one| matches!(one, ServerEvent::Data(_))), "{bytes:?}");
            }
            ClientEvent::Modem(modem) => {
                let said = TelnetServer::answer(LineAnswer::Modem(modem.notice(modem)));
                assert_eq!(TelnetClient::default().receive(&said), [ClientEvent::Modem(modem)]);
            }
            ClientEvent::Done(_) | ClientEvent::Suspend(_) | ClientEvent::Mark => {}
        }
    }
    assert!(data <= bytes.len());
    assert!(replies <= bytes.len(), "the replies are longer than the input");

    // Each end reads the data that the other end writes between requests and marks.
    let (mut server, mut client) = (TelnetServer::default(), TelnetClient::default());
    let (mut to_server, mut to_client) = (client.offer(), server.offer());
    for piece in pieces(bytes, cuts) {
        for says in [&mut to_server, &mut to_client] {
            piece.iter().for_each(|byte| escape(*byte, says));
        }
        to_server.extend(TelnetClient::MARK);
        to_client.extend(TelnetServer::MARK);
    }
    let mut read = vec![];
    for one in server.receive(&to_server) {
        if let ServerEvent::Data(bytes) = one {
            read.extend(bytes);
        } else {
            assert_eq!(one, ServerEvent::Mark);
        }
    }
    assert_eq!(read, bytes);
    assert_eq!(data_of(client.receive(&to_client)), bytes);
}

/// Returns everything that the server receives.
fn hear(offers: bool, pieces: &[&[u8]]) -> Vec<ServerEvent> {
    let (mut server, mut heard) = (TelnetServer::default(), vec![]);
    if offers {
        assert!(data_in(&server.offer()).is_empty());
    }
    for piece in pieces {
        for one in server.receive(piece) {
            match (heard.last_mut(), one) {
                (Some(ServerEvent::Data(before)), ServerEvent::Data(bytes)) => before.extend(bytes),
                (_, one) => heard.push(one),
            }
        }
    }
    heard
}

/// Returns everything that the client receives.
fn are_told(offers: bool, pieces: &[&[u8]]) -> Vec<ClientEvent> {
    let (mut client, mut told) = (TelnetClient::default(), vec![]);
    if offers {
        assert!(data_in(&client.offer()).is_empty());
    }
    for piece in pieces {
        for one in client.receive(piece) {
            match (told.last_mut(), one) {
                (Some(ClientEvent::Data(before)), ClientEvent::Data(bytes)) => before.extend(bytes),
                (_, one) => told.push(one),
            }
        }
    }
    told
}

/// Returns the bytes that a client takes for data.
fn data_in(said: &[u8]) -> Vec<u8> {
    data_of(TelnetClient::default().receive(said))
}

fn data_of(told: Vec<ClientEvent>) -> Vec<u8> {
    let mut data = vec![];
    for one in told {
        if let ClientEvent::Data(bytes) = one {
            data.extend(bytes);
        }
    }
    data
}

pub(crate) fn corpus() -> Vec<Vec<u8>> {
    let (sb, se, will, do_) = (250, 240, 251, 253);
    let sub = |bytes: &[u8]| [&[IAC, sb, 44], bytes, &[IAC, se]].concat();
    let head = [1, 3, 0, 1, 5, 2];
    let session = [
        &head[..],
        &[IAC, will, 44, IAC, do_, 0, IAC, will, 0, IAC, do_, 1, IAC, do_, 6, IAC, will, 6],
        &sub(&[0]),
        &sub(&[1, 0, 0, 0x25, 0x80]),
        b"root\r\0",
        &sub(&[5, 8]),
        &sub(&[11, 255, 255]),
        &sub(&[8]),
        &[IAC, IAC, 13, 10],
        &sub(&[9]),
        &sub(&[12, 3]),
        &sub(&[101, 0, 0, 0x25, 0x80]),
        &sub(&[107, 0x31]),
        &sub(&[108]),
    ]
    .concat();
    let mut corpus = vec![session, [&head[..], &sub(&[7; 100]), b"after it"].concat()];
    for command in 0..14 {
        corpus.push([&head[..], &sub(&[command, 1])].concat());
        corpus.push([&head[..], &sub(&[100 + command, 1])].concat());
    }
    corpus
}
