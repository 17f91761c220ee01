//! What is published for a client that is gone.

use serde_json::{Value, json};

use super::world::{Door, Peer, RULES, WAYS, World};

fn will(id: &str, topic: &str) -> Value {
    json!({ "id": id, "will": { "topic": topic, "payload": "gone", "qos": 1 } })
}

/// A client by each way, with a will at `room/lamp`, and its id.
fn each(world: &World) -> Vec<(String, Peer)> {
    WAYS.map(|(version, door)| {
        let id = format!("{version}-{door:?}");
        let mut peer = world.peer(version, door, "alice");
        assert_eq!(peer.connect(will(&id, "room/lamp"))["code"], 0);
        (id, peer)
    })
    .into()
}

#[test]
fn a_will_is_published_when_its_client_is_gone() {
    let world = World::new();
    let mut watcher = world.watcher();
    for (_, mut peer) in each(&world) {
        peer.running.signal("KILL");
        peer.running.ended();
        assert_eq!(watcher.hears(), "room/lamp gone");
    }
    // Who says goodbye leaves none.
    let mut alice = world.peer("3.1.1", Door::Sni, "alice");
    assert_eq!(alice.connect(will("a", "room/lamp"))["code"], 0);
    alice.disconnect();
    world.broker.await_line("Client user/alice:a disconnected.");
    watcher.publish("end", 1, "");
    assert_eq!(watcher.hears(), "end ");
}

#[test]
fn who_is_ended_for_a_message_in_3_1_1_leaves_its_will() {
    let world = World::new();
    let mut watcher = world.watcher();
    let mut alice = world.peer("3.1.1", Door::Sni, "alice");
    assert_eq!(alice.connect(will("a", "room/lamp"))["code"], 0);
    alice.publish("other", 1, "x");
    alice.ends();
    assert_eq!(watcher.hears(), "room/lamp gone");
}

#[test]
fn who_may_not_publish_a_will_may_not_connect_with_it() {
    let world = World::new();
    for (version, door) in WAYS {
        for topic in ["other", "room/vault/x"] {
            let told = world.peer(version, door, "alice").connect(will("a", topic));
            // paho knows the codes of 3.1.1 by their names in 5: not authorized.
            assert_eq!(told["code"], 0x87, "{version} {topic}: {told}");
        }
    }
    assert_eq!(world.broker.clients(), [""; 0]);
    let refused = |record: &Value| {
        record["event"] == "operation-refused" && record["path"] == "mqtt/room/vault/x"
    };
    let record = world.gateway.await_record("a will that was refused", refused);
    assert_eq!(record["action"], "publish");
}

/// What takes rights from somebody who has a will, and then ends the flow.
fn none_is_published(rules: &str, end: impl Fn(&mut Peer)) {
    let world = World::new();
    let mut watcher = world.watcher();
    let peers = each(&world);
    world.gateway.rules(rules);
    for (id, mut peer) in peers {
        end(&mut peer);
        // The one way to have a broker discard it.
        world.broker.await_line(&format!("Received DISCONNECT from user/alice:{id}"));
        world.broker.await_line(&format!("Client user/alice:{id} disconnected."));
    }
    watcher.publish("end", 1, "");
    assert_eq!(watcher.hears(), "end ");
}

#[test]
fn a_will_that_is_not_permitted_any_more_is_not_published_when_the_flow_is_cut() {
    none_is_published(&RULES.replace("user/alice", "user/nobody"), Peer::ends);
}

#[test]
fn nor_when_its_client_is_gone() {
    let no_lamp = format!("{RULES}\np, user/alice, plc, mqtt/room/lamp, publish, , deny");
    none_is_published(&no_lamp, |peer| {
        peer.running.signal("KILL");
        peer.running.ended();
    });
}

#[test]
fn a_will_that_is_still_permitted_is_published_when_the_flow_is_cut() {
    let world = World::new();
    let mut watcher = world.watcher();
    let peers = each(&world);
    let no_connect = RULES.replace("alice, plc, mqtt, connect", "nobody, plc, mqtt, connect");
    world.gateway.rules(&no_connect);
    for (_, mut peer) in peers {
        peer.ends();
        assert_eq!(watcher.hears(), "room/lamp gone");
    }
}
