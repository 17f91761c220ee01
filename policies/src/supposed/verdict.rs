//! Asks a state or a bundle about a supposed question.

use jiff::Timestamp;

use super::Supposed;
use crate::answer::Judges;
use crate::bundle::Bundle;
use crate::decision::{Opinion, Refusal};
use crate::judge::{Case, RulesVerdict, Search, verdict_of};
use crate::question::Question;
use crate::snapshot::Snapshot;

impl Supposed {
    /// Returns the question with the memberships of the state.
    #[must_use]
    pub fn of(question: Question, snapshot: &Snapshot, now: Timestamp) -> Self {
        let resolved = snapshot.resolve(&question);
        let roles = resolved.subject.iter().flat_map(|known| known.roles.direct(now));
        let roles = roles.cloned().collect();
        let groups = resolved.device.iter().flat_map(|known| known.groups.direct(now));
        let groups = groups.cloned().collect();
        let (aliases, evidence) = (resolved.aliases(&question), resolved.evidence());
        Self { question, aliases, roles, groups, evidence, now }
    }

    /// Returns what the rules say.
    pub(crate) fn opinion(&self, judges: Judges, snapshot: &Snapshot) -> Opinion {
        let (roles, groups) = self.resolve(snapshot.bundle());
        let asked = (&self.question, &self.aliases[..]);
        snapshot.judge_among(judges, asked, self.context(), None, (&roles, &groups))
    }

    /// Returns why the compiled form of a bundle refuses the question.
    pub(crate) fn refusal(&self, bundle: &Bundle) -> Option<Refusal> {
        self.verdict(bundle, Search::Few).refusal
    }

    /// Returns the lines of all deciding rules.
    pub(crate) fn deciding(&self, bundle: &Bundle) -> Vec<usize> {
        let deciding = self.verdict(bundle, Search::All).deciding;
        let lines = deciding.iter().map(|rule| bundle.compiled().line(*rule) as usize);
        let mut lines: Vec<usize> = lines.collect();
        lines.sort_unstable();
        lines.dedup();
        lines
    }

    fn verdict(&self, bundle: &Bundle, search: Search) -> RulesVerdict {
        let (roles, groups) = self.resolve(bundle);
        let asked = (&self.question, &self.aliases[..]);
        verdict_of(&Case::new(bundle, asked, self.context(), &roles, &groups), search)
    }
}
