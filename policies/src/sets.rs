//! Benchmarks of questions about sets, with many deny rules.

use std::fmt::Write as _;
use std::sync::Arc;

use doorward_model::{Action, Device, Domain, InterfaceId, Revision, SubjectId};
use jiff::Timestamp;

use crate::bundle::{Bundle, BundleText};
use crate::decision::Opinion;
use crate::membership::Member;
use crate::question::Question;
use crate::snapshot::{Interface, Snapshot};

/// How the deny rules of a made-up bundle relate to the questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetShape {
    /// The rules are in another branch than the questions.
    Beside,
    /// Each rule is one level below the question's wildcard.
    Behind,
    /// Each rule is two levels below it.
    Deeper,
    /// The rules are within the questions.
    Within,
    /// The rules are within the questions, and apply at another time.
    Later,
    /// The rules are within the questions, each with a time of its own.
    Times,
    /// The rules are for other subjects.
    Others,
    /// The rules are for Modbus units, and the questions are about all units.
    Units,
    /// Each part of a question is met by half of the rules, and the whole by none.
    Crossed,
}

impl SetShape {
    /// All shapes.
    pub const ALL: [Self; 9] = [
        Self::Beside,
        Self::Behind,
        Self::Deeper,
        Self::Within,
        Self::Later,
        Self::Times,
        Self::Others,
        Self::Units,
        Self::Crossed,
    ];

    /// Returns the shape's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Beside => "beside",
            Self::Behind => "behind",
            Self::Deeper => "deeper",
            Self::Within => "within",
            Self::Later => "later",
            Self::Times => "times",
            Self::Others => "others",
            Self::Units => "units",
            Self::Crossed => "crossed",
        }
    }

    /// Returns the path, conditions and subject of a rule.
    fn rule(self, number: usize) -> (String, String, &'static str) {
        let (all, always) = ("role/users", String::new);
        match self {
            Self::Beside => (format!("bus/secret/{number}/**"), always(), all),
            Self::Behind => (format!("bus/room-{number}/lock"), always(), all),
            Self::Deeper => (format!("bus/room-{number}/state/lock"), always(), all),
            Self::Within => (format!("bus/room-{number}/lock"), always(), all),
            Self::Later => {
                (format!("bus/room-{number}/lock"), "until=2020-01-01T00:00:00Z".to_owned(), all)
            }
            Self::Times => {
                let (hour, minute) = (number / 3600 % 24, number / 60 % 60);
                let until = format!(
                    "until=2020-01-{:02}T{hour:02}:{minute:02}:{:02}Z",
                    number / 86400 + 1,
                    number % 60
                );
                (format!("bus/room-{number}/lock"), until, all)
            }
            Self::Others => (format!("bus/room-{number}/lock"), always(), "role/others"),
            Self::Units => {
                let (unit, first) = (number % 247 + 1, number / 247 % 600 * 100);
                (format!("plc/{unit}/holding/{first}-{}", first + 49), always(), all)
            }
            Self::Crossed if number.is_multiple_of(2) => {
                (format!("bus/room-{number}/x/p"), always(), all)
            }
            Self::Crossed => (format!("bus/room-{number}/y/q"), always(), all),
        }
    }

    /// Returns the paths of the questions, and their action.
    fn asked(self) -> (&'static [&'static str], Action) {
        let filters: &[&str] = match self {
            Self::Beside => &["bus/room/+/state", "bus/room/#", "bus/+/open/x", "bus/room/+"],
            Self::Behind => &["bus/+/state", "bus/+", "bus/+/state/#", "bus/+/+/lock"],
            Self::Deeper => &["bus/+/state/now", "bus/+/state", "bus/+/+/now", "bus/room-5/+/now"],
            Self::Within | Self::Later | Self::Times => &["bus/#", "bus/+/lock", "bus/+/#"],
            Self::Others => &["bus/#", "bus/+/lock", "bus/+/state", "bus/room-1/+"],
            Self::Units => return (&["plc/0/holding/50-99", "plc/0/coil/7"], Action::Write),
            Self::Crossed => &["bus/+/x/q", "bus/room-4/+/q"],
        };
        (filters, Action::Subscribe)
    }
}

/// Questions about sets, and a state with many deny rules.
#[derive(Debug)]
pub struct SetBench {
    snapshot: Snapshot,
    questions: Vec<Question>,
    now: Timestamp,
}

