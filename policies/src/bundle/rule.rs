//! One rule of `policy.csv`.

use std::fmt;
use std::sync::Arc;

use doorward_model::{Action, Device, Group, Role, Subject};

use super::error::{BundleErrors, Reason};
use super::table::{Field, Line, line_of};
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

impl Who {
    /// The role, if it is one.
    #[must_use]
    pub fn role(&self) -> Option<&Role> {
        match self {
            Self::Role(role) => Some(role),
            Self::Subject(_) => None,
        }
    }
}

/// What a rule speaks of.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum On {
    /// Every device of the group.
    Group(Group),
    /// That one device, or the gateway itself.
    Device(Device),
}

impl On {
    /// The group, if it is one.
    #[must_use]
    pub fn group(&self) -> Option<&Group> {
        match self {
            Self::Group(group) => Some(group),
            Self::Device(_) => None,
        }
    }
}

/// The actions of a rule: one, several joined by `|`, or all (`*`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Acts(u32);

impl Acts {
    /// `*`
    pub const ALL: Self = Self(u32::MAX);

    /// None: what no rule has.
    pub(crate) const NONE: Self = Self(0);

    /// These and those.
    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the rule speaks of `action`.
    #[must_use]
    pub fn include(self, action: Action) -> bool {
        self.0 & (1 << action as u32) != 0
    }

    /// Whether these are all that `other` are, or more.
    #[must_use]
    pub fn include_all(self, other: Self) -> bool {
        self.0 & other.0 == other.0
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
    when: Arc<When>,
    effect: Effect,
}

impl Rule {
    /// A rule whose first two columns are known to read; `None` if they do not.
    pub(crate) fn of(
        line: usize,
        who: &str,
        on: &str,
        path: Pattern,
        acts: Acts,
        when: Arc<When>,
        effect: Effect,
    ) -> Option<Self> {
        let (who, on) = (read_who(who).ok()?, read_on(on).ok()?);
        Some(Self { line, who, on, path, acts, when, effect })
    }

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
    pub fn acts(&self) -> Acts {
        self.acts
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

impl Rule {
    /// The rule on a line of `policy.csv`, by itself; `None` if there is none that reads.
    pub(crate) fn read(number: usize, line: &str) -> Option<Self> {
        let line = line_of("policy.csv", number, line, &mut BundleErrors::default())?;
        let Columns { who, on, path, acts, when, effect } =
            read_rule(&line, |_| None, |_| None).ok()?;
        let (path, when) = (path.text.parse().ok()?, when.text.parse().ok()?);
        Self::of(number, who.err()?, on.err()?, path, acts, Arc::new(when), effect)
    }
}

/// The columns of a rule: names that are known by their number, and what is read elsewhere as
/// text.
pub(crate) struct Columns<'a> {
    pub(crate) who: Result<u32, &'a str>,
    pub(crate) on: Result<u32, &'a str>,
    pub(crate) path: Field<'a>,
    pub(crate) acts: Acts,
    pub(crate) when: Field<'a>,
    pub(crate) effect: Effect,
}

/// Reads the columns of a line. Names that `who` and `on` know have been read before.
pub(crate) fn read_rule<'a>(
    line: &Line<'a>,
    known_who: impl Fn(&str) -> Option<u32>,
    known_on: impl Fn(&str) -> Option<u32>,
) -> Result<Columns<'a>, (usize, Reason)> {
    if let Some(first) = line.fields().first().filter(|first| first.text != "p") {
        let found = first.text.to_owned();
        return Err((first.column, Reason::Marker { kind: "a rule", expected: "p", found }));
    }
    let Some([_, who, on, path, acts, when, effect]) = line.exactly() else {
        let column = line.fields().first().map_or(1, |first| first.column);
        let found = line.count();
        return Err((column, Reason::Columns { kind: "a rule", expected: 7, found, form: FORM }));
    };
    let name = |known: Option<u32>, field: Field<'a>, read: &dyn Fn(&str) -> Result<(), Reason>| {
        match known {
            Some(number) => Ok(Ok(number)),
            None => column(field, read).map(|()| Err(field.text)),
        }
    };
    Ok(Columns {
        who: name(known_who(who.text), who, &|text| read_who(text).map(|_| ()))?,
        on: name(known_on(on.text), on, &|text| read_on(text).map(|_| ()))?,
        path: column(path, |_| Ok(())).map(|()| path)?,
        acts: column(acts, read_acts)?,
        when,
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
        return Ok(Acts::ALL);
    }
    let mut these = 0;
    for one in text.split('|') {
        let action: Action = one.trim().parse()?;
        these |= 1 << action as u32;
    }
    Ok(Acts(these))
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
        if *self == Self::ALL {
            return f.write_str("*");
        }
        let mut between = "";
        for action in Action::ALL.iter().filter(|action| self.include(**action)) {
            write!(f, "{between}{action}")?;
            between = "|";
        }
        Ok(())
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
