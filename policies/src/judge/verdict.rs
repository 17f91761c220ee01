//! Asks the compiled form what the rules say of a case.

use jiff::Timestamp;
use smallvec::SmallVec;

use super::case::Case;

use crate::compiled::{ALWAYS, Limit, RuleEntry, RuleRef, SearchControl};
use crate::decision::Refusal;
use crate::lines::RuleLines;
use crate::rule::Effect;
use crate::when::Truth;

/// What the rules say of a question and its context.
pub(crate) struct RulesVerdict {
    /// Why the question is refused; `None` if it is permitted.
    pub(crate) refusal: Option<Refusal>,
    /// The rules that decided.
    pub(crate) deciding: RuleRefs,
    /// The deny rules that match the question, and whose conditions do not hold now.
    pub(crate) waiting: RuleRefs,
    /// The first instant at which time alone could change the answer.
    pub(crate) changes_at: Option<Timestamp>,
}

pub(crate) type RuleRefs = SmallVec<[RuleRef; RuleLines::MOST]>;

/// The most waiting deny rules that Casbin is asked about. Of those with the same conditions, one
/// is enough.
const WAITING: usize = 32;

/// How many of the deciding rules a search finds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Search {
    /// As many as [`RuleLines`] can name.
    Few,
    /// All of them: for use off the data path only.
    All,
}

impl Search {
    fn limit(self) -> Limit {
        match self {
            Self::Few => Limit::Few,
            Self::All => Limit::All,
        }
    }
}

/// Returns what the rules say of `case`.
pub(crate) fn verdict_of(case: &Case<'_>, search: Search) -> RulesVerdict {
    let mut denies = Weighing::new(case, Effect::Deny, search);
    let mut take = |rule, entry: &RuleEntry| denies.take(rule, entry);
    let all = case.find(Effect::Deny, search.limit(), &mut take);
    if !denies.applying.is_empty() {
        return RulesVerdict {
            refusal: Some(Refusal::DeniedByRule),
            deciding: denies.applying,
            waiting: RuleRefs::new(),
            // While one of the deny rules applies, nothing else matters.
            changes_at: denies.applying_until,
        };
    }
    if !all || denies.wait_too_many() {
        // The refusal holds at any time: a rule that was not looked at counts as a deny rule.
        let (refusal, none) = (Some(Refusal::TooBroad), RuleRefs::new);
        return RulesVerdict { refusal, deciding: none(), waiting: none(), changes_at: None };
    }
    let mut allows = Weighing::new(case, Effect::Allow, search);
    let mut take = |rule, entry: &RuleEntry| allows.take(rule, entry);
    let all = case.find(Effect::Allow, search.limit(), &mut take);
    let (refusal, deciding, until) = if !allows.applying.is_empty() {
        (None, allows.applying, earliest(allows.applying_until, denies.waiting_until))
    } else if !all {
        (Some(Refusal::TooBroad), RuleRefs::new(), allows.waiting_until)
    } else if !allows.at_other_times.is_empty() {
        (Some(Refusal::OutsideTime), allows.at_other_times, allows.waiting_until)
    } else if !allows.waiting.is_empty() {
        (Some(Refusal::Conditions), allows.waiting, allows.waiting_until)
    } else {
        (Some(Refusal::NoRule), RuleRefs::new(), None)
    };
    RulesVerdict { refusal, deciding, waiting: denies.waiting, changes_at: until }
}

/// The rules of one effect that match a case, as the search finds them.
struct Weighing<'a> {
    case: &'a Case<'a>,
    effect: Effect,
    search: Search,
    applying: RuleRefs,
    /// Until when at least one of them applies; `None` is for ever.
    applying_until: Option<Timestamp>,
    /// The rules whose conditions do not hold. Of deny rules, one for each condition.
    waiting: RuleRefs,
    /// The conditions of the waiting rules.
    waits_for: SmallVec<[u32; 8]>,
    /// The allow rules whose conditions fail by time alone.
    at_other_times: RuleRefs,
    /// When the first waiting rule could apply.
    waiting_until: Option<Timestamp>,
}

impl<'a> Weighing<'a> {
    fn new(case: &'a Case<'a>, effect: Effect, search: Search) -> Self {
        Self {
            case,
            effect,
            search,
            applying: RuleRefs::new(),
            applying_until: None,
            waiting: RuleRefs::new(),
            waits_for: SmallVec::new(),
            at_other_times: RuleRefs::new(),
            waiting_until: None,
        }
    }

    fn take(&mut self, rule: RuleRef, entry: &RuleEntry) -> SearchControl {
        if entry.when == ALWAYS {
            self.apply(rule, None);
        } else {
            self.weigh(rule, entry);
        }
        match self.search {
            Search::All => SearchControl::Next,
            Search::Few if self.applying.len() >= RuleLines::MOST => SearchControl::Stop,
            Search::Few if self.wait_too_many() => SearchControl::Stop,
            // A deny rule without conditions decides.
            Search::Few if self.effect == Effect::Deny && entry.when == ALWAYS => {
                SearchControl::Stop
            }
            Search::Few => SearchControl::SkipAlike,
        }
    }

    /// Returns whether more deny rules wait than Casbin is asked about.
    fn wait_too_many(&self) -> bool {
        let (few, deny) = (self.search == Search::Few, self.effect == Effect::Deny);
        few && deny && self.waiting.len() > WAITING
    }

    fn apply(&mut self, rule: RuleRef, until: Option<Timestamp>) {
        // The search may find a rule twice. Where it finds all rules, the reader removes
        // duplicates.
        if self.search == Search::Few && self.applying.contains(&rule) {
            return;
        }
        let first = self.applying.is_empty();
        self.applying.push(rule);
        self.applying_until = match (self.applying_until, until) {
            (_, until) if first => until,
            // The rule that applies longest counts.
            (Some(before), Some(until)) => Some(before.max(until)),
            _ => None,
        };
    }

    fn weigh(&mut self, rule: RuleRef, entry: &RuleEntry) {
        let context = &self.case.context;
        let Some(when) = self.case.bundle.compiled().when(entry.when) else {
            // A number of another bundle, which should not occur: a deny rule applies, an allow
            // rule does not.
            if self.effect == Effect::Deny {
                self.apply(rule, None);
            }
            return;
        };
        let (truth, change) = (when.holds(context), when.changes_at(context));
        if truth.applies(self.effect) {
            return self.apply(rule, change);
        }
        self.waiting_until = earliest(self.waiting_until, change);
        if self.effect == Effect::Allow && truth == Truth::False && when.fails_by_time_only(context)
        {
            self.at_other_times.push(rule);
        }
        let alike = self.effect == Effect::Deny && self.waits_for.contains(&entry.when);
        if self.search == Search::All || !alike {
            self.waits_for.push(entry.when);
            self.waiting.push(rule);
        }
    }
}

fn earliest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    [one, other].into_iter().flatten().min()
}
