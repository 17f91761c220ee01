//! Reads the tests of a bundle.

use std::collections::BTreeMap;
use std::net::IpAddr;

use doorward_model::{
    Action, Device, Group, Protocol, Resource, Role, Subject, SubjectError, UnknownAction,
};
use jiff::Timestamp;
use serde::Deserialize;
use toml::Spanned;

use crate::attributes::Attributes;
use crate::rule::{BundleError, BundleErrors, Reason, TestError};

const FILE: &str = "tests.toml";

/// A question with the answer that a bundle must give: one `[[test]]` of `tests.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The line in `tests.toml`.
    pub line: usize,
    /// Who asks.
    pub asker: Asker,
    /// Roles that the asker has in addition to those of the state.
    pub roles: Vec<Role>,
    /// The action.
    pub action: Action,
    /// The device.
    pub device: Device,
    /// The path on the device.
    pub path: String,
    /// The protocol of the interface, for a state that does not have the interface.
    pub protocol: Option<Protocol>,
    /// Groups that the device is in, in addition to those of the state.
    pub groups: Vec<Group>,
    /// The instant of the question; `None` is the instant of the test run.
    pub at: Option<Timestamp>,
    /// The address that the asker comes from.
    pub from: Option<IpAddr>,
    /// Other values that the test supposes.
    pub attributes: Attributes,
    /// Whether the question must be permitted.
    pub permit: bool,
    /// A line of `policy.csv` that must be among the deciding ones.
    pub rule: Option<usize>,
}

/// Who asks in a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asker {
    /// A person or a device.
    Subject(Subject),
    /// A subject that has this role alone.
    Role(Role),
}

impl std::fmt::Display for Asker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Subject(subject) => subject.fmt(f),
            Self::Role(role) => role.fmt(f),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    test: Vec<Spanned<Raw>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    subject: String,
    #[serde(default)]
    roles: Vec<String>,
    action: String,
    resource: String,
    protocol: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    expect: String,
    at: Option<String>,
    from: Option<String>,
    rule: Option<i64>,
    #[serde(default)]
    attrs: BTreeMap<String, String>,
}

/// Reads `tests.toml`. An error names the line of its `[[test]]`.
pub(super) fn read(text: &str) -> Result<Vec<Expectation>, BundleErrors> {
    let mut errors = BundleErrors::default();
    // Lines are counted on from the test before, since there may be very many.
    let (mut line, mut counted) = (1, 0);
    let mut line_of = |at: usize| {
        let between = text.as_bytes().get(counted..at).unwrap_or_default();
        line += between.iter().filter(|byte| **byte == b'\n').count();
        counted = counted.max(at);
        line
    };
    let file: File = match toml::from_str(text) {
        Ok(file) => file,
        Err(error) => {
            let line = error.span().map_or(1, |span| line_of(span.start));
            let reason = TestError::Toml(error.message().to_owned());
            errors.push(BundleError::new(FILE, line, 1, Reason::Test(reason)));
            return Err(errors);
        }
    };
    let mut found = Vec::with_capacity(file.test.len());
    for raw in file.test {
        let line = line_of(raw.span().start);
        match raw.into_inner().expectation(line) {
            Ok(expectation) => found.push(expectation),
            Err(reason) => errors.push(BundleError::new(FILE, line, 1, reason)),
        }
    }
    if errors.is_empty() { Ok(found) } else { Err(errors) }
}

impl Raw {
    fn expectation(self, line: usize) -> Result<Expectation, Reason> {
        let names = |names: Vec<String>| names.into_iter();
        let asker = match self.subject.strip_prefix("role/") {
            Some(_) => Asker::Role(self.subject.parse()?),
            None => Asker::Subject(self.subject.parse()?),
        };
        let (device, path) = Resource::split(&self.resource)
            .map_err(|error| TestError::Resource(error.to_string()))?;
        let roles: Result<Vec<Role>, SubjectError> =
            names(self.roles).map(|role| role.parse()).collect();
        let groups: Result<Vec<Group>, SubjectError> =
            names(self.groups).map(|group| group.parse()).collect();
        let action: Result<Action, UnknownAction> = self.action.parse();
        let action = action?;
        let protocol = self.protocol.map(|name| protocol(&name, &device, action)).transpose()?;
        let rule = self.rule.map(usize::try_from).transpose().map_err(|_| TestError::Rule)?;
        Ok(Expectation {
            line,
            asker,
            roles: roles?,
            action,
            path: path.to_owned(),
            device,
            protocol,
            groups: groups?,
            at: self.at.map(|at| at.parse()).transpose().map_err(|_| TestError::At)?,
            from: self.from.map(|from| from.parse()).transpose().map_err(|_| TestError::From)?,
            attributes: Attributes::try_from(self.attrs).map_err(TestError::from)?,
            permit: match self.expect.as_str() {
                "permit" => true,
                "deny" => false,
                _ => return Err(TestError::Expect.into()),
            },
            rule,
        })
    }
}

/// Reads the protocol of a test. The device must be able to speak it, and it must have the action.
fn protocol(name: &str, device: &Device, action: Action) -> Result<Protocol, TestError> {
    let protocol: Protocol = name.parse().map_err(TestError::Protocol)?;
    if (protocol == Protocol::Administration) != (*device == Device::Gateway) {
        return Err(TestError::Administration);
    }
    if !protocol.actions().contains(&action) {
        return Err(TestError::Foreign { action, protocol });
    }
    Ok(protocol)
}
