//! Whole CoAP dialogues.

use super::{Became, Listed, flow, hex, read};
use crate::coap::Coap;
use crate::coap::exchange::{EXCHANGES, OBSERVATIONS, SENT};
use crate::machine::{DatagramMachine as _, Sender};

/// Sends a datagram of the client while everything is permitted.
fn client(coap: &mut Coap, datagram: &str) -> Became {
    read(coap, Sender::Client, &hex(datagram), None)
}

fn device(coap: &mut Coap, datagram: &str) -> Became {
    read(coap, Sender::Device, &hex(datagram), None)
}

/// Sends a datagram while nothing is permitted.
fn refused(coap: &mut Coap, from: Sender, datagram: &str) -> Became {
    read(coap, from, &hex(datagram), Some(&[]))
}

const REGISTER: &str = "41 01 0001 aa 60 51 6f";
const FIRST: &str = "68 45 0001 0000000000000000 60";
const NOTIFIED: &str = "58 45 7777 0000000000000000 61 05";

fn observed() -> Coap {
    let mut coap = flow();
    client(&mut coap, REGISTER);
    assert_eq!(device(&mut coap, FIRST).client, hex("61 45 0001 aa 60"));
    coap
}

#[test]
fn a_request_that_is_sent_again_is_decided_again_and_has_the_same_token() {
    let mut coap = flow();
    let get = "41 01 0001 aa b1 61";
    let first = client(&mut coap, get);
    // The answer to the client was lost: the device sends it again.
    let answer = "68 45 0001 0000000000000000";
    for _ in 0..3 {
        assert_eq!(client(&mut coap, get), first);
        assert_eq!(device(&mut coap, answer).client, hex("61 45 0001 aa"));
        assert!(device(&mut coap, answer).fault, "one answer to each");
    }
    assert_eq!(refused(&mut coap, Sender::Client, get).client, hex("61 83 0001 aa"));
    assert!(device(&mut coap, answer).fault);
    // Other ids, tokens and paths make other requests.
    for (other, token) in
        [("41 01 0002 aa b1 61", 1), ("41 01 0001 ab b1 61", 2), ("41 01 0001 aa b1 62", 3)]
    {
        assert_eq!(client(&mut coap, other).device[11], token, "{other}");
    }
    // Their answers reach the client in any order.
    assert_eq!(device(&mut coap, "68 45 0001 0000000000000002").client, hex("61 45 0001 ab"));
    assert_eq!(device(&mut coap, "68 45 0002 0000000000000001").client, hex("61 45 0002 aa"));
}

#[test]
fn a_separate_response_is_acknowledged_by_the_client_and_may_come_again() {
    let mut coap = flow();
    client(&mut coap, "41 01 0001 aa b1 61");
    assert!(client(&mut coap, "60 00 7777").fault, "it was not shown");
    let answer = "48 45 7777 0000000000000000 ff 78";
    // The device acknowledges before or after it answers.
    assert_eq!(device(&mut coap, "60 00 0001").client, hex("60 00 0001"));
    for _ in 0..2 {
        assert_eq!(device(&mut coap, answer).client, hex("41 45 7777 aa ff 78"));
    }
    assert_eq!(device(&mut coap, "60 00 0001").client, hex("60 00 0001"));
    let other = device(&mut coap, "48 45 7778 0000000000000000 ff 78");
    assert_eq!((other.client, other.device), (vec![], hex("70 00 7778")));
    assert!(device(&mut coap, "58 45 7777 0000000000000000 ff 78").fault, "another type");
    for receipt in ["60 00 7777", "60 00 7777", "70 00 7777"] {
        assert_eq!(client(&mut coap, receipt).device, hex(receipt));
    }
    assert!(client(&mut coap, "60 00 7778").fault);
    assert!(client(&mut coap, "50 00 7777").fault, "that is no receipt");
}

#[test]
fn an_id_means_the_last_message_that_had_it() {
    let mut coap = flow();
    client(&mut coap, "51 01 0001 aa b1 61");
    assert!(device(&mut coap, "60 00 0001").fault);
    device(&mut coap, "58 45 7777 0000000000000000");
    client(&mut coap, "41 01 0001 bb b1 61");
    assert_eq!(device(&mut coap, "60 00 0001").client, hex("60 00 0001"));
    device(&mut coap, "48 45 7777 0000000000000001");
    assert_eq!(client(&mut coap, "60 00 7777").device, hex("60 00 7777"));
    // The first request again, confirmable this time.
    client(&mut coap, "41 01 0001 aa b1 61");
    assert_eq!(device(&mut coap, "68 45 0001 0000000000000000").client, hex("61 45 0001 aa"));
}

