//! The errors of a bundle: where and why it is wrong.

use std::fmt;

use doorward_model::{SubjectError, UnknownAction, did_you_mean, escape};
use thiserror::Error;

use super::test_error::TestError;
use crate::pattern::PatternError;
use crate::when::WhenError;

/// One error of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{file}:{line}:{column}: {reason}")]
pub struct BundleError {
    /// The name of the file within the bundle.
    pub file: &'static str,
    /// The line, from 1.
    pub line: usize,
    /// The column, in bytes from 1.
    pub column: usize,
    /// The reason.
    pub reason: Reason,
}

impl BundleError {
    pub(crate) fn new(file: &'static str, line: usize, column: usize, reason: Reason) -> Self {
        Self { file, line, column, reason }
    }
}

/// Why a part of a bundle is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Reason {
    /// The model differs from the one model that Doorward uses.
    #[error("the model is fixed; copy model.conf from `doorward policy show --out DIR`")]
    Model,
    /// A line does not begin with the marker of its file.
    #[error("{kind} begins with '{expected}', not with '{}'", escape(.found))]
    Marker {
        /// "a rule" or "a link".
        kind: &'static str,
        /// The expected first column.
        expected: &'static str,
        /// The first column.
        found: String,
    },
    /// A line has too few or too many columns.
    #[error("{kind} has {expected} columns, this one {found}: {form}")]
    Columns {
        /// "a rule" or "a link".
        kind: &'static str,
        /// How many there should be.
        expected: usize,
        /// How many there are.
        found: usize,
        /// The form of the line.
        form: &'static str,
    },
    /// A column other than `when` is empty.
    #[error("this column cannot be empty")]
    Empty,
    /// A field has quotes. Casbin's CSV does not follow RFC 4180.
    #[error("fields have no quotes; write %22 for a literal quote in a path")]
    Quote,
    /// The text has a control character.
    #[error("a control character in the text")]
    Control,
    /// A name is not the name of a subject, role, group or device.
    #[error(transparent)]
    Name(#[from] SubjectError),
    /// The first column has a wildcard.
    #[error("there is no wildcard for who; role/users is every person, role/devices every device")]
    Everybody,
    /// The device column has a wildcard.
    #[error(
        "there is no wildcard for devices; group/devices is every device, gateway the administration"
    )]
    EveryDevice,
    /// The device column says `device/x`.
    #[error("a device is written bare in this column: '{}'", escape(.0))]
    DevicePrefix(String),
    /// A link's member is no role or group.
    #[error("membership is not policy text; say `{0}` instead")]
    Membership(&'static str),
    /// The path column is wrong.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// The action column is wrong.
    #[error(transparent)]
    Action(#[from] UnknownAction),
    /// The `when` column is wrong.
    #[error(transparent)]
    When(#[from] WhenError),
    /// The effect column is wrong.
    #[error("the last column is allow or deny, not '{}'{}", escape(.0), did_you_mean(.0, ["allow", "deny"]))]
    Effect(String),
    /// Links form a circle.
    #[error("{0} leads back to itself")]
    Cycle(String),
    /// A chain has more than 8 links.
    #[error("the chain from {0} has more than 8 links")]
    Depth(String),
    /// A test cannot be read.
    #[error(transparent)]
    Test(#[from] TestError),
    /// A rule matches no operation of the interfaces that it names.
    #[error("{what}")]
    Never {
        /// What is wrong, in words.
        what: String,
        /// How many bytes are wrong.
        length: usize,
        /// What to write there instead.
        fix: Option<String>,
    },
    /// The bundle has no rule.
    #[error("no rule: a gateway under this bundle would refuse everyone")]
    NoRules,
    /// The paths have more different beginnings than fit in memory.
    #[error("the paths of the bundle have more than {0} different beginnings; use wildcards")]
    TooManyNodes(u32),
    /// The files are larger than a bundle may be.
    #[error("the bundle is larger than 256 MiB")]
    TooLarge,
}

impl Reason {
    /// What is wrong, in a word.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Marker { .. } => "marker",
            Self::Columns { .. } => "columns",
            Self::Empty => "empty",
            Self::Quote => "quote",
            Self::Control => "control-character",
            Self::Name(_) => "name",
            Self::Everybody => "every-subject",
            Self::EveryDevice => "every-device",
            Self::DevicePrefix(_) => "device-prefix",
            Self::Membership(_) => "membership",
            Self::Pattern(_) => "path",
            Self::Action(_) => "action",
            Self::When(_) => "when",
            Self::Effect(_) => "effect",
            Self::Cycle(_) => "cycle",
            Self::Depth(_) => "depth",
            Self::Test(_) => "test",
            Self::Never { .. } => "never",
            Self::NoRules => "no-rules",
            Self::TooManyNodes(_) => "too-many-paths",
            Self::TooLarge => "too-large",
        }
    }

    /// How many bytes are wrong, from the column on; 0 where that is not known.
    #[must_use]
    pub fn length(&self) -> usize {
        match self {
            Self::Marker { found, .. } => found.len(),
            Self::Quote | Self::Control => 1,
            Self::DevicePrefix(name) => "device/".len() + name.len(),
            Self::Effect(text) => text.len(),
            Self::Never { length, .. } => *length,
            Self::Model
            | Self::Columns { .. }
            | Self::Empty
            | Self::Name(_)
            | Self::Everybody
            | Self::EveryDevice
            | Self::Membership(_)
            | Self::Pattern(_)
            | Self::Action(_)
            | Self::When(_)
            | Self::Cycle(_)
            | Self::Depth(_)
            | Self::Test(_)
            | Self::NoRules
            | Self::TooManyNodes(_)
            | Self::TooLarge => 0,
        }
    }

    /// What to write in that place instead, where there is one answer.
    #[must_use]
    pub fn fix(&self) -> Option<String> {
        match self {
            Self::Marker { expected, .. } => Some((*expected).to_owned()),
            Self::Quote => Some("%22".to_owned()),
            Self::DevicePrefix(name) => Some(name.clone()),
            Self::Never { fix, .. } => fix.clone(),
            Self::Effect(text) => {
                let lower = text.to_ascii_lowercase();
                ["allow", "deny"].into_iter().find(|word| *word == lower).map(str::to_owned)
            }
            Self::Model
            | Self::Columns { .. }
            | Self::Empty
            | Self::Control
            | Self::Name(_)
            | Self::Everybody
            | Self::EveryDevice
            | Self::Membership(_)
            | Self::Pattern(_)
            | Self::Action(_)
            | Self::When(_)
            | Self::Cycle(_)
            | Self::Depth(_)
            | Self::Test(_)
            | Self::NoRules
            | Self::TooManyNodes(_)
            | Self::TooLarge => None,
        }
    }
}

/// All errors of a bundle. They are displayed one a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BundleErrors {
    found: Vec<BundleError>,
    left_out: usize,
}

impl BundleErrors {
    /// How many errors are kept; further ones are counted.
    pub const LIMIT: usize = 20;

    /// Adds an error at a line and column.
    pub(crate) fn refuse(&mut self, file: &'static str, line: usize, error: (usize, Reason)) {
        let (column, reason) = error;
        self.push(BundleError::new(file, line, column, reason));
    }

    pub(crate) fn push(&mut self, error: BundleError) {
        if self.found.len() < Self::LIMIT {
            self.found.push(error);
        } else {
            self.left_out += 1;
        }
    }

    /// Counts an error that is not kept.
    pub(crate) fn leave_out(&mut self) {
        self.left_out += 1;
    }

    /// Returns whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Returns how many there are, with those that are not kept.
    #[must_use]
    pub fn count(&self) -> usize {
        self.found.len() + self.left_out
    }

    /// Returns the errors in the order in which they were found.
    #[must_use]
    pub fn places(&self) -> &[BundleError] {
        &self.found
    }
}

impl fmt::Display for BundleErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.found.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            error.fmt(f)?;
        }
        if self.left_out > 0 {
            write!(f, "\nand {} more", self.left_out)?;
        }
        Ok(())
    }
}

impl std::error::Error for BundleErrors {}
