//! The beginnings of MQTT connections.

use Expected::{Ends, Nothing, Over, Same, Sent};

use super::*;

/// Everything but the client identifier is as it came.
const C311: &str = "10 'MQTT' 04 02 003c 'user/alice:c'";
const C5: &str = "10 'MQTT' 05 02 003c [] 'user/alice:c'";

#[test]
fn the_first_packet_of_3_1_1() {
    check(
        || Flow::new(ClientIds::Bound),
        Sender::Client,
        &[
            ("plain", "10 'MQTT' 04 02 003c 'c'", Sent(C311)),
            (
                "the length is not in its shortest form",
                "= 10 8d 00 'MQTT' 04 02 003c 'c'",
                Sent(C311),
            ),
            (
                "everything there is",
                "10 'MQTT' 04 ee ffff 'c' 'w/t' 'gone' 'name' 'word'",
                Sent("10 'MQTT' 04 ee ffff 'user/alice:c' 'w/t' 'gone' 'name' 'word'"),
            ),
            (
                "a will without a payload",
                "10 'MQTT' 04 06 0000 'c' 'w' 0000",
                Sent("10 'MQTT' 04 06 0000 'user/alice:c' 'w' 0000"),
            ),
            (
                "no identifier",
                "10 'MQTT' 04 02 003c ''",
                Sent("10 'MQTT' 04 02 003c 'user/alice:fresh'"),
            ),
            ("no identifier, and a session", "10 'MQTT' 04 00 003c ''", Over("20 00 02")),
            (
                "an identifier that becomes too long",
                "10 'MQTT' 04 02 003c 'c'*65525",
                Over("20 00 02"),
            ),
            (
                "a colon in it",
                "10 'MQTT' 04 00 00 00 'bob:c'",
                Sent("10 'MQTT' 04 00 0000 'user/alice:bob:c'"),
            ),
            ("bound once more", C311, Sent("10 'MQTT' 04 02 003c 'user/alice:user/alice:c'")),
            (
                "a will that is not permitted",
                "10 'MQTT' 04 06 0000 'c' 'no/w' 'x'",
                Over("20 00 05"),
            ),
            (
                "a will that cannot be named",
                "10 'MQTT' 04 06 0000 'c' 'w'*8189 'x'",
                Over("20 00 05"),
            ),
            ("a will with a wildcard", "10 'MQTT' 04 06 0000 'c' 'w/+' 'x'", Ends("")),
            ("a will for nothing", "10 'MQTT' 04 06 0000 'c' '' 'x'", Ends("")),
            ("level 3", "10 'MQTT' 03 02 003c 'c'", Over("20 00 01")),
            ("level 0", "10 'MQTT' 00 02 003c 'c'", Over("20 00 01")),
            ("the old name", "10 'MQIsdp' 03 02 003c 'c'", Over("20 00 01")),
            ("the old name, a new level", "10 'MQIsdp' 05 02 003c 'c'", Over("20 00 01")),
            ("level 6", "10 'MQTT' 06 02 003c 'c'", Over("20 00 84 []")),
            ("level 6, and nothing that can be read", "10 'MQTT' 06", Over("20 00 84 []")),
            ("a bridge", "10 'MQTT' 84 02 003c 'c'", Over("20 00 01")),
            ("another name", "10 'MQTt' 04 02 003c 'c'", Ends("")),
            ("no name", "10 '' 04 02 003c 'c'", Ends("")),
            ("a reserved flag", "10 'MQTT' 04 03 003c 'c'", Ends("")),
            ("QoS of no will", "10 'MQTT' 04 0a 003c 'c'", Ends("")),
            ("no will is retained", "10 'MQTT' 04 22 003c 'c'", Ends("")),
            ("a will with QoS 3", "10 'MQTT' 04 1e 003c 'c' 'w' 'x'", Ends("")),
            ("a password without a name", "10 'MQTT' 04 42 003c 'c' 'word'", Ends("")),
            ("something follows", "10 'MQTT' 04 02 003c 'c' 00", Ends("")),
            ("a will is missing", "10 'MQTT' 04 06 003c 'c'", Ends("")),
            ("a name is missing", "10 'MQTT' 04 82 003c 'c'", Ends("")),
            ("no keep alive", "10 'MQTT' 04 02", Ends("")),
            ("an identifier that is not UTF-8", "10 'MQTT' 04 02 003c 0001 ff", Ends("")),
            ("a surrogate", "10 'MQTT' 04 02 003c 0003 eda080", Ends("")),
            ("U+0000", "10 'MQTT' 04 02 003c 0001 00", Ends("")),
            ("a name that is not UTF-8", "10 'MQTT' 04 82 003c 'c' 0001 ff", Ends("")),
            (
                "a password of any bytes",
                "10 'MQTT' 04 c2 003c 'c' 'n' 0002 ff00",
                Sent("10 'MQTT' 04 c2 003c 'user/alice:c' 'n' 0002 ff00"),
            ),
            ("reserved flags in the header", "11 'MQTT' 04 02 003c 'c'", Ends("")),
            ("128 KiB are to come", "= 10 808008", Nothing),
            ("128 KiB and one", "= 10 818008", Ends("")),
            ("a length of five bytes", "= 10 ffffffff", Ends("")),
            ("packet 0", "= 00 00", Ends("")),
            ("PINGREQ first", "c0", Ends("")),
            ("PUBLISH first", "30 'a'", Ends("")),
            ("AUTH first", "f0", Ends("")),
            ("TLS", "= 16 03 01 02 00 01", Ends("")),
            ("HTTP", "= 47 45 54 20 2f", Ends("")),
        ],
    );
}

