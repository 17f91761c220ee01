//! What is recommended permits what was asked, and opens no more than it lists.

use std::sync::Arc;

use doorward_model::{Action, Device, Path, Resource, Subject};
use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;
use crate::bundle::{Bundle, BundleText};
use crate::membership::{Member, Membership};
use crate::question::Circumstances;
use crate::worlds::{is_asked, now, world, worlds};

const SUBJECTS: [&str; 4] = ["user/emil", "user/nora", "user/otto", "device/cam"];

/// A state, with the question as it is asked and the instant at which it is.
#[derive(Clone)]
struct Asked {
    snapshot: Snapshot,
    question: Question,
    at: Timestamp,
}

impl Asked {
    fn permits(&self) -> bool {
        self.snapshot.opinion(&self.question, self.at).permits()
    }

    /// Does what a step says, as a person would who reads it.
    fn follow(&mut self, step: &Step) {
        match step {
            Step::Wait { until, .. } => {
                self.at = *until;
                // Whoever comes back connects again.
                if let Some(proven) = &mut self.question.circumstances.proven {
                    *proven = *until;
                }
            }
            Step::Handshake { .. } => self.question.circumstances.proven = Some(self.at),
            Step::AskFrom { address, .. } => self.question.circumstances.source = Some(*address),
            Step::AddRule { rule } => self.add(rule),
            Step::Run { command } => self.run(command),
        }
    }

    fn add(&mut self, rule: &str) {
        let text = (**self.snapshot.bundle().text()).clone();
        let text = BundleText { policy: format!("{}\n{rule}\n", text.policy), ..text };
        let bundle = Arc::new(Bundle::parse(text).unwrap());
        self.snapshot = self.snapshot.clone().with_bundle(self.snapshot.revision(), bundle);
    }

    fn run(&mut self, command: &str) {
        let words: Vec<&str> = command.split(' ').collect();
        let (kind, verb, name) = (words[1], words[2], words[3]);
        assert_eq!(words[0], "doorward", "{command}");
        let option = |name: &str| {
            let at = words.iter().position(|word| *word == name)?;
            words.get(at + 1).copied()
        };
        if kind == "interface" {
            let (device, interface) = name.split_once('/').unwrap();
            let device: doorward_model::Name = device.parse().unwrap();
            let mut all = self.snapshot.interfaces(&device).to_vec();
            all.iter_mut().find(|one| one.name.as_str() == interface).unwrap().enabled = true;
            self.snapshot = self.snapshot.clone().with_interfaces(device, all);
            return;
        }
        let subject: Subject = format!("{kind}/{name}").parse().unwrap();
        let member = self.snapshot.member(&subject).cloned();
        let member = match verb {
            "add" => Member {
                id: doorward_model::SubjectId(99),
                enabled: true,
                roles: vec![],
                groups: vec![],
            },
            "enable" => Member { enabled: true, ..member.unwrap() },
            "set" => {
                let (mut member, until) = (member.unwrap(), option("--until"));
                let until = until.map(|until| until.parse().unwrap());
                if let Some(role) = option("--role") {
                    let of = doorward_model::Role::new(role.parse().unwrap());
                    member.roles.retain(|held| held.of != of);
                    member.roles.push(Membership { of, until });
                }
                if let Some(group) = option("--group") {
                    let of = doorward_model::Group::new(group.parse().unwrap());
                    member.groups.retain(|held| held.of != of);
                    member.groups.push(Membership { of, until });
                }
                member
            }
            other => panic!("{other}: {command}"),
        };
        self.snapshot = self.snapshot.clone().with_member(subject, Some(member));
    }
}

fn remedies(asked: &Asked, until: Option<Timestamp>) -> Vec<Remedy> {
    asked.snapshot.explain(&asked.question, until, asked.at).remedies
}

