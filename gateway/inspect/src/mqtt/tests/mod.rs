//! Tests of the MQTT machine: its packets as text, and a judge.

mod bounds;
mod connecting;
mod flows;
mod from_client;
mod from_server;
mod invariants;
mod responses;

use doorward_model::{Action, ClientIds, MqttOptions, Name, Path, ResponseTopics};

use super::Mqtt;
use super::fuzzing::wire;
use crate::machine::{Fault, Judge, Machine as _, Out, Sender};

/// A judge that permits everything except paths with these beginnings, such as `publish bus/no`.
struct Rules {
    refused: &'static [&'static str],
    asked: Vec<String>,
    /// What the interface itself refuses.
    barred: Vec<String>,
}

impl Judge for Rules {
    fn may(&mut self, action: Action, path: &Path) -> bool {
        let question = format!("{action} {}", path.raw());
        let permitted = !self.refused.iter().any(|refused| question.starts_with(refused));
        self.asked.push(question);
        permitted
    }

    fn refused(&mut self, action: Action, path: &Path, why: &'static str) {
        self.barred.push(format!("{action} {} {why}", path.raw()));
    }
}

/// A machine with its judge.
struct Flow {
    mqtt: Mqtt,
    rules: Rules,
}

/// The result of some bytes.
#[derive(Debug, PartialEq)]
struct Said {
    out: Out,
    fault: Option<Fault>,
}

impl Flow {
    fn new(ids: ClientIds) -> Self {
        Self::with(MqttOptions { ids, ..MqttOptions::default() })
    }

    fn with(options: MqttOptions) -> Self {
        let interface: Name = "bus".parse().unwrap();
        let mqtt = Mqtt::new(&interface, "user/alice", options, "fresh");
        let refused = &[
            "publish bus/no",
            "subscribe bus/no",
            "subscribe bus/$",
            "publish bus/heard",
            "subscribe bus/said",
        ];
        Self { mqtt, rules: Rules { refused, asked: Vec::new(), barred: Vec::new() } }
    }

    /// Returns a flow after that dialogue. Lines of the client begin with `>`, those of the server
    /// with `<`.
    fn after(ids: ClientIds, dialogue: &str) -> Self {
        Self::new(ids).then(dialogue)
    }

    /// Continues a flow with that dialogue.
    fn then(mut self, dialogue: &str) -> Self {
        let flow = &mut self;
        for line in dialogue.lines().map(str::trim) {
            let (from, packets) = line.split_at(1);
            let side = if from == ">" { Sender::Client } else { Sender::Device };
            let said = flow.says(side, packets);
            assert_eq!((said.fault, said.out.over), (None, None), "{line}");
        }
        flow.rules.asked.clear();
        self
    }

    fn read(&mut self, from: Sender, bytes: &[u8]) -> Said {
        let mut out = Out::default();
        let fault = self.mqtt.read(from, bytes, &mut self.rules, &mut out).err();
        Said { out, fault }
    }

    fn says(&mut self, from: Sender, packets: &str) -> Said {
        self.read(from, &wire(packets))
    }

    /// Sends packets of the client. Returns the bytes for the server and for the client.
    fn client(&mut self, packets: &str) -> (Vec<u8>, Vec<u8>) {
        let said = self.says(Sender::Client, packets);
        assert_eq!((said.fault, said.out.over), (None, None), "{packets}");
        (said.out.device, said.out.client)
    }

    /// Sends packets of the server. Returns the same.
    fn server(&mut self, packets: &str) -> (Vec<u8>, Vec<u8>) {
        let said = self.says(Sender::Device, packets);
        assert_eq!((said.fault, said.out.over), (None, None), "{packets}");
        (said.out.device, said.out.client)
    }

    fn parting(&mut self) -> Vec<u8> {
        let mut out = Out::default();
        self.mqtt.parting(&mut self.rules, &mut out);
        assert_eq!((out.client, out.over), (vec![], None));
        out.device
    }
}

/// The expected result of a packet.
#[derive(Clone, Copy, Debug)]
enum Expected {
    /// It is forwarded unchanged.
    Same,
    /// It is forwarded as this.
    Sent(&'static str),
    /// It is not forwarded, and its sender gets this.
    Answered(&'static str),
    /// The same for the client; the server only gets a PINGREQ.
    Refused(&'static str),
    /// Nothing happens.
    Nothing,
    /// It is forwarded unchanged, and the flow ends.
    Last,
    /// It is not forwarded, and the flow ends; the client gets this.
    Over(&'static str),
    /// It is a violation: the flow ends, and the client gets this.
    Ends(&'static str),
}

/// Gives each input of that side to a flow of its own.
fn check(flow: impl Fn() -> Flow, from: Sender, rows: &[(&str, &str, Expected)]) {
    use Expected as E;
    for (name, input, expected) in rows {
        let bytes = wire(input);
        let Said { out, fault } = flow().read(from, &bytes);
        assert_eq!(
            byte_by_byte(&mut flow(), from, &bytes),
            Said { out: out.clone(), fault },
            "{name}"
        );
        let (on, back) = match from {
            Sender::Client => (&out.device, &out.client),
            Sender::Device => (&out.client, &out.device),
        };
        let (sent, answered) = match expected {
            E::Same | E::Last => (bytes, vec![]),
            E::Sent(packets) => (wire(packets), vec![]),
            E::Answered(packets) => (vec![], wire(packets)),
            E::Refused(packets) => (wire("c0"), wire(packets)),
            E::Over(packets) | E::Ends(packets) if from == Sender::Client => {
                (vec![], wire(packets))
            }
            E::Over(packets) | E::Ends(packets) => (wire(packets), vec![]),
            E::Nothing => (vec![], vec![]),
        };
        assert_eq!((on, back), (&sent, &answered), "{name}: {fault:?}");
        let ends = fault.map(|fault| fault.by);
        assert_eq!(ends, matches!(expected, E::Ends(_)).then_some(from), "{name}");
        // The client was told the reason.
        let is_told = matches!(expected, E::Ends(packets) if !packets.is_empty());
        let over = matches!(expected, E::Last | E::Over(_)) || is_told && from == Sender::Client;
        assert_eq!(out.over.is_some(), over, "{name}");
    }
}

fn byte_by_byte(flow: &mut Flow, from: Sender, bytes: &[u8]) -> Said {
    let mut said = Said { out: Out::default(), fault: None };
    for byte in bytes.chunks(1) {
        let Said { out, fault } = flow.read(from, byte);
        said.out.device.extend(out.device);
        said.out.client.extend(out.client);
        said.out.over = said.out.over.or(out.over);
        said.fault = said.fault.or(fault);
    }
    said
}
