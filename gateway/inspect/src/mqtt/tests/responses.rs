//! Response topics: a client that names one needs a right on it, because receivers publish there.

use Expected::{Ends, Over, Refused, Same};

use super::*;

fn options(response: ResponseTopics) -> MqttOptions {
    MqttOptions { ids: ClientIds::Off, response }
}

fn joined(response: ResponseTopics) -> Flow {
    Flow::with(options(response)).then("> 10 'MQTT' 05 02 003c [] 'c'\n< 20 00 00 [22 0008]")
}

#[test]
fn a_message_names_where_it_is_answered_only_with_a_right_there() {
    check(
        || joined(ResponseTopics::Either),
        Sender::Client,
        &[
            ("one may subscribe", "32 'a' 0001 [08 'heard'] 00", Same),
            ("one may publish", "32 'a' 0001 [08 'said'] 00", Same),
            ("neither", "30 'a' [08 'no'] 00", Refused("")),
            ("neither, at QoS 1", "32 'a' 0001 [08 'no/x'] 00", Refused("40 0001 87")),
            ("neither, at QoS 2", "34 'a' 0001 [01 01 08 'no'] 00", Refused("50 0001 87")),
            ("a topic of the broker's own", "32 'a' 0001 [08 '$SYS/x'] 00", Same),
            ("not the topic itself", "32 'no' 0001 [08 'a'] 00", Refused("40 0001 87")),
            ("too long to be named", "32 'a' 0001 [08 'a'*8189] 00", Refused("40 0001 87")),
            ("too many levels", "32 'a' 0001 [08 '/'*127] 00", Refused("40 0001 87")),
            ("a wildcard", "32 'a' 0001 [08 'a/+'] 00", Ends("e0 82")),
            ("two", "32 'a' 0001 [08 'a' 08 'b'] 00", Ends("e0 82")),
        ],
    );
    check(
        || joined(ResponseTopics::Publish),
        Sender::Client,
        &[
            ("one may subscribe", "32 'a' 0001 [08 'heard'] 00", Refused("40 0001 87")),
            ("one may publish", "32 'a' 0001 [08 'said'] 00", Same),
            ("none is named", "32 'a' 0001 [] 00", Same),
        ],
    );
    check(
        || joined(ResponseTopics::Off),
        Sender::Client,
        &[
            ("one may do both", "32 'a' 0001 [08 'a'] 00", Refused("40 0001 87")),
            ("at QoS 0", "30 'a' [08 'a'] 00", Refused("")),
            ("none is named", "32 'a' 0001 [] 00", Same),
        ],
    );
}

#[test]
fn a_will_does_so_too_when_it_is_left_and_when_it_is_due() {
    let connect = |topic: &str| format!("10 'MQTT' 05 06 003c [] 'c' [08 '{topic}'] 'w' 'x'");
    for (rule, topic, permitted) in [
        (ResponseTopics::Either, "heard", true),
        (ResponseTopics::Either, "said", true),
        (ResponseTopics::Either, "no", false),
        (ResponseTopics::Publish, "heard", false),
        (ResponseTopics::Publish, "said", true),
        (ResponseTopics::Off, "said", false),
    ] {
        let expected = if permitted { Same } else { Over("20 00 87 []") };
        let said = connect(topic);
        check(|| Flow::with(options(rule)), Sender::Client, &[(topic, &said, expected)]);
    }
    // Its right on the topic has ended meanwhile.
    let mut flow = Flow::with(options(ResponseTopics::Either));
    flow.client(&connect("later"));
    assert_eq!(flow.parting(), b"");
    let mut flow = Flow::with(options(ResponseTopics::Either));
    flow.client(&connect("later"));
    flow.rules.refused = &["publish bus/later", "subscribe bus/later"];
    assert_eq!(flow.parting(), wire("e0"));
}

#[test]
fn what_is_asked_is_what_is_needed_and_nothing_more() {
    for (rule, said, asked, barred) in [
        (ResponseTopics::Either, "[]", &["publish bus/a"][..], &[][..]),
        (ResponseTopics::Either, "[08 'r']", &["publish bus/a", "subscribe bus/r"], &[]),
        (
            ResponseTopics::Either,
            "[08 'said']",
            &["publish bus/a", "subscribe bus/said", "publish bus/said"],
            &[],
        ),
        (ResponseTopics::Publish, "[08 'r']", &["publish bus/a", "publish bus/r"], &[]),
        (ResponseTopics::Off, "[08 'r']", &[], &["publish bus/a response-topic"]),
    ] {
        let mut flow = joined(rule);
        flow.client(&format!("30 'a' {said} 00"));
        assert_eq!(flow.rules.asked, asked, "{rule:?} {said}");
        assert_eq!(flow.rules.barred, barred, "{rule:?} {said}");
    }
    // Messages to the client may name any topic: a client that answers needs a right of its own.
    let mut flow = joined(ResponseTopics::Off);
    let (_, told) = flow.server("30 'a' [08 'no'] 00");
    assert_eq!(told, wire("30 'a' [08 'no'] 00"));
    assert_eq!(flow.rules.asked, ["subscribe bus/a"]);
}
