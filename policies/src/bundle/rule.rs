use std::fmt;

use doorward_model::{Action, Device, Group, Role, Subject};

use super::error::{BundleError, BundleErrors, Reason};
use super::table::{Field, Line, lines};
use crate::pattern::Pattern;
use crate::when::When;

/// Whom a rule speaks of.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Who {
    /// Every member of the role.
    Role(Role),
    /// That one subject.
    Subject(Subject),
}

/// What a rule speaks of.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum On {
    /// Every device of the group.
    Group(Group),
    /// That one device, or the gateway itself.
    Device(Device),
}

/// The actions of a rule.
#[derive(Clone, PartialEq, Eq)]
pub enum Acts {
    /// `*`
    All,
    /// One or several, joined by `|`.
    These(Box<[Action]>),
}

impl Acts {
    /// Whether the rule speaks of `action`.
    #[must_use]
    pub fn include(&self, action: Action) -> bool {
        match self {
            Self::All => true,
            Self::These(actions) => actions.contains(&action),
        }
    }
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// It lets through what it covers.
    Allow,
    /// It refuses what it overlaps, whatever else allows it.
    Deny,
}

/// One line of `policy.csv`.
#[derive(Clone)]
pub struct Rule {
    line: usize,
    who: Who,
    on: On,
    path: Pattern,
    acts: Acts,
    when: When,
    effect: Effect,
}

impl Rule {
    /// The line of `policy.csv` that it stands on, from 1; how records name it.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// Whom it speaks of.
    #[must_use]
    pub fn who(&self) -> &Who {
        &self.who
    }

    /// Which device or group it speaks of.
    #[must_use]
    pub fn on(&self) -> &On {
        &self.on
    }

    /// Which paths it speaks of.
    #[must_use]
    pub fn path(&self) -> &Pattern {
        &self.path
    }

    /// Which actions it speaks of.
    #[must_use]
    pub fn acts(&self) -> &Acts {
        &self.acts
    }

    /// Under which conditions.
    #[must_use]
    pub fn when(&self) -> &When {
        &self.when
    }

    /// Whether it allows or denies.
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.effect
    }
}

const FORM: &str = "p, who, device or group, path, actions, when, allow|deny";

pub(super) fn read(text: &str, errors: &mut BundleErrors) -> Vec<Rule> {
    let mut rules = Vec::new();
    for line in lines("policy.csv", text, errors) {
        match rule(&line) {
            Ok(rule) => rules.push(rule),
            Err((column, reason)) => {
                errors.push(BundleError::new("policy.csv", line.number, column, reason));
            }
        }
    }
    rules
}

fn rule(line: &Line<'_>) -> Result<Rule, (usize, Reason)> {
    if let Some(first) = line.fields.first().filter(|first| first.text != "p") {
        let found = first.text.to_owned();
        return Err((first.column, Reason::Marker { kind: "a rule", expected: "p", found }));
    }
    let &[marker, who, on, path, acts, when, effect] = line.fields.as_slice() else {
        let column = line.fields.first().map_or(1, |first| first.column);
        let found = line.fields.len();
        return Err((column, Reason::Columns { kind: "a rule", expected: 7, found, form: FORM }));
    };
    debug_assert_eq!(marker.text, "p");
    Ok(Rule {
        line: line.number,
        who: column(who, read_who)?,
        on: column(on, read_on)?,
        path: column(path, |text| Ok(text.parse()?))?,
        acts: column(acts, read_acts)?,
        when: when.text.parse().map_err(|error: crate::WhenError| (when.column, error.into()))?,
        effect: column(effect, read_effect)?,
    })
}

fn column<T>(
    field: Field<'_>,
    read: impl FnOnce(&str) -> Result<T, Reason>,
) -> Result<T, (usize, Reason)> {
    if field.text.is_empty() {
        return Err((field.column, Reason::Empty));
    }
    read(field.text).map_err(|reason| (field.column, reason))
}

fn read_who(text: &str) -> Result<Who, Reason> {
    if text == "*" || text == "**" {
        return Err(Reason::Everybody);
    }
    if text.starts_with("role/") {
        return Ok(Who::Role(text.parse()?));
    }
    text.parse().map(Who::Subject).map_err(|error| match error {
        doorward_model::SubjectError::Kind { text, .. } => {
            let expected = "role/, user/, device/ or gateway/";
            Reason::Name(doorward_model::SubjectError::Kind { text, expected })
        }
        other => Reason::Name(other),
    })
}

fn read_on(text: &str) -> Result<On, Reason> {
    if text == "*" || text == "**" {
        return Err(Reason::EveryDevice);
    }
    if text.starts_with("group/") {
        return Ok(On::Group(text.parse()?));
    }
    match text.strip_prefix("device/") {
        Some(bare) => Err(Reason::DevicePrefix(bare.to_owned())),
        None => Ok(On::Device(text.parse()?)),
    }
}

fn read_acts(text: &str) -> Result<Acts, Reason> {
    if text == "*" {
        return Ok(Acts::All);
    }
    let actions = text.split('|').map(|one| one.trim().parse()).collect::<Result<_, _>>()?;
    Ok(Acts::These(actions))
}

fn read_effect(text: &str) -> Result<Effect, Reason> {
    match text {
        "allow" => Ok(Effect::Allow),
        "deny" => Ok(Effect::Deny),
        other => Err(Reason::Effect(other.to_owned())),
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role(role) => role.fmt(f),
            Self::Subject(subject) => subject.fmt(f),
        }
    }
}

impl fmt::Debug for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for On {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(group) => group.fmt(f),
            Self::Device(device) => device.fmt(f),
        }
    }
}

impl fmt::Debug for On {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Acts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::These(actions) => {
                for (index, action) in actions.iter().enumerate() {
                    if index > 0 {
                        f.write_str("|")?;
                    }
                    action.fmt(f)?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Debug for Acts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Effect {
    /// The word in the last column.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Rule {
    /// The rule as a line of `policy.csv`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { who, on, path, acts, when, effect, .. } = self;
        write!(f, "p, {who}, {on}, {path}, {acts}, {when}, {effect}")
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
