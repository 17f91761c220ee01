//! Hostile packets of MQTT servers, and the result of each.

use Expected::{Answered, Ends, Last, Nothing, Same};

use super::*;

#[test]
fn packets_of_3_1_1() {
    let flow = || Flow::after(ClientIds::Bound, "> 10 'MQTT' 04 02 003c 'c'\n< 20 00 00");
    check(
        flow,
        Sender::Device,
        &[
            ("QoS 0", "30 'a/b' 6869", Same),
            ("retained", "31 'a' 6869", Same),
            ("QoS 2, again", "3d 'a' 0001 6869", Same),
            ("a topic of $share is no shared one", "30 '$share/g/a' 00", Nothing),
            ("not permitted", "30 'no/a' 6869", Nothing),
            ("not permitted at QoS 1", "32 'no' 0001 6869", Answered("40 0001")),
            ("not permitted at QoS 2", "34 'no' 0001 6869", Answered("50 0001")),
            ("too long to be named", "32 'a'*8189 0001", Answered("40 0001")),
            ("QoS 3", "36 'a' 0001", Ends("")),
            ("QoS 0, again", "38 'a'", Ends("")),
            ("packet identifier 0", "34 'a' 0000", Ends("")),
            ("a wildcard", "30 'a/#'", Ends("")),
            ("no topic", "30 ''", Ends("")),
            ("PUBACK", "40 0001", Same),
            ("PUBREC", "50 0001", Same),
            ("PUBREL", "62 0001", Same),
            ("PUBCOMP", "70 0001", Same),
            ("PUBACK with a reason code", "40 0001 00", Ends("")),
            ("PUBREL 0", "62 0000", Ends("")),
            ("UNSUBACK", "b0 0001", Same),
            ("with codes", "b0 0001 00", Ends("")),
            ("PINGRESP", "d0", Same),
            ("PINGRESP with something", "d0 00", Ends("")),
            ("SUBACK to nothing", "90 0001 00", Ends("")),
            ("CONNACK once more", "20 00 00", Ends("")),
            ("DISCONNECT", "e0", Ends("")),
            ("AUTH", "f0 18 [15 'm']", Ends("")),
            ("CONNECT", "10 'MQTT' 04 02 003c 'c'", Ends("")),
            ("SUBSCRIBE", "82 0001 'a' 00", Ends("")),
            ("UNSUBSCRIBE", "a2 0001 'a'", Ends("")),
            ("PINGREQ", "c0", Ends("")),
            ("packet 0", "= 00 00", Ends("")),
            ("a length of five bytes", "= 30 ffffffff", Ends("")),
        ],
    );
}