#[test]
fn a_response_that_need_not_be_acknowledged_can_only_be_rejected() {
    let mut coap = flow();
    client(&mut coap, "51 01 0001 aa b1 61");
    device(&mut coap, "58 45 7777 0000000000000000");
    assert_eq!(client(&mut coap, "60 00 7777").device, vec![]);
    assert_eq!(client(&mut coap, "70 00 7777").device, hex("70 00 7777"));
}

#[test]
fn nothing_comes_of_a_request_that_the_device_has_rejected() {
    let mut coap = flow();
    client(&mut coap, REGISTER);
    assert_eq!(device(&mut coap, "70 00 0001").client, hex("70 00 0001"));
    assert!(device(&mut coap, FIRST).fault);
    assert!(device(&mut coap, "68 45 0001 0000000000000000").fault);
}

#[test]
fn each_notification_is_asked_about() {
    let mut coap = observed();
    for id in ["7777", "7778", "7778"] {
        let notified = device(&mut coap, &format!("48 45 {id} 0000000000000000 61 05 ff 78"));
        assert_eq!(notified.client, hex(&format!("41 45 {id} aa 61 05 ff 78")));
        assert_eq!(notified.asked, ["observe lamp/o"]);
        assert_eq!(client(&mut coap, &format!("60 00 {id}")).device, hex(&format!("60 00 {id}")));
    }
    let last = refused(&mut coap, Sender::Device, NOTIFIED);
    assert_eq!(last.asked, ["observe lamp/o"]);
    assert_eq!((last.client, last.device), (hex("51 83 7777 aa"), hex("70 00 7777")));
    // The observation stays ended, whatever is permitted later, until the client registers again.
    let late = device(&mut coap, NOTIFIED);
    assert_eq!((late.client, late.device), (vec![], hex("70 00 7777")));
    assert_eq!(late.asked, Vec::<String>::new());
    client(&mut coap, "41 01 0009 aa 60 51 6f");
    assert!(device(&mut coap, NOTIFIED).fault, "by the token of before");
    let anew = device(&mut coap, "58 45 7779 0000000000000001 61 09");
    assert_eq!(anew.client, hex("51 45 7779 aa 61 09"));
}

#[test]
fn an_observation_ends() {
    let over = |mut coap: Coap, how: &str| {
        let late = device(&mut coap, "58 45 7999 0000000000000000 61 06");
        assert_eq!((late.client, late.device), (vec![], hex("70 00 7999")), "{how}");
        assert_eq!(coap.parting().len(), 0, "{how}");
    };
    // The client rejects a notification, or an older one.
    for rejected in ["7777", "7778"] {
        let mut coap = observed();
        device(&mut coap, NOTIFIED);
        device(&mut coap, "58 45 7778 0000000000000000 61 06");
        assert_eq!(client(&mut coap, &format!("70 00 {rejected}")).device[0], 0x70);
        over(coap, rejected);
    }
    // The device ends it with an error, or with a response without Observe; the judge is asked
    // about that, too.
    for end in [
        "84 7777 0000000000000000",
        "45 7777 0000000000000000 ff 78",
        "84 7777 0000000000000000 60",
    ] {
        let mut coap = observed();
        let ended = device(&mut coap, &format!("58 {end}"));
        assert_eq!(ended.asked, ["observe lamp/o"]);
        assert_eq!(ended.client[2..4], hex("7777"));
        over(coap, end);
        let mut coap = observed();
        let ended = refused(&mut coap, Sender::Device, &format!("48 {end}"));
        assert_eq!((ended.client, ended.device), (hex("51 83 7777 aa"), hex("70 00 7777")));
        over(coap, end);
    }
    // No observation began: the device does not support it.
    let mut coap = flow();
    client(&mut coap, REGISTER);
    assert_eq!(device(&mut coap, "68 45 0001 0000000000000000").asked, Vec::<String>::new());
    over(coap, "without Observe");
    // The client gets an error for its token.
    let mut coap = observed();
    refused(&mut coap, Sender::Client, "41 01 0002 aa 60 51 6f");
    over(coap, "4.03");
    let mut coap = observed();
    client(&mut coap, "41 05 0002 aa");
    over(coap, "4.05");
    // An error for another token ends nothing.
    let mut coap = observed();
    refused(&mut coap, Sender::Client, "41 01 0002 ab 60 51 6f");
    assert_eq!(device(&mut coap, NOTIFIED).client, hex("51 45 7777 aa 61 05"));
}

