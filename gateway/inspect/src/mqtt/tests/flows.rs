//! Whole MQTT dialogues.

use super::*;

const OPEN: &str = "> 10 'MQTT' 04 02 003c 'c'\n< 20 00 00";
const OPEN5: &str = "> 10 'MQTT' 05 02 003c [] 'c'\n< 20 00 00 [22 ffff]";

/// Returns the bytes for the server and for the client.
fn both(device: &str, client: &str) -> (Vec<u8>, Vec<u8>) {
    (wire(device), wire(client))
}

#[test]
fn questions_are_about_the_topic_and_the_filter() {
    let mut flow = Flow::after(ClientIds::Bound, OPEN);
    flow.client("30 'a/b' ; 82 0001 'a/#' 00 '$share/g/+' 00 ; a2 0002 'x' ; c0 ; 40 0001");
    flow.server("30 'c' ; 90 0001 00 00 ; d0 ; 40 0001");
    let asked = ["publish bus/a/b", "subscribe bus/a/#", "subscribe bus/+", "subscribe bus/c"];
    assert_eq!(flow.rules.asked, asked);
}

#[test]
fn an_alias_is_resolved_before_it_is_asked_about() {
    let mut flow = Flow::after(ClientIds::Bound, OPEN5);
    assert_eq!(flow.client("30 'a' [23 0001] 01"), both("30 'a' [] 01", ""));
    assert_eq!(flow.client("31 '' [23 0001 26 'k' 'v'] 02"), both("31 'a' [26 'k' 'v'] 02", ""));
    // The last of 32.
    assert_eq!(flow.client("3a 'b' 0005 [23 0020] 03"), both("3a 'b' 0005 [] 03", ""));
    // A refused message sets the alias, but the server does not get it. Messages with the alias are
    // refused again, and the earlier topic is forgotten.
    assert_eq!(flow.client("32 'no' 0006 [23 0001] 04"), both("c0", "40 0006 87"));
    assert_eq!(flow.client("32 '' 0007 [23 0001] 05"), both("", "40 0007 87"));
    assert_eq!(flow.client("30 '' [23 0020] 06"), both("30 'b' [] 06", ""));
    // Once it is permitted, the alias is enough.
    flow.rules.refused = &[];
    assert_eq!(flow.client("30 '' [23 0001] 07"), both("30 'no' [] 07", ""));
    let asked = ["a", "a", "b", "no", "no", "b", "no"].map(|topic| format!("publish bus/{topic}"));
    assert_eq!(flow.rules.asked, asked);
    // An alias beyond the 32 is never used, even for a permitted topic.
    assert_eq!(flow.says(Sender::Client, "30 'a' [23 0021]").out.client, wire("e0 94"));
}

#[test]
fn an_alias_may_not_make_more_than_the_server_takes() {
    let dialogue = "> 10 'MQTT' 05 02 003c [] 'c'\n< 20 00 00 [22 0001 27 00000014]\n> 30 'aaaaaaaaaa' [23 0001]";
    let mut flow = Flow::after(ClientIds::Bound, dialogue);
    let long = "30 '' [23 0001] 010203040506";
    assert_eq!(flow.client("30 '' [23 0001] 0102030405").0, wire("30 'aaaaaaaaaa' [] 0102030405"));
    let said = flow.says(Sender::Client, long);
    assert_eq!((said.out.device, said.out.client), both("", "e0 95"));
    assert!(said.fault.is_some());
}

#[test]
fn a_refused_message_is_acknowledged_to_the_server_and_not_seen_by_the_client() {
    for (open, properties) in [(OPEN, ""), (OPEN5, "[]")] {
        let mut flow = Flow::after(ClientIds::Bound, open);
        let publish = |first: &str, topic: &str| format!("{first} '{topic}' 0005 {properties} 00");
        assert_eq!(flow.server(&publish("34", "no")), both("50 0005", ""));
        assert_eq!(flow.server("62 0005"), both("70 0005", ""));
        // Only that one: the next belongs to the client.
        assert_eq!(flow.server("62 0005"), both("", "62 0005"));
        // The server repeats it before it has read the answer.
        assert_eq!(flow.server(&publish("34", "no")), both("50 0005", ""));
        assert_eq!(flow.server(&publish("3c", "no")), both("50 0005", ""));
        assert_eq!(flow.server("62 0005"), both("70 0005", ""));
        // It becomes permitted before the server repeats it: now the client gets it.
        assert_eq!(flow.server(&publish("34", "no")), both("50 0005", ""));
        flow.rules.refused = &[];
        assert_eq!(flow.server(&publish("3c", "no")), both("", &publish("3c", "no")));
        assert_eq!(flow.server("62 0005"), both("", "62 0005"));
        // A message that the client may have got before ends with its PUBREL.
        flow.rules.refused = &["subscribe bus/no"];
        assert_eq!(flow.server(&publish("3c", "no")), both("50 0005", ""));
        assert_eq!(flow.server("62 0005"), both("", "62 0005"));
    }
}

