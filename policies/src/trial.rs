//! Runs the tests of a bundle on a state.

use doorward_model::{Inspected, Protocol, Resource, escape};
use jiff::Timestamp;
use serde::Serialize;

use crate::answer::Judges;
use crate::bundle::{Asker, Expectation};
use crate::question::{Circumstances, Question};
use crate::snapshot::{Snapshot, read_path};
use crate::supposed::{Supposed, nobody};

/// A test that fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failing {
    /// The test's line in `tests.toml`.
    pub line: usize,
    /// The question, in words.
    pub question: String,
    /// The expected answer, and the actual one.
    pub why: String,
    /// The lines of `policy.csv` that decided.
    pub rules: Vec<usize>,
}

impl Snapshot {
    /// Returns the tests of `expectations` that fail under this state. Memberships are those of the
    /// state. A subject or device that the state does not have is only in the built-in roles and
    /// groups, and in those of the test.
    #[must_use]
    pub fn failing(&self, expectations: &[Expectation], now: Timestamp) -> Vec<Failing> {
        expectations.iter().filter_map(|one| self.try_out(one, now)).collect()
    }

    fn try_out(&self, test: &Expectation, now: Timestamp) -> Option<Failing> {
        let resource = format!("{}/{}", test.device, test.path);
        let question = format!("{} {} {resource}", test.asker, test.action);
        let fail = |why: String, rules| Failing { line: test.line, question, why, rules };
        let supposed = match self.suppose(test, now) {
            Ok(supposed) => supposed,
            Err(why) => return Some(fail(why, vec![])),
        };
        let opinion = supposed.opinion(Judges::Both, self);
        let rules = opinion.rules.to_vec();
        let said = match opinion.refusal {
            None => "permit".to_owned(),
            Some(refusal) => format!("deny ({refusal})"),
        };
        if opinion.permits() != test.permit {
            let expected = if test.permit { "permit" } else { "deny" };
            return Some(fail(format!("expected {expected}, got {said}"), rules));
        }
        match test.rule {
            Some(line) if !supposed.deciding(self.bundle()).contains(&line) => {
                Some(fail(format!("{said}, but not by policy.csv:{line}"), rules))
            }
            _ => None,
        }
    }

    /// Returns the question of a test, with the roles and groups that it adds to the state.
    pub(crate) fn suppose(&self, test: &Expectation, now: Timestamp) -> Result<Supposed, String> {
        let (subject, roles) = match &test.asker {
            Asker::Subject(subject) => (subject.clone(), None),
            Asker::Role(role) => {
                let nobody = nobody(self.bundle()).ok_or("there is no name left")?;
                (nobody, Some(role.clone()))
            }
        };
        let protocol = self.spoken(test)?;
        let path = read_path(protocol, test.action, &test.path).map_err(|why| why.to_string())?;
        let resource = Resource { device: test.device.clone(), path };
        let (action, now) = (test.action, test.at.unwrap_or(now));
        let proven = test.attributes.proven(now);
        let circumstances = Circumstances { source: test.from, proven };
        let question = Question { subject, resource, action, circumstances };
        let mut supposed = Supposed::of(question, self, now);
        if self.protocol(&test.device, &test.path).is_none() {
            // There is no such interface yet, so it has no options.
            let inspected = protocol.and_then(Inspected::by_default);
            let path = &supposed.question.resource.path;
            supposed.aliases = inspected.map_or_else(Vec::new, |inspected| inspected.aliases(path));
        }
        supposed.roles.extend(test.roles.iter().chain(&roles).cloned());
        supposed.groups.extend(test.groups.iter().cloned());
        match roles {
            // The asker has that role alone.
            Some(_) => {
                let built_in = supposed.clone().with_built_in();
                supposed.groups = built_in.groups;
                Ok(supposed)
            }
            None => Ok(supposed.with_built_in()),
        }
    }

    /// Returns the protocol of a test's interface: the one in the state, which the test must not
    /// contradict, or else the one in the test.
    fn spoken(&self, test: &Expectation) -> Result<Option<Protocol>, String> {
        match (self.protocol(&test.device, &test.path), test.protocol) {
            (Some(known), Some(told)) if known != told => {
                let interface = test.path.split('/').next().unwrap_or_default();
                let interface = escape(interface);
                Err(format!("{}/{interface} speaks {known}, not {told}", test.device))
            }
            (known, told) => Ok(known.or(told)),
        }
    }
}
