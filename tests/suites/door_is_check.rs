//! What `policy check` says is what happens at the door.
//!
//! Rules and operations are generated. Each operation is asked about by `policy check`, in the
//! words in which a person writes it, and then a client does it at the running gateway. `tests/long
//! door` compares ten times as many.

mod coap;
mod http;
mod modbus;
mod mqtt;

use std::net::SocketAddr;

use doorward_tests::Gateway;
use doorward_tests::scale::either;

/// An answer, by `policy check` or at the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Permitted,
    Denied,
    /// No rule is asked: the gateway refuses what is written like that.
    Refused,
}

/// What a client does, in the words of `policy check`.
struct Operation {
    action: &'static str,
    /// What follows the interface's name.
    operand: String,
}

/// A protocol: how rules and operations look, and who speaks it.
struct Speech {
    /// The name of its interface, and of its device.
    interface: &'static str,
    /// Starts a device. Returns its URL.
    serve: fn() -> String,
    /// Makes what a rule says after the device, up to the condition.
    rule: fn(&mut Seed) -> String,
    /// A rule without which the client finds no interface.
    always: &'static str,
    operation: fn(&mut Seed) -> Operation,
    /// Does the operations one after the other.
    client: fn(SocketAddr, &[Operation]) -> Vec<Answer>,
}

const SPEECHES: [Speech; 4] = [http::SPEECH, mqtt::SPEECH, modbus::SPEECH, coap::SPEECH];

/// Numbers that are the same each time.
struct Seed(u64);

impl Seed {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) as usize % bound
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// Up to `most` words, joined by slashes.
    fn path(&mut self, words: &[&str], most: usize) -> String {
        let path: Vec<&str> = (0..self.below(most + 1)).map(|_| self.of(words)).collect();
        path.join("/")
    }
}

#[test]
fn check_says_what_happens_at_the_door() {
    /// How many operations of each protocol meet one bundle.
    const EACH: usize = 25;
    let rounds = either(3, 30);
    let gateway = Gateway::start();
    gateway.enrol("user/alice", &[]);
    for one in &SPEECHES {
        gateway.declare(&format!("box/{}", one.interface), &(one.serve)());
    }
    let mut seed = Seed(20_261_129);
    let mut counts = [0; 3];
    for _ in 0..rounds {
        let mut rules: Vec<String> = Vec::new();
        for one in &SPEECHES {
            rules.push(format!("p, user/alice, box, {}, , allow", one.always));
            for _ in 0..10 {
                let rule = (one.rule)(&mut seed);
                // Where everything is denied, the client finds no interface.
                let whole = rule.starts_with(&format!("{}/**,", one.interface));
                let effects: &[&str] = if whole { &["allow"] } else { &["allow", "allow", "deny"] };
                rules.push(format!("p, user/alice, box, {rule}, , {}", seed.of(effects)));
            }
        }
        gateway.rules(&rules.join("\n"));
        for one in &SPEECHES {
            let operations: Vec<_> = (0..EACH).map(|_| (one.operation)(&mut seed)).collect();
            let (_listener, at) = gateway.listening("alice", &format!("box/{}", one.interface));
            let answers = (one.client)(at, &operations);
            assert_eq!(answers.len(), EACH);
            for (operation, answer) in operations.iter().zip(answers) {
                let Operation { action, operand } = operation;
                let resource = format!("box/{}{operand}", one.interface);
                let asked = ["policy", "check", "user/alice", action, &resource];
                let said = gateway.run("owner", &asked);
                let says = match said.status {
                    Some(0) => Answer::Permitted,
                    Some(3) => Answer::Denied,
                    _ => Answer::Refused,
                };
                assert_eq!(says, answer, "{action} {resource}: {said:?}\n{}", rules.join("\n"));
                counts[answer as usize] += 1;
            }
        }
    }
    println!("{counts:?} were permitted, denied and refused, and `policy check` says so");
    assert_eq!(counts.iter().sum::<usize>(), either(300, 3000));
    assert!(counts[0] > 50 && counts[1] > 50 && counts[2] > 5, "{counts:?}");
}