impl SetBench {
    /// Returns a benchmark with that many deny rules; `None` if they make no bundle.
    #[must_use]
    pub fn new(shape: SetShape, denies: usize, now: Timestamp) -> Option<Self> {
        let mut policy = String::new();
        for number in 0..denies {
            let (path, when, who) = shape.rule(number);
            // Writing to a String cannot fail.
            writeln!(policy, "p, {who}, hub, {path}, *, {when}, deny").unwrap_or_default();
        }
        policy.push_str("p, role/users, hub, bus/**, *, , allow\n");
        policy.push_str("p, role/users, hub, plc/0/**, *, , allow\n");
        let none = String::new;
        let text = BundleText {
            policy,
            roles: none(),
            groups: none(),
            tests: none(),
            ..BundleText::default()
        };
        let bundle = Arc::new(Bundle::parse(text).ok()?);
        let domain: Domain = "bench.home.arpa".parse().ok()?;
        let member =
            |id| Member { id: SubjectId(id), enabled: true, roles: vec![], groups: vec![] };
        let interface = |(id, name, url): (i64, &str, &str)| {
            let (name, target) = (name.parse().ok()?, url.parse().ok()?);
            Some(Interface { id: InterfaceId(id), name, target, network: None, enabled: true })
        };
        let interfaces = [(1, "bus", "mqtt://127.0.0.1:1"), (2, "plc", "modbus://127.0.0.1:1")];
        let interfaces = interfaces.into_iter().map(interface).collect::<Option<Vec<_>>>()?;
        let snapshot = Snapshot::new(domain, Revision(1), bundle)
            .with_member("user/bench".parse().ok()?, Some(member(1)))
            .with_member("device/hub".parse().ok()?, Some(member(2)))
            .with_interfaces("hub".parse().ok()?, interfaces);
        let (paths, action) = shape.asked();
        let question = |path: &&str| {
            let hub = Device::Named("hub".parse().ok()?);
            snapshot.question("user/bench".parse().ok()?, action, hub, path, None).ok()
        };
        let questions = paths.iter().filter_map(question).collect();
        Some(Self { snapshot, questions, now })
    }

    /// Returns how many questions there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.questions.len()
    }

    /// Returns whether there are no questions, which is never so.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.questions.is_empty()
    }

    /// Returns a question in words.
    #[must_use]
    pub fn shown(&self, number: usize) -> String {
        self.questions.get(number).map(|one| one.resource.path.raw()).unwrap_or_default()
    }

    /// Decides a question by the compiled form alone.
    #[must_use]
    pub fn ask(&self, number: usize) -> Option<Opinion> {
        self.questions.get(number).map(|question| self.snapshot.outlook(question, self.now))
    }

    /// Decides a question by both judges, as for an admission.
    #[must_use]
    pub fn admit(&self, number: usize) -> Option<Opinion> {
        self.questions.get(number).map(|question| self.snapshot.opinion(question, self.now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::Refusal;
    use crate::supposed::Supposed;

    fn now() -> Timestamp {
        "2027-01-01T12:00:00Z".parse().unwrap()
    }

    fn says(bench: &SetBench, number: usize) -> Option<Refusal> {
        let opinion = bench.ask(number).unwrap();
        assert_eq!(opinion.refusal, bench.admit(number).unwrap().refusal, "{bench:?}");
        opinion.refusal
    }

    /// Checks that both judges give these answers to the questions of a shape.
    fn all_say(shape: SetShape, denies: usize, expected: &[Option<Refusal>]) {
        let bench = SetBench::new(shape, denies, now()).unwrap();
        assert_eq!(bench.len(), expected.len());
        for (number, expected) in expected.iter().enumerate() {
            let said = says(&bench, number);
            assert_eq!(said, *expected, "{} {denies} {}", shape.as_str(), bench.shown(number));
        }
    }

    const YES: Option<Refusal> = None;
    const NO: Option<Refusal> = Some(Refusal::DeniedByRule);
    const BROAD: Option<Refusal> = Some(Refusal::TooBroad);

    #[test]
    fn sets_are_decided_beside_any_number_of_rules_that_deny() {
        for denies in [10, 300, 30_000] {
            for shape in [SetShape::Beside, SetShape::Behind, SetShape::Deeper, SetShape::Others] {
                all_say(shape, denies, &[YES; 4]);
            }
            all_say(SetShape::Within, denies, &[NO; 3]);
            all_say(SetShape::Later, denies, &[YES; 3]);
        }
        all_say(SetShape::Units, 150, &[YES; 2]);
    }

    #[test]
    fn what_no_index_helps_with_is_refused_as_too_broad_and_narrower_questions_are_not() {
        all_say(SetShape::Crossed, 300, &[YES, YES]);
        all_say(SetShape::Crossed, 30_000, &[BROAD, YES]);
        all_say(SetShape::Units, 30_000, &[BROAD, YES]);
        // Casbin is not asked about so many conditions.
        all_say(SetShape::Times, 30, &[YES; 3]);
        all_say(SetShape::Times, 300, &[BROAD; 3]);
        let bench = SetBench::new(SetShape::Times, 300, now()).unwrap();
        let of = |path: &str| {
            let (alice, hub) = ("user/bench".parse().unwrap(), "hub".parse().unwrap());
            bench.snapshot.question(alice, Action::Subscribe, hub, path, None).unwrap()
        };
        assert!(bench.snapshot.opinion(&of("bus/room-7/#"), now()).permits());
        let explained = bench.snapshot.explain(&of("bus/#"), None, now());
        assert!(explained.why.contains("too many rules"), "{}", explained.why);
        let change = explained.change.unwrap();
        assert!(change.contains("narrower") && change.contains("fewer deny rules"), "{change}");
    }

    #[test]
    fn what_is_too_broad_is_no_difference_between_the_judges() {
        let bench = SetBench::new(SetShape::Crossed, 30_000, now()).unwrap();
        let asked =
            |number: usize| Supposed::of(bench.questions[number].clone(), &bench.snapshot, now());
        let bundle = bench.snapshot.bundle();
        assert_eq!(bundle.referee(&asked(0), None), None, "the compiled form says nothing of it");
        assert_eq!(bundle.referee(&asked(1), None), Some(Ok(())));
    }
}