#[test]
fn packets_of_5() {
    let flow = || {
        let dialogue = "> 10 'MQTT' 05 02 003c [22 0010 27 00000100] 'c'\n< 20 00 00 []";
        Flow::after(ClientIds::Bound, dialogue)
    };
    check(
        flow,
        Sender::Device,
        &[
            ("QoS 0", "30 'a/b' [] 6869", Same),
            ("several subscriptions", "32 'a' 0001 [0b 01 0b 02 26 'k' 'v'] 00", Same),
            ("all other properties", "30 'a' [01 00 02 00000001 03 'text' 08 'r' 09 'id']", Same),
            ("not permitted", "30 'no/a' [] 6869", Nothing),
            ("not permitted at QoS 1", "32 'no' 0001 [] 6869", Answered("40 0001")),
            ("not permitted at QoS 2", "34 'no' 0001 [] 6869", Answered("50 0001")),
            ("an alias that was not offered", "30 'a' [23 0001]", Ends("")),
            ("only such an alias", "30 '' [23 0001]", Ends("")),
            ("no topic", "30 '' []", Ends("")),
            ("subscription identifier 0", "30 'a' [0b 00]", Ends("")),
            ("a property of CONNACK", "30 'a' [13 0001]", Ends("")),
            ("as large as the client takes", "30 'a' [] 00*249", Same),
            ("larger than the client takes", "30 'a' [] 00*250", Ends("")),
            ("PUBACK", "40 0001 10 [1f 'nobody']", Same),
            ("PUBREC", "50 0001 97", Same),
            ("PUBREL", "62 0001 92", Same),
            ("PUBCOMP", "70 0001 92 []", Same),
            ("a reason code that is none", "50 0001 01", Ends("")),
            ("UNSUBACK", "b0 0001 [1f 'why'] 00 11 87", Same),
            ("without codes", "b0 0001 []", Ends("")),
            ("with a code that is none", "b0 0001 [] 01", Ends("")),
            ("PINGRESP", "d0", Same),
            ("DISCONNECT", "e0 8e [1f 'why' 1c 'other']", Last),
            ("DISCONNECT of the shortest", "e0", Last),
            ("a client's reason code", "e0 04", Ends("")),
            ("a client's property", "e0 00 [11 00000000]", Ends("")),
            ("AUTH that was not asked for", "f0 18 [15 'm']", Ends("")),
            ("of the shortest form", "f0", Ends("")),
            ("SUBACK to nothing", "90 0001 [] 00", Ends("")),
            ("CONNACK once more", "20 00 00 []", Ends("")),
            ("the length is not in its shortest form", "= d0 8000", Ends("")),
        ],
    );
    let dialogue = "> 10 'MQTT' 05 02 003c [15 'm'] 'c'";
    check(
        || Flow::after(ClientIds::Bound, dialogue),
        Sender::Device,
        &[
            ("AUTH before CONNACK", "f0 18 [15 'm' 16 'data']", Same),
            ("success is for CONNACK to say", "f0 00 [15 'm']", Ends("")),
            ("a client's word", "f0 19 [15 'm']", Ends("")),
            ("another method", "f0 18 [15 'n']", Ends("")),
        ],
    );
    let dialogue = "> 10 'MQTT' 05 02 003c [15 'm'] 'c'\n< 20 00 00 []\n> f0 19 [15 'm']";
    check(
        || Flow::after(ClientIds::Bound, dialogue),
        Sender::Device,
        &[
            ("to be continued", "f0 18 [15 'm' 16 'data']", Same),
            ("success", "f0 00 [15 'm']", Same),
            ("success in short", "f0", Same),
        ],
    );
}

#[test]
fn suback_answers_what_was_asked() {
    let three = |version: &str, filters: &str| {
        let (connect, connack) = match version {
            "4" => ("10 'MQTT' 04 02 003c 'c'", "20 00 00"),
            _ => ("10 'MQTT' 05 02 003c [] 'c'", "20 00 00 []"),
        };
        let dialogue = format!("> {connect}\n< {connack}\n> {filters}");
        move || Flow::after(ClientIds::Bound, &dialogue)
    };
    use Expected::Sent;
    check(
        three("4", "82 0007 'a' 02 'no' 02 'b' 02 'no' 00"),
        Sender::Device,
        &[
            ("each has its place", "90 0007 02 01", Sent("90 0007 02 80 01 80")),
            ("the server refuses, too", "90 0007 80 00", Sent("90 0007 80 80 00 80")),
            ("too few", "90 0007 02", Ends("")),
            ("too many", "90 0007 02 02 02", Ends("")),
            ("none", "90 0007", Ends("")),
            ("another", "90 0008 02 01", Ends("")),
            ("a code that is none", "90 0007 02 03", Ends("")),
            ("a code of MQTT 5", "90 0007 02 87", Ends("")),
            ("packet identifier 0", "90 0000 02 01", Ends("")),
            ("twice", "90 0007 02 01 ; 90 0007 02 01", Ends("90 0007 02 80 01 80")),
        ],
    );
    check(
        three("4", "82 0007 'a' 02 'b' 02"),
        Sender::Device,
        &[
            ("as it came", "90 0007 02 80", Same),
            ("too few", "90 0007 02", Ends("")),
            ("too many", "90 0007 02 02 02", Ends("")),
        ],
    );
    check(
        three("5", "82 0007 [] 'no' 02 'a' 02 'b' 02"),
        Sender::Device,
        &[
            ("each has its place", "90 0007 [1f 'why'] 02 97", Sent("90 0007 [1f 'why'] 87 02 97")),
            ("a code that is none", "90 0007 [] 02 03", Ends("")),
            ("no properties", "90 0007", Ends("")),
            ("a property of CONNACK", "90 0007 [13 0001] 02 02", Ends("")),
        ],
    );
}
