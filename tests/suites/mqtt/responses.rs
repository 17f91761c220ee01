//! Requests of MQTT 5, and where their answers are published.

use serde_json::{Value, json};

use super::world::{Door, Peer, RULES, World};

/// Carol hears answers, Dave publishes some, and Erin may do neither.
const MORE: &str = "p, user/carol, plc, mqtt, connect, , allow\n\
    p, user/carol, plc, mqtt/ask/**, publish, , allow\n\
    p, user/carol, plc, mqtt/carol/**, subscribe, , allow\n\
    p, user/dave, plc, mqtt, connect, , allow\n\
    p, user/dave, plc, mqtt/ask/**, publish, , allow\n\
    p, user/dave, plc, mqtt/carol/**, publish, , allow\n\
    p, user/erin, plc, mqtt, connect, , allow\n\
    p, user/erin, plc, mqtt/ask/**, publish, , allow";

fn world(options: &str) -> World {
    let world = World::with(options);
    for who in ["carol", "dave", "erin"] {
        world.gateway.enrol(&format!("user/{who}"), &[]);
    }
    world.gateway.rules(&format!("{RULES}\n{MORE}"));
    world
}

fn ask(peer: &mut Peer, response: &str) -> Value {
    let told = peer.publish_so(
        json!({ "topic": "ask/lamp", "payload": "on", "qos": 1, "response": response }),
    );
    told["code"].clone()
}

#[test]
fn who_asks_has_a_right_where_the_answer_goes() {
    for (options, carol, dave) in
        [("", 0, 0), ("?response-topic=publish", 0x87, 0), ("?response-topic=off", 0x87, 0x87)]
    {
        let world = world(options);
        for (who, expected) in [("carol", carol), ("dave", dave), ("erin", 0x87)] {
            let mut peer = world.joined("5", Door::Sni, who, who);
            assert_eq!(ask(&mut peer, "carol/answers"), expected, "{options} {who}");
            // None of them may publish or hear what is said there.
            assert_eq!(ask(&mut peer, "room/lock"), 0x87, "{options} {who}");
            assert_eq!(peer.publish("ask/lamp", 1, "plain"), Some(0), "{options} {who}");
            let reached = world.broker.published(&format!("user/{who}:{who}")).len();
            assert_eq!(reached, 1 + usize::from(expected == 0), "{options} {who}");
        }
        let told = |record: &Value, path: &str, subject: &str| {
            record["event"] == "operation-refused"
                && record["path"] == path
                && record["subject"] == subject
        };
        match options {
            "?response-topic=off" => {
                let record = world.gateway.await_record("a refusal", |record| {
                    told(record, "mqtt/ask/lamp", "user/carol")
                });
                assert_eq!(record["reason"], "response-topic");
            }
            _ => {
                let record = world.gateway.await_record("a refusal", |record| {
                    told(record, "mqtt/carol/answers", "user/erin")
                });
                assert_eq!(record["reason"], "no-rule");
            }
        }
    }
}

#[test]
fn a_will_is_held_to_that_too() {
    let world = world("");
    let will = |response: &str| {
        json!({ "id": "c", "will": {
            "topic": "ask/lamp", "payload": "gone", "qos": 1, "response": response,
        } })
    };
    assert_eq!(world.peer("5", Door::Sni, "carol").connect(will("room/lock"))["code"], 0x87);
    let mut device = world.watcher();
    let mut carol = world.peer("5", Door::Sni, "carol");
    assert_eq!(carol.connect(will("carol/answers"))["code"], 0);
    carol.running.signal("KILL");
    carol.running.ended();
    let heard = device.message();
    assert_eq!((&heard["payload"], &heard["response"]), (&json!("gone"), &json!("carol/answers")));
    // The right there has ended meanwhile: the broker discards the will.
    let mut carol = world.peer("5", Door::Sni, "carol");
    assert_eq!(carol.connect(will("carol/answers"))["code"], 0);
    let less =
        format!("{RULES}\n{MORE}").replace("mqtt/carol/**, subscribe", "mqtt/c/**, subscribe");
    world.gateway.rules(&less);
    carol.running.signal("KILL");
    carol.running.ended();
    world.broker.await_line("Received DISCONNECT from user/carol:c");
    device.publish("end", 1, "");
    assert_eq!(device.hears(), "end ");
}
