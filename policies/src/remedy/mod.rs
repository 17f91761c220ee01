//! The narrowest changes that would permit a refused question.

mod attempt;
mod step;
#[cfg(test)]
mod tests;

use jiff::Timestamp;

pub use step::Step;

use crate::grants::{Grant, GrantChanges};
use crate::listed::Listed;
use crate::question::Question;
use crate::rule::Rule;
use crate::snapshot::Snapshot;
use attempt::{Attempt, exactly};

/// A way to make the state permit a refused question. Before it is returned, its steps are tried on
/// a copy of the state.
#[derive(Clone, Debug)]
pub struct Remedy {
    /// What the asker should know besides the steps, such as when a role has ended.
    pub fact: Option<String>,
    /// What to do, in order.
    pub steps: Vec<Step>,
    /// What subjects may do after the steps and not before.
    pub opens: Listed<Grant>,
    /// Whether the steps open more than what was asked.
    pub opens_more: bool,
    /// Whether `opens` has been compared for all subjects. Of very many, only the first are.
    pub complete: bool,
    /// Whether the steps open something of the gateway itself.
    pub administers: bool,
    /// Whether the question is permitted after the steps. Otherwise, ask again after them.
    pub enough: bool,
}

impl Remedy {
    /// Returns the remedy in one line of words.
    #[must_use]
    pub fn text(&self) -> String {
        let steps: Vec<String> = self.steps.iter().map(ToString::to_string).collect();
        let mut text = steps.join(", then ");
        if let Some(fact) = &self.fact {
            text = format!("{fact}: {text}");
        }
        if self.opens_more {
            let more = if self.complete { "" } else { " or more" };
            let gateway = if self.administers { ", also over the gateway itself" } else { "" };
            text.push_str(&format!(" (it opens {}{more}{gateway})", grants(self.opens.count)));
        }
        if !self.enough {
            text.push_str(", then ask again");
        }
        text
    }
}

fn grants(count: usize) -> String {
    if count == 1 { "1 grant".to_owned() } else { format!("{count} grants") }
}

/// The most grants that a proposed role opens.
const LITTLE: usize = 4;

impl Snapshot {
    /// Returns the ways to permit a refused question, the narrowest first: what has ended or comes to
    /// hold again, other circumstances, a rule for exactly this question until `until`, and a role
    /// that grants little more. `conditional` are the rules of which only the conditions fail,
    /// `of_others` those which name somebody else.
    pub(crate) fn remedies(
        &self,
        question: &Question,
        (conditional, of_others): (&[Rule], &[Rule]),
        until: Option<Timestamp>,
        now: Timestamp,
    ) -> Vec<Remedy> {
        let mut admitted = Attempt {
            snapshot: self.clone(),
            question: question.clone(),
            now,
            fact: None,
            steps: vec![],
            for_others: false,
        };
        if !admitted.admit() {
            let steps = !admitted.steps.is_empty();
            let remedy = steps.then(|| self.remedy(admitted, question, now, false));
            return remedy.into_iter().collect();
        }
        if !admitted.steps.is_empty() && admitted.permits() {
            return vec![self.remedy(admitted, question, now, true)];
        }
        let mut tried = admitted.renewals(until);
        tried.extend(admitted.wait());
        tried.extend(conditional.iter().filter_map(|rule| admitted.meeting(rule)));
        tried.extend(admitted.rule(until));
        let mut remedies: Vec<Remedy> = Vec::new();
        for attempt in tried {
            // More steps than those of another remedy are no remedy of their own.
            let fewer = |other: &Remedy| other.steps.iter().all(|one| attempt.steps.contains(one));
            if attempt.permits() && !remedies.iter().any(fewer) {
                remedies.push(self.remedy(attempt, question, now, true));
            }
        }
        remedies.retain(|remedy| remedy.is_no_rank() && remedy.can_be_asked());
        for role in of_others.iter().filter_map(|rule| rule.who().role()) {
            let Some(attempt) = admitted.role(role, until) else { continue };
            if !attempt.permits() || remedies.iter().any(|other| other.steps == attempt.steps) {
                continue;
            }
            let remedy = self.remedy(attempt, question, now, true);
            let little = remedy.complete && remedy.opens.count <= LITTLE;
            if little && remedy.is_no_rank() {
                remedies.push(remedy);
            }
        }
        remedies
    }

    fn remedy(
        &self,
        attempt: Attempt,
        question: &Question,
        now: Timestamp,
        enough: bool,
    ) -> Remedy {
        let Attempt { snapshot, fact, steps, for_others, .. } = attempt;
        let changes = if snapshot.stamp() == self.stamp() {
            GrantChanges::none()
        } else if for_others {
            GrantChanges::between(self, &snapshot, now)
        } else {
            GrantChanges::for_subject(&question.subject, self, &snapshot, now)
        };
        let asked = exactly(question);
        let device = question.resource.device.to_string();
        let same = |grant: &Grant| {
            let place = grant.interface.split('/').next();
            place == Some(&device)
                && grant.subject == question.subject
                && grant.action == question.action
                && asked.as_ref() == Some(grant.path())
        };
        let GrantChanges { opened: opens, complete, administers, .. } = changes;
        let opens_more = opens.count > 1 || !opens.first.iter().all(same);
        Remedy { fact, steps, opens, opens_more, complete, administers, enough }
    }
}

impl Remedy {
    /// Returns whether a device can be asked what was asked. A rule about anything else opens nothing.
    fn can_be_asked(&self) -> bool {
        self.opens.count > 0 || !self.steps.iter().any(|step| matches!(step, Step::AddRule { .. }))
    }

    /// Returns whether the steps give no rights over the gateway itself, unless exactly these were
    /// asked for. A role that may administer is never proposed for the sake of one interface.
    fn is_no_rank(&self) -> bool {
        !self.opens_more || self.complete && !self.administers
    }
}
