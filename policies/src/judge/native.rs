use jiff::Timestamp;

use super::Case;
use crate::bundle::{Effect, Rule};
use crate::decision::Refusal;
use crate::when::Truth;

/// What the rules say of a case.
pub(crate) struct Verdict {
    /// `None` if it may be done.
    pub(crate) refusal: Option<Refusal>,
    /// The lines of the rules that decided.
    pub(crate) rules: Vec<usize>,
    /// The first instant at which a condition of a rule that bears on the case changes.
    pub(crate) changes_at: Option<Timestamp>,
}

/// Judges `case` on `candidates`.
pub(crate) fn verdict(case: &Case<'_>, candidates: &[&Rule]) -> Verdict {
    let path = &case.question.resource.path;
    let bears = |rule: &&&Rule| {
        rule.acts().include(case.question.action)
            && match rule.effect() {
                Effect::Allow => rule.path().covers(path),
                Effect::Deny => rule.path().overlaps(path),
            }
    };
    let (mut allowed, mut denied, mut at_other_times, mut otherwise) =
        (vec![], vec![], vec![], vec![]);
    let mut changes_at: Option<Timestamp> = None;
    for rule in candidates.iter().filter(bears) {
        let change = rule.when().changes_at(&case.context);
        changes_at = [changes_at, change].into_iter().flatten().min();
        let truth = rule.when().holds(&case.context);
        match rule.effect() {
            Effect::Deny if truth.applies(Effect::Deny) => denied.push(rule.line()),
            Effect::Deny => {}
            Effect::Allow if truth.applies(Effect::Allow) => allowed.push(rule.line()),
            Effect::Allow
                if truth == Truth::False && rule.when().fails_by_time_only(&case.context) =>
            {
                at_other_times.push(rule.line());
            }
            Effect::Allow => otherwise.push(rule.line()),
        }
    }
    let (refusal, rules) = if !denied.is_empty() {
        (Some(Refusal::DeniedByRule), denied)
    } else if !allowed.is_empty() {
        (None, allowed)
    } else if !at_other_times.is_empty() {
        (Some(Refusal::OutsideTime), at_other_times)
    } else if !otherwise.is_empty() {
        (Some(Refusal::Conditions), otherwise)
    } else {
        (Some(Refusal::NoRule), vec![])
    };
    Verdict { refusal, rules, changes_at }
}
