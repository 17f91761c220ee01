//! Whose a client id is.

use serde_json::{Value, json};

use super::world::{Door, VERSIONS, WAYS, World};

#[test]
fn two_subjects_with_the_same_id_are_two_clients() {
    let world = World::new();
    for (version, door) in WAYS {
        let mut alice = world.joined(version, door, "alice", "c");
        let mut bob = world.joined(version, door, "bob", "c");
        // Not even by its whole name is another's session reached.
        let mut thief = world.joined(version, door, "bob", "user/alice:c");
        for peer in [&mut alice, &mut bob, &mut thief] {
            assert_eq!(peer.publish("room/lamp", 1, "x"), Some(0));
        }
        let clients = world.broker.clients();
        let last = &clients[clients.len() - 3..];
        assert_eq!(last, ["user/alice:c", "user/bob:c", "user/bob:user/alice:c"]);
        // Whoever comes again with its own id is one client, as without the gateway.
        let _again = world.joined(version, door, "alice", "c");
        alice.ends();
    }
}

#[test]
fn a_session_is_its_subjects_own() {
    let world = World::new();
    let lasting = |id: &str| json!({ "id": id, "clean": false, "expiry": 600 });
    for version in VERSIONS {
        let mut alice = world.peer(version, Door::Sni, "alice");
        assert_eq!(alice.connect(lasting(version))["present"], false);
        assert_eq!(alice.subscribe(&["room/lamp"]), [1]);
        alice.disconnect();
        let mut bob = world.peer(version, Door::Sni, "bob");
        assert_eq!(bob.connect(lasting(version))["present"], false);
        assert_eq!(bob.publish("room/lamp", 1, "for alice"), Some(0));
        let mut alice = world.peer(version, Door::Connect, "alice");
        assert_eq!(alice.connect(lasting(version))["present"], true);
        assert_eq!(alice.hears(), "room/lamp for alice");
    }
}

#[test]
fn who_gives_no_id_gets_one() {
    let world = World::new();
    let mut alice = world.joined("3.1.1", Door::Sni, "alice", "");
    alice.publish("room/lamp", 1, "x");
    let mut five = world.peer("5", Door::Sni, "alice");
    let told = five.connect(json!({ "id": "", "expiry": 600 }));
    let assigned = told["assigned"].as_str().unwrap_or_else(|| panic!("{told}"));
    let clients = world.broker.clients();
    let [first, second] = &clients[..] else { panic!("{clients:?}") };
    assert!(first.starts_with("user/alice:") && first.len() > "user/alice:".len() + 16, "{first}");
    assert_eq!(*second, format!("user/alice:{assigned}"));
    assert_ne!(first, second);
    // It comes to its session by what it was assigned.
    five.disconnect();
    let told = five.connect(json!({ "id": assigned, "clean": false, "expiry": 600 }));
    assert_eq!((&told["present"], &told["assigned"]), (&json!(true), &Value::Null));
}

#[test]
fn strict_takes_only_ids_of_the_subject() {
    let world = World::with("?client-id=strict");
    for version in VERSIONS {
        for (who, id, may) in [
            ("alice", "c", false),
            ("bob", "user/alice", false),
            ("bob", "user/alice:c", false),
            ("alice", "user/alicec", false),
            ("alice", "user/alice", true),
            ("alice", "user/alice:c", true),
        ] {
            let told = world.peer(version, Door::Sni, who).connect(json!({ "id": id }));
            // paho knows the codes of 3.1.1 by their names in 5: the id is not valid.
            assert_eq!(told["code"], if may { 0 } else { 0x85 }, "{version} {who} {id}: {told}");
        }
    }
    let both = ["user/alice", "user/alice:c"];
    assert_eq!(world.broker.clients(), [both, both].concat());
}

#[test]
fn off_leaves_ids_as_they_are() {
    let world = World::with("?client-id=off");
    for version in VERSIONS {
        let mut alice = world.joined(version, Door::Sni, "alice", "c");
        let _bob = world.joined(version, Door::Sni, "bob", "c");
        alice.ends();
        // mosquitto makes one up.
        let told = world.peer(version, Door::Sni, "alice").connect(json!({ "id": "" }));
        assert_eq!(told["code"], 0);
        assert_eq!(told["assigned"].is_string(), version == "5", "{told}");
    }
    let clients = world.broker.clients();
    assert!(clients.iter().all(|one| one == "c" || one.starts_with("auto-")), "{clients:?}");
}
