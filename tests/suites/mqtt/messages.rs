//! What is published and subscribed to.

use serde_json::json;

use super::world::{Door, RULES, VERSIONS, WAYS, World};

#[test]
fn what_is_permitted_is_published_and_what_is_not_never_reaches_the_broker() {
    let world = World::new();
    let mut watcher = world.watcher();
    for (version, door) in WAYS {
        let id = format!("{version}-{door:?}");
        let mut alice = world.joined(version, door, "alice", &id);
        for qos in 0..3 {
            assert_eq!(alice.publish("room/lamp", qos, &qos.to_string()), Some(0));
            assert_eq!(watcher.hears(), format!("room/lamp {qos}"));
        }
        for (topic, qos) in [("other", 0), ("other", 1), ("room/vault", 1), ("$SYS/x", 2)] {
            let told = alice.publish(topic, qos, "x");
            if version == "5" {
                // paho takes no notice of the reason code in PUBREC; mosquitto_pub does.
                assert_eq!(told, Some(if qos == 1 { 0x87 } else { told.unwrap() }), "{topic}");
            } else {
                assert_eq!(told.filter(|_| qos > 0), None, "{topic}");
                alice.ends();
                alice = world.joined(version, door, "alice", &id);
            }
        }
        assert_eq!(alice.publish("room", 1, "last"), Some(0));
        assert_eq!(watcher.hears(), "room last");
        let published = world.broker.published(&format!("user/alice:{id}"));
        assert_eq!(published, ["room/lamp", "room/lamp", "room/lamp", "room"]);
    }
    // Nobody's business: as if there were no such interface.
    for (version, door) in WAYS {
        let told = world.peer(version, door, "mallory").connect(json!({ "id": "m" }));
        assert!(told["code"].is_null(), "{told}");
    }
    assert_eq!(world.broker.clients().iter().filter(|one| one.contains("mallory")).count(), 0);
    let record = world.gateway.await_record("a refusal", |record| {
        record["event"] == "operation-refused" && record["path"] == "mqtt/room/vault"
    });
    assert_eq!(
        (&record["action"], &record["reason"], &record["subject"]),
        (&"publish".into(), &"denied-by-rule".into(), &"user/alice".into())
    );
    let record = world.gateway.await_record("a message", |record| {
        record["event"] == "operation" && record["path"] == "mqtt/room/lamp"
    });
    assert!(record["rules"].as_array().is_some_and(|rules| !rules.is_empty()));
}

#[test]
fn what_is_retained_is_kept_for_whoever_comes_later() {
    let world = World::new();
    for version in VERSIONS {
        let mut alice = world.joined(version, Door::Sni, "alice", version);
        let topic = format!("room/{version}");
        let kept = json!({ "topic": topic, "payload": "kept", "qos": 1, "retain": true });
        assert_eq!(alice.publish_so(kept)["code"], 0);
        let mut bob = world.joined(version, Door::Connect, "bob", version);
        assert_eq!(bob.subscribe(&[&topic]), [1]);
        let message = bob.message();
        assert_eq!((&message["payload"], &message["retain"]), (&json!("kept"), &json!(true)));
        // Taken back.
        let none = json!({ "topic": topic, "payload": "", "qos": 2, "retain": true });
        assert_eq!(alice.publish_so(none)["code"], 0);
        assert_eq!(bob.message()["size"], 0);
        let mut late = world.joined(version, Door::Sni, "bob", "late");
        assert_eq!(late.subscribe(&[&topic]), [1]);
        alice.publish(&topic, 1, "new");
        assert_eq!(late.hears(), format!("{topic} new"));
    }
}

/// The filters of a SUBSCRIBE, and whether each is permitted.
const FILTERS: &[(&str, &[(&str, bool)])] = &[
    ("alice", &[("room/lamp 0", true), ("other 1", false), ("alice/# 2", true)]),
    // A wildcard that would reach what is denied.
    ("alice", &[("room/# 1", false), ("room/+ 1", false), ("room/lamp/# 1", true)]),
    ("alice", &[("other 2", false), ("# 0", false)]),
    ("alice", &[("alice/+/x 2", true), ("+/x 0", false), ("room/vault/x 0", false)]),
    ("bob", &[("# 1", false), ("+ 1", false), ("+/x 1", false), ("secrets/# 1", false)]),
    ("bob", &[("room/# 1", true), ("secret 1", true), ("/secrets/x 1", true), ("/# 1", true)]),
    ("bob", &[("$share/g/# 1", false), ("$share/g/room/# 2", true), ("$share/g/+/x 0", false)]),
    // What begins with $ is in no wildcard, and neither in a rule's.
    ("bob", &[("$SYS/# 0", false), ("$SYS/broker/version 0", false), ("room/x 0", true)]),
];

#[test]
fn each_filter_is_answered_in_its_place() {
    let world = World::new();
    for (version, door) in WAYS {
        let refused = if version == "5" { 0x87 } else { 0x80 };
        for (number, (who, filters)) in FILTERS.iter().enumerate() {
            let id = format!("{version}-{door:?}-{number}");
            let mut peer = world.joined(version, door, who, &id);
            let qos = |text: &str| text.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap();
            let code = |(text, may): &(&str, bool)| if *may { qos(text) } else { refused };
            let expected: Vec<u64> = filters.iter().map(code).collect();
            let texts: Vec<&str> = filters.iter().map(|(text, _)| *text).collect();
            assert_eq!(peer.subscribe(&texts), expected, "{version} {texts:?}");
            let permitted: Vec<&str> = filters
                .iter()
                .filter_map(|(text, may)| may.then_some(text.rsplit_once(' ')?.0))
                .collect();
            let heard = world.broker.subscribed(&format!("user/{who}:{id}"));
            assert_eq!(heard, permitted, "{version}");
        }
    }
}