#[test]
fn the_first_packet_of_5() {
    check(
        || Flow::new(ClientIds::Bound),
        Sender::Client,
        &[
            ("plain", "10 'MQTT' 05 02 003c [] 'c'", Sent(C5)),
            ("topic aliases are not offered", "10 'MQTT' 05 02 003c [22 0010] 'c'", Sent(C5)),
            (
                "everything there is",
                "10 'MQTT' 05 f6 003c [11 00000009 21 0001 22 0001 27 00000040 19 01 17 00 26 'a' 'b' 26 'a' 'b' 15 'm' 16 'd'] 'c' [18 00000001 01 01 02 00000001 03 'text' 08 'r' 09 'id' 26 'k' 'v'] 'w' 'x' 'n' 'p'",
                Sent(
                    "10 'MQTT' 05 f6 003c [11 00000009 21 0001 27 00000040 19 01 17 00 26 'a' 'b' 26 'a' 'b' 15 'm' 16 'd'] 'user/alice:c' [18 00000001 01 01 02 00000001 03 'text' 08 'r' 09 'id' 26 'k' 'v'] 'w' 'x' 'n' 'p'",
                ),
            ),
            (
                "no identifier, and a session",
                "10 'MQTT' 05 00 003c [] ''",
                Sent("10 'MQTT' 05 00 003c [] 'user/alice:fresh'"),
            ),
            (
                "a password without a name",
                "10 'MQTT' 05 42 003c [] 'c' 'p'",
                Sent("10 'MQTT' 05 42 003c [] 'user/alice:c' 'p'"),
            ),
            (
                "an identifier that becomes too long",
                "10 'MQTT' 05 02 003c [] 'c'*65525",
                Over("20 00 85 []"),
            ),
            (
                "a will that is not permitted",
                "10 'MQTT' 05 06 0000 [] 'c' [] 'no/w' 'x'",
                Over("20 00 87 []"),
            ),
            (
                "a will with a wildcard",
                "10 'MQTT' 05 06 0000 [] 'c' [] '#' 'x'",
                Ends("20 00 81 []"),
            ),
            (
                "the length is not in its shortest form",
                "= 10 8e 00 'MQTT' 05 02 003c [] 'c'",
                Ends("20 00 81 []"),
            ),
            ("that of properties, too", "10 'MQTT' 05 02 003c 8000 'c'", Ends("20 00 81 []")),
            ("no properties", "10 'MQTT' 05 02 003c", Ends("20 00 81 []")),
            (
                "properties longer than the packet",
                "10 'MQTT' 05 02 003c 7f 'c'",
                Ends("20 00 81 []"),
            ),
            ("a reserved flag", "10 'MQTT' 05 03 003c [] 'c'", Ends("20 00 81 []")),
            ("a property twice", "10 'MQTT' 05 02 003c [21 0001 21 0001] 'c'", Ends("20 00 82 []")),
            ("a property of PUBLISH", "10 'MQTT' 05 02 003c [23 0001] 'c'", Ends("20 00 81 []")),
            (
                "a property of the will",
                "10 'MQTT' 05 02 003c [18 00000001] 'c'",
                Ends("20 00 81 []"),
            ),
            (
                "one of CONNECT in the will",
                "10 'MQTT' 05 06 003c [] 'c' [21 0001] 'w' 'x'",
                Ends("20 00 81 []"),
            ),
            ("an unknown property", "10 'MQTT' 05 02 003c [7f 00] 'c'", Ends("20 00 81 []")),
            (
                "an identifier of a property in two bytes",
                "10 'MQTT' 05 02 003c [9100 00000001] 'c'",
                Ends("20 00 81 []"),
            ),
            ("Receive Maximum 0", "10 'MQTT' 05 02 003c [21 0000] 'c'", Ends("20 00 82 []")),
            (
                "Maximum Packet Size 0",
                "10 'MQTT' 05 02 003c [27 00000000] 'c'",
                Ends("20 00 82 []"),
            ),
            ("a switch that is 2", "10 'MQTT' 05 02 003c [19 02] 'c'", Ends("20 00 82 []")),
            ("a property cut short", "10 'MQTT' 05 02 003c [11 000000] 'c'", Ends("20 00 81 []")),
            ("data without a method", "10 'MQTT' 05 02 003c [16 'd'] 'c'", Ends("20 00 82 []")),
            (
                "a response topic with a wildcard",
                "10 'MQTT' 05 06 003c [] 'c' [08 'r/#'] 'w' 'x'",
                Ends("20 00 82 []"),
            ),
            (
                "a property that is not UTF-8",
                "10 'MQTT' 05 02 003c [26 'k' 0001 ff] 'c'",
                Ends("20 00 81 []"),
            ),
            ("something follows", "10 'MQTT' 05 02 003c [] 'c' 00", Ends("20 00 81 []")),
        ],
    );
}