/// Returns whether one of the grants permits a question in a state.
fn lists(grants: &[Grant], snapshot: &Snapshot, question: &Question) -> bool {
    let Question { subject, action, resource: Resource { device, path }, .. } = question;
    let place = match device {
        Device::Gateway => "gateway".to_owned(),
        Device::Named(name) => format!("{name}/{}", path.raw().split('/').next().unwrap()),
    };
    let resolved = snapshot.resolve(question);
    let aliases: Vec<Path> = resolved.aliases(question);
    let context = question.context(now(), resolved.evidence());
    grants.iter().any(|one| {
        (&one.subject, one.action, &one.interface) == (subject, *action, &place)
            && one.permits(path, &aliases, &context)
    })
}

/// Switches off nothing, a subject, the device, or its interfaces.
fn switched_off(snapshot: Snapshot, off: usize, device: &str) -> Snapshot {
    let name = match off {
        0 => "user/emil".to_owned(),
        1 if device != "gateway" => format!("device/{device}"),
        2 if device != "gateway" => {
            let name: doorward_model::Name = device.parse().unwrap();
            let mut all = snapshot.interfaces(&name).to_vec();
            all.iter_mut().for_each(|one| one.enabled = false);
            return snapshot.with_interfaces(name, all);
        }
        _ => return snapshot,
    };
    let subject: Subject = name.parse().unwrap();
    let member = Member { enabled: false, ..snapshot.member(&subject).unwrap().clone() };
    snapshot.with_member(subject, Some(member))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(1_000), ..ProptestConfig::default() })]

    /// What is recommended permits what was asked, and opens no more than it lists.
    #[test]
    fn a_remedy_permits_what_was_asked_and_opens_what_it_lists(
        ((device, _), rules, asked) in worlds(),
        off in 0..12_usize,
        source in prop::option::of(Just("172.16.0.1")),
        proven in prop::option::of(0..3_i64),
        until in prop::option::of(Just("2027-01-04T15:00:00Z")),
    ) {
        let Some(snapshot) = world(&rules) else { return Ok(()) };
        let snapshot = switched_off(snapshot, off, device);
        let circumstances = Circumstances {
            source: source.map(|source| source.parse().unwrap()),
            proven: proven.map(|hours| now() - SignedDuration::from_hours(hours)),
        };
        let until = until.map(|until| until.parse().unwrap());
        let question = |subject: &str, (path, action): &(String, Action)| {
            let (subject, device) = (subject.parse().unwrap(), device.parse().unwrap());
            let question = snapshot.question(subject, *action, device, path, None).ok()?;
            Some(Question { circumstances: circumstances.clone(), ..question })
        };
        let samples: Vec<Question> = SUBJECTS
            .iter()
            .flat_map(|subject| asked.iter().filter_map(|one| question(subject, one)))
            .filter(|question| is_asked(&snapshot, question))
            .collect();
        for question in SUBJECTS.iter().filter_map(|subject| question(subject, &asked[0])) {
            let before = Asked { snapshot: snapshot.clone(), question: question.clone(), at: now() };
            for remedy in remedies(&before, until) {
                prop_assert!(!before.permits());
                let mut after = before.clone();
                remedy.steps.iter().for_each(|step| after.follow(step));
                prop_assert!(!remedy.enough || after.permits(), "{question:?}: {}", remedy.text());
                prop_assert!(remedy.complete);
                if remedy.opens.count > remedy.opens.first.len() {
                    // The list is cut, so it cannot be compared.
                    continue;
                }
                for other in &samples {
                    let opened = after.snapshot.opinion(other, now()).permits()
                        && !snapshot.opinion(other, now()).permits();
                    prop_assert!(
                        !opened || lists(&remedy.opens.first, &after.snapshot, other),
                        "{question:?}: {} opens {other:?}, and lists {:?}",
                        remedy.text(), remedy.opens
                    );
                    prop_assert!(
                        !opened || remedy.opens_more || (&other.subject, other.action)
                            == (&question.subject, question.action),
                        "{question:?}: {} opens {other:?}", remedy.text()
                    );
                }
            }
        }
    }
}