#[test]
fn what_would_be_answered_can_be_asked_beforehand() {
    let world = World::new();
    for (who, filters) in FILTERS {
        for (filter, may) in *filters {
            let resource = format!("plc/mqtt/{}", filter.rsplit_once(' ').unwrap().0);
            let subject = format!("user/{who}");
            let ran =
                world.gateway.run("owner", &["policy", "check", &subject, "subscribe", &resource]);
            assert_eq!(ran.status, Some(if *may { 0 } else { 3 }), "{who} {resource}: {ran:?}");
        }
    }
}

#[test]
fn messages_come_to_those_who_have_subscribed() {
    let world = World::new();
    world
        .gateway
        .rules(&format!("{RULES}\np, user/alice, plc, mqtt/$SYS/broker/**, subscribe, , allow"));
    let mut behind = world.joined("5", Door::Behind, "behind", "behind");
    for (version, door) in WAYS {
        let mut alice = world.joined(version, door, "alice", "a");
        let filters = ["alice/+ 2", "room/lamp 0", "$share/g/room/shared 1"];
        assert_eq!(alice.subscribe(&filters), [2, 0, 1]);
        for (topic, qos) in [("alice/x", 2), ("room/lamp", 1), ("room/shared", 2), ("alice/x", 0)] {
            behind.publish(topic, qos, &qos.to_string());
            let message = alice.message();
            assert_eq!(
                (&message["topic"], &message["payload"]),
                (&topic.into(), &qos.to_string().into())
            );
        }
        // To itself, and from somebody else through the gateway.
        alice.publish("alice/y", 2, "mine");
        assert_eq!(alice.hears(), "alice/y mine");
        let mut bob = world.joined(version, door, "bob", "b");
        bob.publish("alice/z", 2, "yours");
        assert_eq!(alice.hears(), "alice/z yours");
        assert_eq!(alice.subscribe(&["$SYS/broker/version 0"]), [0]);
        assert!(alice.hears().starts_with("$SYS/broker/version mosquitto"));
    }
}

#[test]
fn a_topic_alias_ends_at_the_gateway() {
    let world = World::new();
    let mut watcher = world.watcher();
    let mut alice = world.peer("5", Door::Sni, "alice");
    let told = alice.connect(json!({ "id": "a" }));
    assert_eq!((&told["code"], &told["aliases"]), (&json!(0), &json!(10)));
    let mut publish = |topic: &str, alias: u16, payload: &str| {
        let told = alice
            .publish_so(json!({ "topic": topic, "alias": alias, "qos": 1, "payload": payload }));
        told["code"].as_u64().unwrap_or_else(|| panic!("{told}"))
    };
    assert_eq!(publish("room/lamp", 1, "1"), 0);
    assert_eq!(publish("", 1, "2"), 0);
    // What is refused under an alias is refused under it again, and the alias has moved.
    assert_eq!(publish("other", 1, "3"), 0x87);
    assert_eq!(publish("", 1, "4"), 0x87);
    assert_eq!(publish("room", 1, "5"), 0);
    assert_eq!(publish("", 1, "6"), 0);
    for expected in ["room/lamp 1", "room/lamp 2", "room 5", "room 6"] {
        assert_eq!(watcher.hears(), expected);
    }
    // It hears only what was set, by name.
    let published = world.broker.published("user/alice:a");
    assert_eq!(published, ["room/lamp", "room/lamp", "room", "room"]);
}

/// What a process has held at most, in bytes.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[test]
fn a_long_message_streams_through() {
    const SIZE: u64 = 5 << 20;
    let world = World::new();
    let process = world.gateway.process().id();
    for version in VERSIONS {
        let mut alice = world.joined(version, Door::Sni, "alice", version);
        let mut bob = world.joined(version, Door::Connect, "bob", version);
        assert_eq!(bob.subscribe(&["room/# 2"]), [2]);
        let mut send = |size: u64| {
            let told = alice.publish_so(json!({ "topic": "room/x", "qos": 2, "size": size }));
            assert_eq!(told["code"], 0);
            let message = bob.message();
            assert_eq!(message["size"], size);
            message["sha256"].clone()
        };
        send(1 << 16);
        let before = peak(process);
        let digests: Vec<_> = (0..4).map(|_| send(SIZE)).collect();
        assert!(digests.windows(2).all(|pair| pair[0] == pair[1]));
        let grown = peak(process) - before;
        assert!(grown < SIZE / 2, "the gateway has grown by {grown} bytes");
        // What is refused is read to its end, and goes nowhere.
        if version == "5" {
            let told = alice.publish_so(json!({ "topic": "other", "qos": 1, "size": SIZE }));
            assert_eq!(told["code"], 0x87);
            assert_eq!(alice.publish("room/x", 1, "and on"), Some(0));
        }
    }
}