#[test]
fn identifiers_belong_to_their_subject() {
    let id = |id: &str| format!("10 'MQTT' 04 00 003c '{id}'");
    for (mode, given, accepted) in [
        (ClientIds::Strict, "user/alice", true),
        (ClientIds::Strict, "user/alice:", true),
        (ClientIds::Strict, "user/alice:c", true),
        (ClientIds::Strict, "user/alicec", false),
        (ClientIds::Strict, "user/bob:c", false),
        (ClientIds::Strict, "c", false),
        (ClientIds::Strict, "", false),
        (ClientIds::Off, "user/bob:c", true),
        (ClientIds::Off, "", false),
    ] {
        let said = Flow::new(mode).says(Sender::Client, &id(given));
        let (sent, answered) = (wire(&id(given)), wire("20 00 02"));
        let expected = if accepted { (sent, vec![]) } else { (vec![], answered) };
        assert_eq!((said.out.device, said.out.client), expected, "{mode:?} {given:?}");
        assert_eq!(said.out.over.is_none(), accepted);
    }
    let said = Flow::new(ClientIds::Strict).says(Sender::Client, "10 'MQTT' 05 00 003c [] 'c'");
    assert_eq!(said.out.client, wire("20 00 85 []"));
    check(
        || Flow::new(ClientIds::Off),
        Sender::Client,
        &[
            ("nothing is put in", "10 'MQTT' 05 00 003c [] ''", Same),
            ("without a session", "10 'MQTT' 04 02 003c ''", Same),
        ],
    );
}

#[test]
fn connect_is_asked_first_then_the_will() {
    let mut flow = Flow::new(ClientIds::Bound);
    flow.client("10 'MQTT' 04 06 0000 'c' 'w/t' 'x'");
    assert_eq!(flow.rules.asked, ["connect bus", "publish bus/w/t"]);
    for (connect, answer) in [
        ("10 'MQTT' 04 06 0000 'c' 'w/t' 'x'", "20 00 05"),
        ("10 'MQTT' 05 02 0000 [] 'c'", "20 00 87 []"),
        // The client must not learn whether its identifier would be allowed.
        ("10 'MQTT' 04 00 0000 ''", "20 00 05"),
    ] {
        let mut flow = Flow::new(ClientIds::Bound);
        flow.rules.refused = &["connect bus"];
        let said = flow.says(Sender::Client, &format!("{connect} ; c0"));
        assert_eq!(flow.rules.asked, ["connect bus"]);
        assert_eq!((said.out.device, said.out.client), (vec![], wire(answer)));
        assert_eq!((said.out.over, said.fault), (Some("connect-refused"), None));
        // The server gets nothing at the end either.
        assert_eq!(flow.parting(), b"");
    }
}

