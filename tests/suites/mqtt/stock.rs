//! mosquitto's own clients, by the interface's name; and a broker behind an agent.

use std::process::Stdio;

use doorward_tests::Gateway;
use doorward_tests::gateway::Ran;
use doorward_tests::running::{Running, line, wait_until};

use super::world::{Broker, RULES, WAYS, World};

#[test]
fn mosquittos_clients_know_no_difference_but_what_is_refused() {
    let world = World::new();
    for (word, version) in [("mqttv311", "3.1.1"), ("mqttv5", "5")] {
        let mut command = world.mosquitto("mosquitto_sub", "bob", &["-V", word, "-i", version]);
        command.args(["-q", "2", "-v", "-C", "4", "-t", "room/#", "-t", "secrets/#", "-d"]);
        command.stdout(Stdio::piped());
        let errors = world.gateway.dir().join(format!("sub-{version}"));
        let mut subscriber = Running::start(&mut command, errors);
        let mut output = subscriber.output();
        // Only what it says itself, not of its packets.
        let mut heard = || loop {
            let line = line(&mut output);
            if !line.starts_with("Client ") {
                return line;
            }
        };
        let id = format!("user/bob:{version}");
        wait_until("a subscription", || world.broker.subscribed(&id) == ["room/#"]);
        let publish = |topic: &str, more: &[&str]| {
            let mut command = world.mosquitto("mosquitto_pub", "alice", &["-V", word, "-t", topic]);
            Ran::of(command.args(more).output().unwrap())
        };
        let refused = if version == "5" { 135 } else { 128 };
        for qos in ["0", "1", "2"] {
            publish("room/lamp", &["-q", qos, "-m", qos]).ok();
            if qos == "0" {
                assert_eq!(heard(), format!("Subscribed (mid: 1): 2, {refused}"));
            }
            assert_eq!(heard(), format!("room/lamp {qos}"));
        }
        for qos in ["1", "2"] {
            let ran = publish("other", &["-q", qos, "-m", "x", "-i", "refused", "-d"]);
            if version == "5" {
                assert!(ran.err.contains("Not authorized"), "{ran:?}");
            } else {
                assert!(ran.err.contains("connection was lost"), "{ran:?}");
            }
        }
        publish("room/lamp", &["-m", "end"]).ok();
        assert_eq!(heard(), "room/lamp end");
        assert_eq!(subscriber.ended(), Some(0));
        assert_eq!(world.broker.subscribed(&id), ["room/#"]);
    }
    assert_eq!(world.broker.published("user/alice:refused"), [""; 0]);
}

#[test]
fn behind_an_agent_mqtt_is_inspected_too() {
    let gateway = Gateway::start();
    let broker = Broker::start(&gateway);
    gateway.enrol("device/plc", &[]);
    gateway.owner(&["interface", "add", "plc/mqtt", "mqtt+agent:broker?client-id=bound"]);
    for who in ["alice", "bob"] {
        gateway.enrol(&format!("user/{who}"), &[]);
    }
    gateway.rules(RULES);
    let config = format!("[interfaces.broker]\nurl = \"tcp://{}\"\n", broker.at);
    let _agent = gateway.agent("plc", &config);
    let world = World { broker, gateway };
    for (version, door) in WAYS {
        let id = format!("{version}-{door:?}");
        let mut bob = world.joined(version, door, "bob", &id);
        assert_eq!(bob.subscribe(&["room/# 2", "#"])[0], 2);
        let mut alice = world.joined(version, door, "alice", &id);
        assert_eq!(alice.publish("room/lamp", 2, "on"), Some(0));
        assert_eq!(bob.hears(), "room/lamp on");
        assert_ne!(alice.publish("other", 1, "x"), Some(0));
        assert_eq!(world.broker.published(&format!("user/alice:{id}")), ["room/lamp"]);
        assert_eq!(world.broker.subscribed(&format!("user/bob:{id}")), ["room/#"]);
    }
}
