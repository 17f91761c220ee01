//! What a change of the policy does to those who are connected, or have been.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::world::{Door, RULES, WAYS, World};

#[test]
fn an_old_subscription_gives_nothing_away() {
    let world = World::new();
    let no_b = format!("{RULES}\np, user/alice, plc, mqtt/room/b, subscribe, , deny");
    let mut behind = world.joined("5", Door::Behind, "behind", "behind");
    for (version, door) in WAYS {
        let id = format!("{version}-{door:?}");
        let lasting = json!({ "id": id, "clean": false, "expiry": 600 });
        world.gateway.rules(RULES);
        let mut alice = world.peer(version, door, "alice");
        alice.connect(lasting.clone());
        assert_eq!(alice.subscribe(&["room/a 1", "room/b 2"]), [1, 2]);
        behind.publish("room/b", 2, "may");
        assert_eq!(alice.hears(), "room/b may");
        // While it is connected.
        world.gateway.rules(&no_b);
        for qos in 0..3 {
            behind.publish("room/b", qos, "secret");
        }
        behind.publish("room/a", 1, "on");
        assert_eq!(alice.hears(), "room/a on");
        // And while it is not.
        alice.disconnect();
        for qos in 1..3 {
            behind.publish("room/b", qos, "secret");
        }
        behind.publish("room/a", 1, "later");
        assert_eq!(alice.connect(lasting.clone())["present"], true);
        assert_eq!(alice.hears(), "room/a later");
        // To the broker all of it has arrived.
        for _ in 0..2 {
            assert_eq!(alice.publish("alice/x", 2, ""), Some(0));
        }
        alice.disconnect();
        let mut heir = world.peer(version, Door::Behind, "heir");
        let told = heir
            .connect(json!({ "id": format!("user/alice:{id}"), "clean": false, "expiry": 600 }));
        assert_eq!(told["present"], true);
        behind.publish("room/a", 1, "last");
        assert_eq!(heir.hears(), "room/a last");
        heir.disconnect();
    }
    let refused =
        |record: &Value| record["event"] == "operation-refused" && record["path"] == "mqtt/room/b";
    let record = world.gateway.await_record("what was withheld", refused);
    assert_eq!(
        (&record["action"], &record["subject"]),
        (&"subscribe".into(), &"user/alice".into())
    );
}

#[test]
fn who_may_not_connect_any_more_is_cut_at_once() {
    let world = World::new();
    let no_connect = RULES.replace("alice, plc, mqtt, connect", "nobody, plc, mqtt, connect");
    for (version, door) in WAYS {
        world.gateway.rules(RULES);
        let mut alice = world.joined(version, door, "alice", "a");
        let mut bob = world.joined(version, door, "bob", "b");
        world.gateway.rules(&no_connect);
        alice.ends();
        let changed = world.gateway.await_record("the change", |record| {
            record["event"] == "request" && record["path"] == "policies"
        });
        let cut = world.gateway.await_record("the cut", |record| {
            let after = record["seq"].as_u64() > changed["seq"].as_u64();
            after && record["event"] == "flow-end" && record["subject"] == "user/alice"
        });
        assert_eq!((&cut["outcome"], &cut["reason"]), (&"cut".into(), &"no-rule".into()));
        let at =
            |record: &Value| record["at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        // To read the bundle and to commit it is in it.
        let took = at(&cut).duration_since(at(&changed));
        assert!(took.as_millis() < 500, "{took}");
        assert_eq!(bob.publish("room/lamp", 1, "on"), Some(0));
        // From now on there is no such interface.
        let told = alice.connect(json!({ "id": "a" }));
        assert!(told["code"].is_null(), "{told}");
    }
}

#[test]
fn a_client_whose_messages_are_all_refused_is_not_forgotten() {
    let world = World::new();
    let mut alice = world.peer("5", Door::Sni, "alice");
    assert_eq!(alice.connect(json!({ "id": "a", "keepalive": 2 }))["code"], 0);
    // The broker gives up after 3 seconds of silence.
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end {
        assert_eq!(alice.publish("other", 1, "x"), Some(0x87));
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(alice.publish("room/lamp", 1, "x"), Some(0));
    assert_eq!(world.broker.published("user/alice:a"), ["room/lamp"]);
    world.broker.await_line("Received PINGREQ from user/alice:a");
}
