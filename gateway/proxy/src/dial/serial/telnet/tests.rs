use doorward_model::{Baud, LineSettings, Parity};
use proptest::prelude::*;

use super::super::request::{InForce, Purge};
use super::*;

const IAC: u8 = Telnet::IAC;

fn sub(bytes: &[u8]) -> Vec<u8> {
    [&[IAC, SB, 44], bytes, &[IAC, SE]].concat()
}

#[test]
fn options_are_agreed_upon_once() {
    let mut telnet = Telnet::default();
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
        let expected: Vec<Heard> =
            reply.map(|reply| Heard::Reply(reply.to_vec())).into_iter().collect();
        assert_eq!(telnet.receive(&says), expected, "{says:?}");
    }
    let mut first = Telnet::default();
    assert!(first.offer().starts_with(&[IAC, WILL, 0]));
    // What it has offered it does not say again.
    assert_eq!(first.receive(&[IAC, DO, 0, IAC, WILL, 44]), vec![]);
}

#[test]
fn what_a_client_asks_of_the_port() {
    use LineRequest as R;
    let asks = |bytes: &[u8], request| {
        let heard = Telnet::default().receive(&sub(bytes));
        assert_eq!(heard, vec![Heard::Request(request)], "{bytes:?}");
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
        assert_eq!(Telnet::default().receive(&sub(nothing)), vec![], "{nothing:?}");
    }
    // Too long, or broken off.
    let long = [&[1][..], &[7; 100]].concat();
    assert_eq!(Telnet::default().receive(&sub(&long)), vec![]);
    let broken = Telnet::default().receive(&[IAC, SB, 44, 5, IAC, DO, 1, b'x']);
    assert_eq!(broken, vec![Heard::Reply(vec![IAC, WONT, 1]), Heard::Data(vec![b'x'])]);
}

#[test]
fn what_a_client_is_told() {
    let settings = LineSettings { baud: Baud::new(0xff00).unwrap(), ..LineSettings::default() };
    let in_force = InForce::new(settings);
    let told = |request| Telnet::default().answer(&Answer::Done(request, in_force));
    assert_eq!(told(LineRequest::Baud(None)), sub(&[101, 0, 0, IAC, IAC, 0]));
    assert_eq!(told(LineRequest::Parity(None)), sub(&[103, 1]));
    assert_eq!(told(LineRequest::Dtr(None)), sub(&[105, 8]));
    assert_eq!(told(LineRequest::FlowBack(None)), sub(&[105, 14]));
    assert_eq!(Telnet::default().answer(&Answer::Modem(0xb1)), sub(&[107, 0xb1]));
}

#[test]
fn in_a_text_a_return_may_have_a_nul_behind_it() {
    let data = |bytes: &[u8]| Heard::Data(bytes.to_vec());
    let mut telnet = Telnet::default();
    assert_eq!(telnet.receive(b"a\r\0b\r\nc\0"), vec![data(b"a\rb\r\nc\0")]);
    telnet.receive(&[IAC, WILL, 0]);
    assert_eq!(telnet.receive(b"\r\0"), vec![data(b"\r\0")]);
}

/// Bytes in which commands are frequent.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        3 => any::<u8>(),
        3 => prop::sample::select(vec![IAC, IAC, SB, SE, WILL, WONT, DO, DONT, 44, 0, 1, 5, 13]),
    ];
    prop::collection::vec(byte, 0..200)
}

/// What was heard, with neighbours of one kind made one.
fn joined(all: Vec<Heard>) -> Vec<Heard> {
    let mut one = Vec::new();
    all.into_iter().for_each(|heard| put(&mut one, heard));
    one
}

proptest! {
    #[test]
    fn where_the_bytes_are_split_is_no_matter(
        bytes in bytes(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let whole = Telnet::default().receive(&bytes);
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        at.sort_unstable();
        let (mut telnet, mut heard, mut from) = (Telnet::default(), Vec::new(), 0);
        for to in at.into_iter().chain([bytes.len()]) {
            heard.extend(telnet.receive(&bytes[from..to]));
            from = to;
        }
        prop_assert_eq!(joined(heard), joined(whole));
        prop_assert!(telnet.subnegotiation.len() <= SUBNEGOTIATION + 1);
    }

    #[test]
    fn escaped_data_is_read_again(data in bytes()) {
        let mut escaped = VecDeque::new();
        data.iter().for_each(|byte| Telnet::escape(*byte, &mut escaped));
        let mut telnet = Telnet::default();
        telnet.receive(&[IAC, WILL, 0]);
        let heard = telnet.receive(escaped.make_contiguous());
        let expected = if data.is_empty() { vec![] } else { vec![Heard::Data(data)] };
        prop_assert_eq!(heard, expected);
    }
}