#[test]
fn connack_of_3_1_1() {
    let flow = || Flow::after(ClientIds::Bound, "> 10 'MQTT' 04 02 003c 'c'");
    check(
        flow,
        Sender::Device,
        &[
            ("accepted", "20 00 00", Same),
            ("with a session", "20 01 00", Same),
            ("refused", "20 00 05", Expected::Last),
            ("refused with a session", "20 01 05", Ends("")),
            ("a code that is none", "20 00 06", Ends("")),
            ("reserved flags", "20 02 00", Ends("")),
            ("one more byte", "20 00 00 00", Ends("")),
            ("one byte", "20 00", Ends("")),
            ("PUBLISH instead", "30 'a'", Ends("")),
            ("PINGRESP instead", "d0", Ends("")),
            ("AUTH instead", "f0 18 [15 'm']", Ends("")),
            ("CONNECT instead", "10 'MQTT' 04 02 003c 'c'", Ends("")),
            ("twice", "20 00 00 ; 20 00 00", Ends("20 00 00")),
        ],
    );
    check(
        || Flow::new(ClientIds::Bound),
        Sender::Device,
        &[("before CONNECT", "20 00 00", Ends(""))],
    );
}

#[test]
fn connack_of_5() {
    let flow = || Flow::after(ClientIds::Bound, "> 10 'MQTT' 05 02 003c [27 00000040] 'c'");
    check(
        flow,
        Sender::Device,
        &[
            ("accepted", "20 00 00 []", Same),
            ("with a session", "20 01 00 []", Same),
            (
                "everything there is",
                "20 00 00 [11 00000001 21 0001 24 00 25 00 27 00000040 1f 'r' 26 'k' 'v' 28 00 29 00 2a 00 13 0001]",
                Same,
            ),
            ("the rest", "20 00 00 [1a 'r' 1c 's' 15 'm' 16 'd']", Same),
            ("few aliases", "20 00 00 [22 0005]", Same),
            ("many aliases", "20 00 00 [22 ffff 13 0001]", Sent("20 00 00 [13 0001 22 0020]")),
            ("another identifier", "20 00 00 [12 'user/alice:d']", Sent("20 00 00 [12 'd']")),
            ("a stranger's identifier", "20 00 00 [12 'd']", Same),
            ("refused", "20 00 87 [1f 'why']", Expected::Last),
            ("refused by a server of 3.1.1", "20 00 01", Expected::Last),
            ("refused with a session", "20 01 87 []", Ends("")),
            ("a code of 3.1.1", "20 00 05 []", Ends("")),
            ("a code that is none", "20 00 8b []", Ends("")),
            ("no properties", "20 00 00", Ends("")),
            ("a property of CONNECT", "20 00 00 [17 01]", Ends("")),
            ("Maximum QoS 2", "20 00 00 [24 02]", Ends("")),
            ("reserved flags", "20 80 00 []", Ends("")),
            ("larger than the client takes", "20 00 00 [1f 'a'*64]", Ends("")),
            ("DISCONNECT instead", "e0 87", Ends("")),
            ("AUTH that was not asked for", "f0 18 [15 'm']", Ends("")),
        ],
    );
}

#[test]
fn an_identifier_that_was_made_up_is_told() {
    let connect = "> 10 'MQTT' 05 02 003c [] ''";
    let mut flow = Flow::after(ClientIds::Bound, connect);
    assert_eq!(flow.server("20 00 00 [13 0001]").1, wire("20 00 00 [13 0001 12 'fresh']"));
    let mut flow = Flow::after(ClientIds::Bound, connect);
    let assigned = flow.server("20 00 00 [12 'user/alice:other']").1;
    assert_eq!(assigned, wire("20 00 00 [12 'other']"));
    let mut flow = Flow::after(ClientIds::Off, connect);
    assert_eq!(flow.server("20 00 00 [12 'theirs']").1, wire("20 00 00 [12 'theirs']"));
    let mut flow = Flow::after(ClientIds::Off, connect);
    assert_eq!(flow.server("20 00 00 []").1, wire("20 00 00 []"));
}
