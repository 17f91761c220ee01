//! What brokers say.

use super::*;

/// What it says when the client has been let in, what the client hears, and what the broker is told.
const IN_3_1_1: &[Row] = &[
    ("QoS 0", "30 'ok/a' 6869", "same", ""),
    ("QoS 1", "32 'ok/a' 0001 6869", "same", ""),
    ("byte by byte", "/34 'ok/a' 0001 6869 ; 62 0001", "34 'ok/a' 0001 6869 ; 62 0001", ""),
    ("not permitted at QoS 0", "30 'no' 00", "", ""),
    ("not permitted at QoS 1", "32 'no' 0001 00", "", "40 0001"),
    ("not permitted at QoS 2", "34 'ok/no' 0001 00|62 0001", "", "50 0001 ; 70 0001"),
    ("$SYS, not permitted", "33 '$SYS/no' 0001 00", "", "40 0001"),
    (
        "one between two",
        "30 'ok/a' ; 32 'no' 0001 00*70000 ; 30 'ok/b'",
        "30 'ok/a' ; 30 'ok/b'",
        "40 0001",
    ),
    ("a topic too long to be named", "32 'a'*8200 0001", "", "40 0001"),
    ("a wildcard", "30 'ok/+' 00", "", "end"),
    ("no topic", "30 '' 00", "", "end"),
    ("QoS 3", "36 'ok/a' 0001 00", "", "end"),
    ("packet identifier 0", "32 'ok/a' 0000 00", "", "end"),
    ("not UTF-8", "30 0002 c328", "", "end"),
    ("a second CONNACK", "20 00 00", "", "end"),
    ("an answer to no SUBSCRIBE", "90 0001 00", "", "end"),
    ("a client's packet", "82 0001 'ok/a' 00", "", "end"),
    ("CONNECT", "10 'MQTT' 04 02 003c 'c'", "", "end"),
    ("PINGREQ", "c0", "", "end"),
    ("DISCONNECT, which is none in 3.1.1", "e0", "", "end"),
    ("packet 0", "= 00 00", "", "end"),
    ("a length of five bytes", "= 30 80 80 80 80 01", "", "end"),
    ("256 MiB of an answer", "= 90 ff ff ff 7f 00", "", "end"),
    ("half a packet, and the end", "= 30 20 'ok/a' 00|.", "", "end"),
];

const IN_5: &[Row] = &[
    ("QoS 2", "34 'ok/a' 0001 [0b 05 26 'k' 'v'] 6869", "same", ""),
    ("not permitted", "34 'no' 0001 [] 00|62 0001", "", "50 0001 ; 70 0001"),
    ("an alias, which it was not offered", "30 'ok/a' [23 0001] 00", "", "end"),
    ("an alias alone", "30 '' [23 0001] 00", "", "end"),
    ("a property twice", "30 'ok/a' [01 00 01 00] 00", "", "end"),
    ("a property of CONNACK", "30 'ok/a' [24 01] 00", "", "end"),
    ("a client's reason code", "e0 04", "", "end"),
    ("its end, and why", "e0 8b [1f 'why']", "same", "end"),
    ("AUTH that was not announced", "f0 18 [15 'm']", "", "end"),
    ("a length longer than need be", "= d0 8000", "", "end"),
];

/// What it answers CONNECT with, in 5.
const CONNACKS: &[Row] = &[
    ("refused", "20 00 87 []", "same", "end"),
    ("refused, and more", "20 00 87 [] ; 30 'ok/a' []", "20 00 87 []", "end"),
    ("refused with a session", "20 01 87 []", "", "end"),
    ("a message before it", "30 'ok/a' [] ; 20 00 00 []", "", "end"),
    ("a code of 3.1.1", "20 00 05 []", "", "end"),
    ("reserved flags", "20 02 00 []", "", "end"),
    ("a property twice", "20 00 00 [22 0001 22 0001]", "", "end"),
    ("HTTP", "= 485454502f312e3120343030", "", "end"),
    ("nothing, and the end", "|.", "", "end"),
];

/// Each row after that CONNECT, and CONNACK if there is one; `fence` is said last.
fn check(connect: &str, connack: &str, fence: &str, table: &[Row]) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (_gateway, _listener, at) = world(listener.local_addr().unwrap());
    for (name, says, hears, told) in table {
        let mut client = connected(at);
        say(&mut client, connect);
        let (mut broker, _) = listener.accept().unwrap();
        broker.set_nodelay(true).unwrap();
        broker.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!(next(&mut broker).unwrap()[0], 0x10);
        if !connack.is_empty() {
            say(&mut broker, connack);
            assert_eq!(next(&mut client).unwrap()[0], 0x20);
        }
        say(&mut broker, says);
        let (hears, _) = expected(says, hears);
        let (told, ends) = expected(says, told);
        let until = |stream: &mut TcpStream, last: u8| -> Vec<Vec<u8>> {
            std::iter::from_fn(|| next(stream)).take_while(|packet| packet[0] != last).collect()
        };
        let (heard, got) = if ends {
            let heard = until(&mut client, 0);
            drop(client);
            (heard, until(&mut broker, 0))
        } else {
            // All that comes to the client comes before this, and all that the broker is told
            // before what the client says then.
            say(&mut broker, fence);
            let heard = until(&mut client, 0x31);
            say(&mut client, "c0");
            (heard, until(&mut broker, 0xc0))
        };
        assert_eq!(got, told, "{name}: what the broker is told");
        assert_eq!(heard, hears, "{name}: what the client hears");
    }
}

#[test]
fn what_brokers_say_in_3_1_1() {
    check("10 'MQTT' 04 02 003c 'c'", "20 00 00", "31 'ok/end'", IN_3_1_1);
}

#[test]
fn what_brokers_say_in_5() {
    check("10 'MQTT' 05 02 003c [22 0010] 'c'", "20 00 00 []", "31 'ok/end' []", IN_5);
}

#[test]
fn what_brokers_answer_first() {
    check("10 'MQTT' 05 02 003c [] 'c'", "", "", CONNACKS);
}
