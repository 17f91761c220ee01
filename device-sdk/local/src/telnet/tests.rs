//! Tests of telnet and RFC 2217 on the level of bytes.

use doorward_model::{Baud, LineSettings, Parity};
use proptest::prelude::*;

use super::*;
use crate::request::{InForce, LineAnswer, LineRequest, Modem, Purge};

fn sub(bytes: &[u8]) -> Vec<u8> {
    [&[IAC, SB, 44], bytes, &[IAC, SE]].concat()
}

#[test]
fn options_are_agreed_upon_once() {
    let mut telnet = TelnetServer::default();
    for (says, reply) in [
        ([IAC, WILL, 44], Some([IAC, DO, 44])),
        ([IAC, WILL, 44], None),
        ([IAC, DO, 0], Some([IAC, WILL, 0])),
        ([IAC, WILL, 0], Some([IAC, DO, 0])),
        ([IAC, DO, 3], Some([IAC, WILL, 3])),
        ([IAC, DO, 1], Some([IAC, WONT, 1])),
        ([IAC, WILL, 31], Some([IAC, DONT, 31])),
        ([IAC, WONT, 31], None),
        ([IAC, DONT, 0], Some([IAC, WONT, 0])),
        ([IAC, DONT, 0], None),
    ] {
        let expected: Vec<ServerEvent> =
            reply.map(|reply| ServerEvent::Reply(reply.to_vec())).into_iter().collect();
        assert_eq!(telnet.receive(&says), expected, "{says:?}");
    }
    let mut first = TelnetServer::default();
    assert!(first.offer().starts_with(&[IAC, WILL, 0]));
    // The answer to its own offer gets no reply.
    assert_eq!(first.receive(&[IAC, DO, 0, IAC, WILL, 44]), vec![]);
}

#[test]
fn what_a_client_asks_of_the_port() {
    use LineRequest as R;
    let asks = |bytes: &[u8], request| {
        let heard = TelnetServer::default().receive(&sub(bytes));
        assert_eq!(heard, vec![ServerEvent::Request(request)], "{bytes:?}");
    };
    asks(&[1, 0, 1, 0xc2, 0], R::Baud(Baud::new(115_200)));
    asks(&[1, 0, 0, 0, 0], R::Baud(None));
    asks(&[1, 0, 0, IAC, IAC, 0], R::Baud(Baud::new(0xff00)));
    asks(&[3, 3], R::Parity(Some(Parity::Even)));
    asks(&[3, 4], R::Parity(None));
    asks(&[5, 5], R::Break(Some(true)));
    asks(&[5, 12], R::Rts(Some(false)));
    asks(&[12, 3], R::Purge(Purge::Both));
    asks(&[11, 255, 255], R::Modem(255));
    for nothing in [&[1, 2][..], &[99], &[], &[5, 77], &[6, 1], &[12, 9]] {
        assert_eq!(TelnetServer::default().receive(&sub(nothing)), vec![], "{nothing:?}");
    }
    // A subnegotiation that is too long, and one that breaks off.
    let long = [&[1][..], &[7; 100]].concat();
    assert_eq!(TelnetServer::default().receive(&sub(&long)), vec![]);
    let broken = TelnetServer::default().receive(&[IAC, SB, 44, 5, IAC, DO, 1, b'x']);
    assert_eq!(broken, vec![ServerEvent::Reply(vec![IAC, WONT, 1]), ServerEvent::Data(vec![b'x'])]);
}

#[test]
fn what_a_client_is_told() {
    let settings = LineSettings { baud: Baud::new(0xff00).unwrap(), ..LineSettings::default() };
    let in_force = InForce::new(settings);
    let told =
        |request: LineRequest| TelnetServer::answer(LineAnswer::Done(request.told(&in_force)));
    assert_eq!(told(LineRequest::Baud(None)), sub(&[101, 0, 0, IAC, IAC, 0]));
    assert_eq!(told(LineRequest::Parity(None)), sub(&[103, 1]));
    assert_eq!(told(LineRequest::Dtr(None)), sub(&[105, 8]));
    assert_eq!(told(LineRequest::FlowBack(None)), sub(&[105, 14]));
    assert_eq!(TelnetServer::answer(LineAnswer::Modem(0xb1)), sub(&[107, 0xb1]));
}

#[test]
fn in_a_text_a_return_may_have_a_nul_behind_it() {
    let data = |bytes: &[u8]| ServerEvent::Data(bytes.to_vec());
    let mut telnet = TelnetServer::default();
    assert_eq!(telnet.receive(b"a\r\0b\r\nc\0"), vec![data(b"a\rb\r\nc\0")]);
    telnet.receive(&[IAC, WILL, 0]);
    assert_eq!(telnet.receive(b"\r\0"), vec![data(b"\r\0")]);
}