#[test]
fn the_client_deregisters_by_the_token_of_its_observation() {
    let mut coap = observed();
    let deregister = "41 01 0002 aa 61 01 51 6f";
    let gone = client(&mut coap, deregister);
    assert_eq!(gone.asked, ["get lamp/o"]);
    assert_eq!(gone.device, hex("48 01 0002 0000000000000000 61 01 51 6f"));
    // The device notifies until it gets the deregistration.
    assert_eq!(device(&mut coap, NOTIFIED).asked, ["observe lamp/o"]);
    let mut coap = observed();
    client(&mut coap, deregister);
    let answer = "68 45 0002 0000000000000000";
    // The client asked for it with `get`, and it is no notification.
    let answered = refused(&mut coap, Sender::Device, answer);
    assert_eq!((answered.asked, answered.client), (vec![], hex("61 45 0002 aa")));
    assert_eq!(device(&mut coap, NOTIFIED).device, hex("70 00 7777"));
    // The answer was lost.
    assert_eq!(client(&mut coap, deregister).device, gone.device);
    assert_eq!(device(&mut coap, answer).client, hex("61 45 0002 aa"));
    // No observation exists at another path.
    let mut coap = observed();
    assert_eq!(client(&mut coap, "41 01 0002 aa 61 01 51 70").device[11], 1);
    assert_eq!(device(&mut coap, NOTIFIED).client, hex("51 45 7777 aa 61 05"));
}

#[test]
fn a_registration_is_renewed_under_its_token() {
    let mut coap = observed();
    let renewed = client(&mut coap, "41 01 0002 aa 60 51 6f 41 78");
    assert_eq!(renewed.device, hex("48 01 0002 0000000000000000 60 51 6f 41 78"));
    assert!(device(&mut coap, FIRST).fault, "the answer to the last one is waited for");
    assert_eq!(device(&mut coap, "68 45 0002 0000000000000000 60").client, hex("61 45 0002 aa 60"));
    // A plain request has a token of its own, although the client uses the same one.
    let plain = client(&mut coap, "41 01 0003 aa b1 6f");
    assert_eq!(plain.device, hex("48 01 0003 0000000000000001 b1 6f"));
    let parting: Vec<_> = coap.parting().into_iter().map(|out| out.device).collect();
    assert_eq!(parting, [hex("58 01 8003 0000000000000000 61 01 51 6f 41 78")]);
}

#[test]
fn a_token_that_is_used_for_another_path_does_not_take_the_first_one_along() {
    let mut coap = observed();
    // The client may no longer observe `o`, and may observe `p`.
    let other = read(
        &mut coap,
        Sender::Client,
        &hex("41 01 0002 aa 60 51 70"),
        Some(&["get lamp/p", "observe lamp/p"]),
    );
    assert_eq!(other.device, hex("48 01 0002 0000000000000001 60 51 70"));
    // Late notifications about `o` are not taken for `p`.
    let notified = read(&mut coap, Sender::Device, &hex(NOTIFIED), Some(&["observe lamp/p"]));
    assert_eq!((notified.client, notified.device), (vec![], hex("70 00 7777")));
    let notified = device(&mut coap, "58 45 7778 0000000000000001 61 05");
    assert_eq!(notified.asked, ["observe lamp/p"]);
    assert_eq!(notified.client, hex("51 45 7778 aa 61 05"));
}

#[test]
fn a_cut_flow_is_forgotten_by_the_device() {
    let mut coap = observed();
    client(&mut coap, "40 01 0002 b1 61");
    client(&mut coap, "52 01 ffff bbbb 31 78 30 51 70 41 71");
    let parting: Vec<_> = coap.parting().into_iter().map(|out| out.device).collect();
    assert_eq!(
        parting,
        [
            hex("58 01 7fff 0000000000000000 61 01 51 6f"),
            hex("58 01 8000 0000000000000002 61 01 51 70 41 71"),
        ]
    );
    assert_eq!(coap.parting().len(), 0);
    assert!(device(&mut coap, NOTIFIED).fault);
}

