//! One rule of `policy.csv`, and the parts from which it is read.

mod actions;
mod columns;
pub(crate) mod effect;
mod error;
mod on;
mod row;
mod test_error;
mod who;

use std::fmt;
use std::sync::Arc;

use crate::pattern::Pattern;
use crate::when::When;
pub use actions::Acts;
pub(crate) use columns::{RuleColumns, read_columns};
pub use effect::Effect;
pub use error::{BundleError, BundleErrors, Reason};
pub use on::On;
pub(crate) use row::{TableRow, each_row, read_row, without_byte_order_mark};
pub use test_error::TestError;
pub use who::Who;

use on::read_on;
use who::read_who;

/// One rule of `policy.csv`.
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
    /// Returns a rule. `None` if its first two columns cannot be read; the others were read before.
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

    /// Returns the line of `policy.csv`, from 1. Records name the rule by it.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// Returns whom the rule speaks of.
    #[must_use]
    pub fn who(&self) -> &Who {
        &self.who
    }

    /// Returns which device or group the rule speaks of.
    #[must_use]
    pub fn on(&self) -> &On {
        &self.on
    }

    /// Returns which paths the rule speaks of.
    #[must_use]
    pub fn path(&self) -> &Pattern {
        &self.path
    }

    /// Returns which actions the rule speaks of.
    #[must_use]
    pub fn acts(&self) -> Acts {
        self.acts
    }

    /// Returns the conditions of the rule.
    #[must_use]
    pub fn when(&self) -> &When {
        &self.when
    }

    /// Returns whether both rules say the same, on whatever lines.
    pub(crate) fn says_like(&self, other: &Self) -> bool {
        let Self { line: _, who, on, path, acts, when, effect } = self;
        (who, on, path, acts, when, effect)
            == (&other.who, &other.on, &other.path, &other.acts, &other.when, &other.effect)
    }

    /// Returns whether the rule allows or denies.
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.effect
    }
}

impl Rule {
    /// Reads the rule on one line of `policy.csv`. `None` if the line is no valid rule.
    pub(crate) fn read(number: usize, line: &str) -> Option<Self> {
        let line = read_row("policy.csv", number, line, &mut BundleErrors::default())?;
        let RuleColumns { who, on, path, acts, when, effect } =
            read_columns(&line, |_| None, |_| None).ok()?;
        let (path, when) = (path.text.parse().ok()?, when.text.parse().ok()?);
        Self::of(number, who.err()?, on.err()?, path, acts, Arc::new(when), effect)
    }
}

impl fmt::Display for Rule {
    /// Writes the rule as a line of `policy.csv`.
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
