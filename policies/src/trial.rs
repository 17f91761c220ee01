//! The tests of a bundle, tried on a state.

use doorward_model::{Protocol, Resource, escape};
use jiff::Timestamp;
use serde::Serialize;

use crate::answer::Judges;
use crate::bundle::{Asker, Expectation};
use crate::question::Question;
use crate::snapshot::{Snapshot, read_path};
use crate::supposed::{Supposed, nobody};

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

    /// The question of a test, and what it supposes besides the state.
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
        let (action, source, now) = (test.action, test.from, test.at.unwrap_or(now));
        let proven = test.attributes.proven(now);
        let question = Question { subject, resource, action, source, proven };
        let mut supposed = Supposed::of(question, self, now);
        supposed.roles.extend(test.roles.iter().chain(&roles).cloned());
        supposed.groups.extend(test.groups.iter().cloned());
        match roles {
            // Whoever has just that role.
            Some(_) => {
                let built_in = supposed.clone().with_built_in();
                supposed.groups = built_in.groups;
                Ok(supposed)
            }
            None => Ok(supposed.with_built_in()),
        }
    }

    /// What is spoken at a test's interface: what the state says, which the test must not
    /// contradict, or else what the test says.
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