#[test]
fn what_is_not_permitted_any_more_is_observed_no_more() {
    let mut coap = observed();
    client(&mut coap, "52 01 ffff bbbb 60 51 70");
    let mut rules = Listed { only: Some(vec!["observe lamp/p"]), asked: vec![] };
    let ended = coap.recheck(&mut rules);
    assert_eq!(rules.asked, ["observe lamp/o", "observe lamp/p"]);
    let datagrams: Vec<_> = ended.into_iter().map(|out| (out.device, out.client)).collect();
    let expected = (hex("58 01 7fff 0000000000000000 61 01 51 6f"), hex("51 83 8000 aa"));
    assert_eq!(datagrams, [expected]);
    // The device may not have got it.
    assert!(device(&mut coap, NOTIFIED).fault);
    assert!(!device(&mut coap, "58 45 7779 0000000000000001 61 05").fault);
    assert_eq!(coap.recheck(&mut rules).len(), 0);
}

#[test]
fn tokens_count_from_the_seed() {
    let mut coap = Coap::new(&"lamp".parse().unwrap(), u64::MAX);
    for (id, expected) in [("0001", "ffffffffffffffff"), ("0002", "0000000000000000")] {
        let sent = client(&mut coap, &format!("41 01 {id} aa"));
        assert_eq!(sent.device[4..], hex(expected));
    }
}

/// A request with a number as its token and id.
fn numbered(number: usize, rest: &str) -> Vec<u8> {
    let [high, low] = u16::try_from(number).unwrap().to_be_bytes();
    [&[0x52, 1, high, low, high, low], &hex(rest)[..]].concat()
}

#[test]
fn there_is_room_for_so_many() {
    let mut coap = flow();
    // Observations stay, and a further one is not registered.
    for number in 0..OBSERVATIONS {
        assert_eq!(read(&mut coap, Sender::Client, &numbered(number, "60"), None).device[12], 0x60);
    }
    let more = read(&mut coap, Sender::Client, &numbered(OBSERVATIONS, "60"), None);
    assert_eq!(more.device.len(), 12, "without Observe");
    assert_eq!(more.asked, ["get lamp/", "observe lamp/"]);
    let renewed = read(&mut coap, Sender::Client, &numbered(0, "60"), None);
    assert_eq!(renewed.device[12], 0x60);
    // Of other requests the oldest are forgotten.
    for number in OBSERVATIONS + 1..EXCHANGES + 1000 {
        read(&mut coap, Sender::Client, &numbered(number, ""), None);
    }
    let answered = |coap: &mut Coap, number: usize| {
        let token = u64::try_from(number).unwrap().to_be_bytes();
        read(coap, Sender::Device, &[&[0x58, 0x45, 0, 0], &token[..]].concat(), None)
    };
    let first = 1000 + OBSERVATIONS;
    assert!(answered(&mut coap, first - 1).fault);
    assert_eq!(answered(&mut coap, first).client.len(), 6);
    assert_eq!(coap.sizes(), (EXCHANGES, OBSERVATIONS, 1));
    // The place of an ended observation can be taken.
    assert_eq!(answered(&mut coap, 0).client.len(), 6);
    assert_eq!(read(&mut coap, Sender::Client, &numbered(9999, "60"), None).device[12], 0x60);
    assert_eq!(coap.sizes().1, OBSERVATIONS);
}

#[test]
fn a_long_registration_is_a_plain_get() {
    for (length, observes) in [(1152, true), (1153, false)] {
        let mut coap = flow();
        // An Observe, and queries of 255 bytes and one of the rest, with their lengths.
        let mut options = hex("60");
        let mut delta = 0x90;
        while options.len() < length {
            let value = (length - options.len() - 2).min(255);
            let more = u8::try_from(value - 13).unwrap();
            options.extend([delta | 13, more]);
            options.resize(options.len() + value, b'q');
            delta = 0;
        }
        assert_eq!(options.len(), length);
        let sent = read(&mut coap, Sender::Client, &[hex("40 01 0001"), options].concat(), None);
        assert_eq!(sent.asked, ["get lamp/", "observe lamp/"]);
        assert_eq!(coap.sizes(), (1, usize::from(observes), 0));
        assert_eq!(sent.device[12] == 0x60, observes);
    }
}

#[test]
fn the_last_messages_of_the_device_are_remembered() {
    let mut coap = observed();
    for id in 0..=SENT {
        let [high, low] = u16::try_from(id).unwrap().to_be_bytes();
        let notified = [&[0x48, 0x45, high, low], &hex("0000000000000000 60")[..]].concat();
        read(&mut coap, Sender::Device, &notified, None);
        read(&mut coap, Sender::Device, &notified, None);
    }
    assert_eq!(coap.sizes(), (1, 1, SENT));
    assert!(client(&mut coap, "60 00 0000").fault);
    assert_eq!(client(&mut coap, "60 00 0001").device, hex("60 00 0001"));
}
