//! One rule of `policy.csv`, and the parts that it is read from.

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

impl Rule {
    /// The rule on a line of `policy.csv`, by itself; `None` if there is none that reads.
    pub(crate) fn read(number: usize, line: &str) -> Option<Self> {
        let line = read_row("policy.csv", number, line, &mut BundleErrors::default())?;
        let RuleColumns { who, on, path, acts, when, effect } =
            read_columns(&line, |_| None, |_| None).ok()?;
        let (path, when) = (path.text.parse().ok()?, when.text.parse().ok()?);
        Self::of(number, who.err()?, on.err()?, path, acts, Arc::new(when), effect)
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
