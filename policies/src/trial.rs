//! The tests of a bundle, tried on a state.

use std::collections::BTreeSet;

use doorward_model::{Kind, Subject};
use jiff::Timestamp;
use serde::Serialize;

use crate::answer::{Judges, built_in_group, built_in_role};
use crate::bundle::{Asker, Expectation, Who};
use crate::decision::Opinion;
use crate::snapshot::Snapshot;

/// A test whose answer is another than it must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failing {
    /// Where it stands in `tests.toml`.
    pub line: usize,
    /// The question, in words.
    pub question: String,
    /// What it must be, and what it is.
    pub why: String,
    /// The lines of `policy.csv` that decided.
    pub rules: Vec<usize>,
}

impl Snapshot {
    /// Those tests of `expectations` whose answer under this state is another than it must be.
    /// Who is where is the state's; who or what the state does not know is in no role or group
    /// but the built-in ones and those that the test gives.
    #[must_use]
    pub fn failing(&self, expectations: &[Expectation], now: Timestamp) -> Vec<Failing> {
        expectations.iter().filter_map(|one| self.try_out(one, now)).collect()
    }

    fn try_out(&self, test: &Expectation, now: Timestamp) -> Option<Failing> {
        let resource = format!("{}/{}", test.device, test.path);
        let question = format!("{} {} {resource}", test.asker, test.action);
        let fail = |why: String, rules| Failing { line: test.line, question, why, rules };
        let opinion = match self.suppose(test, now) {
            Ok(opinion) => opinion,
            Err(why) => return Some(fail(why, vec![])),
        };
        let said = match opinion.refusal {
            None => "permit".to_owned(),
            Some(refusal) => format!("deny ({refusal})"),
        };
        if opinion.permits() != test.permit {
            let expected = if test.permit { "permit" } else { "deny" };
            return Some(fail(format!("expected {expected}, got {said}"), opinion.rules));
        }
        match test.rule {
            Some(line) if !opinion.rules.contains(&line) => {
                Some(fail(format!("{said}, but not by policy.csv:{line}"), opinion.rules))
            }
            _ => None,
        }
    }

    /// What the rules say of a test's question.
    fn suppose(&self, test: &Expectation, now: Timestamp) -> Result<Opinion, String> {
        let now = test.at.unwrap_or(now);
        let (subject, mut roles) = match &test.asker {
            Asker::Subject(subject) => {
                let mut roles = self.roles(subject, now);
                roles.0.extend(built_in_role(subject.kind()));
                (subject.clone(), roles)
            }
            Asker::Role(role) => {
                let nobody = self.nobody().ok_or("there is no name left")?;
                (nobody, (vec![role.clone()], None))
            }
        };
        roles.0.extend(test.roles.iter().cloned());
        let mut groups = self.groups(&test.device, now);
        groups.0.extend(built_in_group(&test.device));
        groups.0.extend(test.groups.iter().cloned());
        let device = test.device.clone();
        let question = self.question(subject, test.action, device, &test.path, test.from);
        let mut question = question.map_err(|error| error.to_string())?;
        question.proven = test.attributes.proven(now);
        let (roles, groups) = ((distinct(roles.0), roles.1), (distinct(groups.0), groups.1));
        Ok(self.judge_among(Judges::Both, &question, None, roles, groups, now))
    }

    /// A subject of whom no rule speaks by name.
    fn nobody(&self) -> Option<Subject> {
        let rules = self.bundle().rules();
        let named = |subject: &Subject| {
            rules.iter().any(|rule| matches!(rule.who(), Who::Subject(who) if who == subject))
        };
        let names = (0_usize..).filter_map(|number| format!("nobody-{number}").parse().ok());
        let mut subjects = names.map(|name| Subject::new(Kind::User, name));
        subjects.find(|subject| !named(subject))
    }
}

fn distinct<T: Ord>(all: Vec<T>) -> Vec<T> {
    all.into_iter().collect::<BTreeSet<T>>().into_iter().collect()
}