#[test]
fn payloads_pass_in_pieces_and_answers_wait_for_their_end() {
    let mut flow = Flow::after(ClientIds::Bound, OPEN5);
    let long = wire("32 'a' 0001 [] 00*1000");
    let (head, rest) = long.split_at(11);
    assert_eq!(flow.read(Sender::Client, head).out.device, head);
    assert_eq!(flow.read(Sender::Client, &rest[..500]).out.device, &rest[..500]);
    // The gateway's packets for the server wait; the server's packets for the client do not.
    assert_eq!(flow.server("32 'no' 0002 [] ; 34 'no' 0003 []"), both("", ""));
    assert_eq!(flow.server("30 'b' [] 01"), both("", "30 'b' [] 01"));
    let end = flow.read(Sender::Client, &rest[500..]).out;
    let expected = [&rest[500..], &wire("40 0002 ; 50 0003")].concat();
    assert_eq!((end.device, end.client), (expected, vec![]));
    // The same in the other direction.
    let (head, rest) = long.split_at(20);
    assert_eq!(flow.read(Sender::Device, head).out.client, head);
    assert_eq!(flow.client("32 'no' 0004 [] ; 82 0005 [] 'no' 00"), both("c0", ""));
    // The client cannot be told the reason now.
    let end = flow.read(Sender::Device, rest).out;
    assert_eq!(end.client, [rest, &wire("40 0004 87 ; 90 0005 [] 87")].concat());
    // Nothing of a refused message is forwarded, and the answer comes at its end.
    let refused = wire("32 'no' 0006 [] 00*1000");
    let (most, last) = refused.split_at(refused.len() - 1);
    assert_eq!(flow.read(Sender::Client, most).out, Out::default());
    assert_eq!(flow.read(Sender::Client, last).out.client, wire("40 0006 87"));
}

#[test]
fn a_mistake_is_not_told_in_the_middle_of_a_packet() {
    let mut flow = Flow::after(ClientIds::Bound, OPEN5);
    flow.read(Sender::Device, &wire("30 'a' [] 00*100")[..50]);
    let said = flow.says(Sender::Client, "c1");
    assert!(said.fault.is_some());
    assert_eq!(said.out, Out::default());
}

#[test]
fn before_connack_answers_wait() {
    let connect = "> 10 'MQTT' 05 02 003c [] 'c'";
    let mut flow = Flow::after(ClientIds::Bound, connect);
    let early = "82 0001 [] 'no' 00 ; 32 'no' 0002 [] ; 30 'a' []";
    assert_eq!(flow.client(early), both("c0 ; 30 'a' []", ""));
    let answers = "20 00 00 [] ; 90 0001 [] 87 ; 40 0002 87";
    assert_eq!(flow.server("20 00 00 []"), both("", answers));
    // A refused client does not get them.
    let mut flow = Flow::after(ClientIds::Bound, connect);
    flow.client(early);
    assert_eq!(flow.says(Sender::Device, "20 00 87 []").out.client, wire("20 00 87 []"));
}

#[test]
fn after_the_end_nothing_is_read() {
    for open in [OPEN, OPEN5] {
        for end in ["e0", "c1", "20 00 00"] {
            let mut flow = Flow::after(ClientIds::Bound, open);
            let said = flow.says(Sender::Client, end);
            assert!(said.out.over.is_some() || said.fault.is_some());
            for from in [Sender::Client, Sender::Device] {
                let said = flow.says(from, "c0 ; d0 ; e0 ; 00 ; 36");
                assert_eq!(said, Said { out: Out::default(), fault: None });
            }
        }
    }
    let mut flow = Flow::after(ClientIds::Bound, OPEN);
    assert_eq!(flow.says(Sender::Client, "e0 ; c0 ; c1").out.device, wire("e0"));
}