/// The texts of all remedies.
fn texts(
    rules: &[&str],
    (subject, action, resource): (&str, &str, &str),
    circumstances: Circumstances,
) -> Vec<String> {
    let rules: Vec<String> = rules.iter().map(|rule| format!("{rule}\n")).collect();
    let snapshot = world(&rules).unwrap();
    let (device, path) = resource.split_once('/').unwrap();
    let (subject, device) = (subject.parse().unwrap(), device.parse().unwrap());
    let question = snapshot.question(subject, action.parse().unwrap(), device, path, None).unwrap();
    let question = Question { circumstances, ..question };
    remedies(&Asked { snapshot, question, at: now() }, None).iter().map(Remedy::text).collect()
}

#[test]
fn the_narrowest_remedy_comes_first() {
    let write = ("user/otto", "write", "plc/modbus/1/holding/0-9");
    let exact = "add to policy.csv: p, user/otto, plc, modbus/1/holding/0-9, write, , allow";
    let nobody = Circumstances::default;
    // A membership that has ended, before a rule.
    let engineer = "p, role/chief, plc, modbus/1/holding/**, write, , allow";
    assert_eq!(
        texts(&[engineer], write, nobody()),
        [
            "role/chief ended at 2027-01-04T11:00:00Z: doorward user set otto --role chief \
             --until 2027-01-04T14:00:00Z (it opens 1 grant)",
            exact,
        ]
    );
    // What comes to hold again.
    let evenings = "p, user/otto, plc, modbus/**, write, time=Mon-Fri 18:00-20:00 UTC, allow";
    assert_eq!(
        texts(&[evenings], write, nobody()),
        ["wait until 2027-01-04T18:00:00Z: policy.csv:1 allows it then", exact]
    );
    // Another address, another handshake, and both with waiting.
    let office = "p, user/otto, plc, modbus/**, write, from=10.0.0.0/8|fd00::1, allow";
    assert_eq!(
        texts(&[office], write, nobody()),
        [
            "ask from 10.0.0.0/8 or fd00::1, such as 10.0.0.1: policy.csv:1 allows it only from there",
            exact
        ]
    );
    let fresh =
        "p, user/otto, plc, modbus/**, write, auth-age<=1h; after=2027-01-04T13:00:00Z, allow";
    let old = Circumstances { proven: Some(now() - SignedDuration::from_hours(2)), ..nobody() };
    assert_eq!(
        texts(&[fresh], write, old),
        ["wait until 2027-01-04T13:00:00Z: policy.csv:1 allows it then", exact]
    );
    // A role that grants little more stands last, and one that grants much, or rules, does not.
    let guest = "p, role/guest, plc, modbus/1/**, write, , allow";
    assert_eq!(
        texts(&[guest], write, nobody()),
        [exact, "doorward user set otto --role guest (it opens 1 grant)"]
    );
    let much = "p, role/guest, plc, **, *, , allow";
    assert_eq!(texts(&[guest, much], write, nobody()), [exact]);
    let rules = "p, role/guest, gateway, policies/**, update, , allow";
    assert_eq!(texts(&[guest, rules], write, nobody()), [exact]);
}

#[test]
fn no_rule_is_recommended_against_a_rule_that_denies() {
    let write = ("user/emil", "write", "plc/modbus/1/holding/0-9");
    let rules = [
        "p, role/chief, plc, modbus/**, write, , allow",
        "p, role/users, plc, modbus/1/holding/5, write, , deny",
    ];
    assert_eq!(texts(&rules, write, Circumstances::default()), [""; 0]);
    // It ends by itself.
    let ending = "p, role/users, plc, modbus/1/holding/5, write, until=2027-01-05T00:00:00Z, deny";
    assert_eq!(
        texts(&[rules[0], ending], write, Circumstances::default()),
        ["wait until 2027-01-05T00:00:00Z: policy.csv:1 allows it then"]
    );
}