/// Generates bytes with many commands.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        3 => any::<u8>(),
        3 => prop::sample::select(vec![IAC, IAC, SB, SE, WILL, WONT, DO, DONT, 44, 0, 1, 5, 13]),
    ];
    prop::collection::vec(byte, 0..200)
}

/// Joins neighbouring data events.
fn joined(all: Vec<ServerEvent>) -> Vec<ServerEvent> {
    let mut one: Vec<ServerEvent> = Vec::new();
    for next in all {
        match (one.last_mut(), next) {
            (Some(ServerEvent::Data(before)), ServerEvent::Data(bytes)) => before.extend(bytes),
            (_, next) => one.push(next),
        }
    }
    one
}

fn told_joined(all: Vec<ClientEvent>) -> Vec<ClientEvent> {
    let mut one: Vec<ClientEvent> = Vec::new();
    for next in all {
        match (one.last_mut(), next) {
            (Some(ClientEvent::Data(before)), ClientEvent::Data(bytes)) => before.extend(bytes),
            (_, next) => one.push(next),
        }
    }
    one
}

fn request() -> impl Strategy<Value = LineRequest> {
    use LineRequest as R;
    let some = |numbers: std::ops::Range<u8>, of: fn(&[u8]) -> Vec<u8>| {
        numbers.prop_map(move |number| of(&[number]))
    };
    prop_oneof![
        (1..=Baud::LIMIT).prop_map(|rate| R::Baud(Baud::new(rate))),
        any::<u8>().prop_map(R::Modem),
        // All other requests, by their numbers.
        prop_oneof![
            some(0..10, |value| sub(&[&[2], value].concat())),
            some(0..5, |value| sub(&[&[3], value].concat())),
            some(0..3, |value| sub(&[&[4], value].concat())),
            some(0..20, |value| sub(&[&[5], value].concat())),
            some(1..4, |value| sub(&[&[12], value].concat())),
        ]
        .prop_map(|said| match TelnetServer::default().receive(&said).as_slice() {
            [ServerEvent::Request(request)] => *request,
            other => panic!("{other:?}"),
        }),
    ]
}

proptest! {
    #[test]
    fn where_the_bytes_are_split_is_no_matter(
        bytes in bytes(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let whole = TelnetServer::default().receive(&bytes);
        let told_whole = TelnetClient::default().receive(&bytes);
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        at.sort_unstable();
        let (mut server, mut heard, mut from) = (TelnetServer::default(), Vec::new(), 0);
        let (mut client, mut told) = (TelnetClient::default(), Vec::new());
        for to in at.into_iter().chain([bytes.len()]) {
            heard.extend(server.receive(&bytes[from..to]));
            told.extend(client.receive(&bytes[from..to]));
            from = to;
        }
        prop_assert_eq!(joined(heard), whole);
        prop_assert_eq!(told_joined(told), told_whole);
        prop_assert!(server.is_bounded() && client.is_bounded());
    }

    #[test]
    fn what_one_side_says_the_other_reads(
        says in prop::collection::vec((bytes(), request()), 0..8),
    ) {
        let (mut server, mut client) = (TelnetServer::default(), TelnetClient::default());
        let (mut to_server, mut to_client) = (client.offer(), server.offer());
        let (mut heard, mut told) = (Vec::new(), Vec::new());
        for (data, request) in says {
            for says in [&mut to_server, &mut to_client] {
                data.iter().for_each(|byte| escape(*byte, says));
            }
            to_server.extend(TelnetClient::ask(request).into_iter().chain(TelnetClient::MARK));
            to_client.extend(TelnetServer::answer(LineAnswer::Done(request)));
            to_client.extend(TelnetServer::MARK);
            if !data.is_empty() {
                heard.push(ServerEvent::Data(data.clone()));
                told.push(ClientEvent::Data(data));
            }
            heard.extend([ServerEvent::Request(request), ServerEvent::Mark]);
            told.extend([ClientEvent::Done(request), ClientEvent::Mark]);
        }
        // Both sides made the same offers, so no reply is left to send.
        prop_assert_eq!(server.receive(&to_server), heard);
        prop_assert_eq!(client.receive(&to_client), told);
    }

    #[test]
    fn a_notice_is_read_again(lines in any::<[bool; 4]>()) {
        let [cts, dsr, ring, carrier] = lines;
        let modem = Modem { cts, dsr, ring, carrier };
        let said = TelnetServer::answer(LineAnswer::Modem(modem.notice(Modem::default())));
        prop_assert_eq!(TelnetClient::default().receive(&said), vec![ClientEvent::Modem(modem)]);
    }
}