#[test]
fn parting_asks_about_the_will() {
    let with_will = "> 10 'MQTT' 04 06 003c 'c' 'w' 'x'\n< 20 00 00";
    let with_will_5 = "> 10 'MQTT' 05 06 003c [] 'c' [] 'w' 'x'\n< 20 00 00 []";
    for open in [with_will, with_will_5] {
        let mut flow = Flow::after(ClientIds::Bound, open);
        assert_eq!(flow.parting(), b"", "it may be published");
        assert_eq!(flow.rules.asked, ["publish bus/w"]);
        assert_eq!(flow.says(Sender::Client, "c0").out, Out::default(), "it has parted");
        assert_eq!(flow.server("d0"), both("", "d0"), "what was underway still comes");

        let mut flow = Flow::after(ClientIds::Bound, open);
        flow.rules.refused = &["publish"];
        assert_eq!(flow.parting(), wire("e0"));
        assert_eq!(flow.parting(), b"", "once is enough");
        assert_eq!(flow.says(Sender::Device, "d0").out, Out::default(), "it has left");

        let mut flow = Flow::after(ClientIds::Bound, open);
        flow.rules.refused = &["publish"];
        flow.says(Sender::Client, "e0");
        assert_eq!(flow.parting(), b"", "the client has done it");

        // The same after a violation of the client.
        let mut flow = Flow::after(ClientIds::Bound, open);
        flow.rules.refused = &["publish"];
        assert!(flow.says(Sender::Client, "c1").fault.is_some());
        assert_eq!(flow.parting(), wire("e0"));
    }
    // No packet can be put inside another.
    let mut flow = Flow::after(ClientIds::Bound, with_will);
    flow.read(Sender::Client, &wire("30 'a' 00*100")[..50]);
    flow.rules.refused = &["publish"];
    assert_eq!(flow.parting(), b"");
    // Without a will, and before CONNECT and CONNACK.
    let mut flow = Flow::after(ClientIds::Bound, OPEN);
    flow.rules.refused = &[""];
    assert_eq!(flow.parting(), b"");
    assert_eq!(flow.rules.asked, [""; 0]);
    assert_eq!(Flow::new(ClientIds::Bound).parting(), b"");
    let mut flow = Flow::after(ClientIds::Bound, "> 10 'MQTT' 04 06 003c 'c' 'w' 'x'");
    flow.rules.refused = &["publish"];
    assert_eq!(flow.parting(), wire("e0"));
    // A server that has ended the connection itself.
    let mut flow = Flow::after(ClientIds::Bound, "> 10 'MQTT' 04 06 003c 'c' 'w' 'x'");
    flow.rules.refused = &["publish"];
    flow.says(Sender::Device, "20 00 05");
    assert_eq!(flow.parting(), b"");
    let mut flow = Flow::after(ClientIds::Bound, with_will_5);
    flow.rules.refused = &["publish"];
    flow.says(Sender::Device, "e0 8b");
    assert_eq!(flow.parting(), b"");
}

#[test]
fn a_client_that_leaves_its_will_behind_is_asked_about_it() {
    let open = "> 10 'MQTT' 05 06 003c [11 00000001] 'c' [] 'w' 'x'\n< 20 00 00 []";
    for (leaving, permitted, refused) in [
        ("e0 04 [11 00000009]", "e0 04 [11 00000009]", "e0 00 [11 00000009]"),
        ("e0 80", "e0 80", "e0 00"),
        ("e0", "e0", "e0"),
        ("e0 00 []", "e0 00 []", "e0 00 []"),
    ] {
        let mut flow = Flow::after(ClientIds::Bound, open);
        assert_eq!(flow.says(Sender::Client, leaving).out.device, wire(permitted));
        let mut flow = Flow::after(ClientIds::Bound, open);
        flow.rules.refused = &["publish bus/w"];
        assert_eq!(flow.says(Sender::Client, leaving).out.device, wire(refused));
        assert_eq!(flow.parting(), b"");
    }
}

#[test]
fn the_server_hears_of_a_client_whose_packets_are_refused() {
    let mut flow = Flow::after(ClientIds::Bound, OPEN5);
    // One is enough until it is answered.
    assert_eq!(flow.client("30 'no' [] 00 ; 82 0001 [] 'no' 00 ; 30 'no' []").0, wire("c0"));
    assert_eq!(flow.server("d0"), both("", ""));
    assert_eq!(flow.client("82 0001 [] 'no' 00").0, wire("c0"));
    // The client gets as many answers as it sent requests.
    assert_eq!(flow.client("c0").0, wire("c0"));
    assert_eq!(flow.server("d0"), both("", ""));
    assert_eq!(flow.server("d0"), both("", "d0"));
    assert_eq!(flow.server("d0"), both("", "d0"));
}

#[test]
fn a_packet_identifier_is_in_use_until_suback() {
    let mut flow = Flow::after(ClientIds::Bound, OPEN);
    flow.client("82 0001 'a' 00 ; 82 0002 'no' 00 'b' 00 ; 82 0003 'no' 00 ; 82 0003 'no' 00");
    // The answers may come in any order.
    assert_eq!(flow.server("90 0002 01 ; 90 0001 00"), both("", "90 0002 8001 ; 90 0001 00"));
    flow.client("82 0001 'a' 00");
    flow.rules.asked.clear();
    let said = flow.says(Sender::Client, "82 0001 'a' 00");
    assert!(said.fault.is_some());
    assert_eq!((said.out, flow.rules.asked), (Out::default(), vec![]));
}

#[test]
fn what_waits_for_the_end_of_a_packet_has_a_bound() {
    // The server goes on while the client is in the middle of a packet.
    let mut flow = Flow::after(ClientIds::Bound, OPEN);
    flow.read(Sender::Client, &wire("30 'a' 00*100")[..50]);
    let refused = wire("32 'no' 0001");
    let most = crate::mqtt::packet_queue::WAITING / 4;
    for _ in 0..most {
        assert_eq!(flow.read(Sender::Device, &refused), Said { out: Out::default(), fault: None });
    }
    assert!(flow.read(Sender::Device, &refused).fault.is_some());
}
