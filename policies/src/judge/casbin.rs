//! casbin-rs itself, and how its open doors are closed. See the tests at the end: one each.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::{self, Poll};

use casbin::function_map::OperatorFunction;
use casbin::rhai::Dynamic;
use casbin::{CoreApi, DefaultModel, EnforceArgs, Enforcer, Model, NullAdapter};
use doorward_model::{Action, Group, Path, Role};
use thiserror::Error;

use super::Case;
use crate::bundle::{BundleText, Effect, Links, Rule};
use crate::pattern::Pattern;
use crate::question::{Context, Question};
use crate::recent::Recent;
use crate::when::When;

/// Casbin could not answer. Always our fault, and always a refusal.
#[derive(Debug, Error)]
pub(crate) enum JudgeError {
    /// Casbin returned an error.
    #[error("casbin: {0}")]
    Casbin(#[from] casbin::Error),
    /// Casbin panicked.
    #[error("casbin panicked")]
    Panic,
    /// Casbin waited for something, though nothing in memory can make it wait.
    #[error("casbin did not answer at once")]
    Waits,
}

/// What Casbin is given for one question: the rules that bear on it, as text, and the memberships
/// and links that lead to their roles and groups.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Slice {
    rules: Vec<Vec<String>>,
    /// Casbin's `g`: subject → role, role → role.
    roles: Vec<(String, String)>,
    /// Casbin's `g2`: device → group, group → group.
    groups: Vec<(String, String)>,
}

/// Half of the slices that a thread keeps ready. One takes some 16 KiB.
const HALF: usize = 128;
/// A slice of more rules, memberships and links is made anew each time.
const SMALL: usize = 256;

thread_local! {
    /// To make an Enforcer costs more than to ask it. One is kept by all that it says, so it is
    /// right for whatever state leads to it again.
    static READY: RefCell<Recent<Slice, Enforcer>> = RefCell::new(Recent::new(HALF));
}

/// Whether Casbin permits `case` on `rules`.
pub(crate) fn permits(case: &Case<'_>, rules: &[Rule]) -> Result<bool, JudgeError> {
    permits_on(Slice::of(case, rules), Ask::of((case.question, case.aliases), &case.context))
}

/// Whether Casbin permits what is asked on a slice.
///
/// No rules are a refusal without asking: on an empty policy Casbin evaluates the matcher against
/// blanks.
pub(super) fn permits_on(slice: Slice, ask: Ask) -> Result<bool, JudgeError> {
    if slice.rules.is_empty() {
        return Ok(false);
    }
    READY.with_borrow_mut(|ready| {
        if let Some(answer) = ready.with(&slice, |kept| guarded(|| kept.enforce(ask.clone()))) {
            if answer.is_err() {
                ready.remove(&slice);
            }
            return answer;
        }
        let mut made = None;
        let answer = guarded(|| made.insert(enforcer(&slice)?).enforce(ask));
        if let (Some(enforcer), true) = (made, answer.is_ok() && slice.is_small()) {
            ready.insert(slice, enforcer);
        }
        answer
    })
}

/// Runs what may panic inside Casbin; a panic is an error, and an error is a refusal.
fn guarded(ask: impl FnOnce() -> casbin::Result<bool>) -> Result<bool, JudgeError> {
    match catch_unwind(AssertUnwindSafe(ask)) {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(JudgeError::Panic),
    }
}

impl Slice {
    fn is_small(&self) -> bool {
        self.rules.len() + self.roles.len() + self.groups.len() <= SMALL
    }

    pub(super) fn new(
        rules: Vec<Vec<String>>,
        roles: Vec<(String, String)>,
        groups: Vec<(String, String)>,
    ) -> Self {
        Self { rules, roles, groups }
    }

    fn of(case: &Case<'_>, rules: &[Rule]) -> Self {
        let Case { bundle, question, context, .. } = case;
        let roles: Vec<&Role> = rules.iter().filter_map(|rule| rule.who().role()).collect();
        let groups: Vec<&Group> = rules.iter().filter_map(|rule| rule.on().group()).collect();
        let subject = question.subject.to_string();
        let device = question.resource.device.as_str();
        Self {
            rules: rules.iter().map(columns).collect(),
            roles: pairs(&subject, case.roles.direct(context.now), bundle.role_links(), &roles),
            groups: pairs(device, case.groups.direct(context.now), bundle.group_links(), &groups),
        }
    }
}

/// Those of the direct memberships that lead to one of `wanted`, and the links on the way.
fn pairs<'a, T: Ord + Clone + ToString + 'a>(
    member: &str,
    direct: impl Iterator<Item = &'a T>,
    links: &Links<T>,
    wanted: &[&T],
) -> Vec<(String, String)> {
    let mut found = BTreeSet::new();
    for one in direct {
        let leads_to = links.closure([one.clone()]);
        if leads_to.iter().any(|one| wanted.contains(&one)) {
            found.insert((member.to_owned(), one.to_string()));
            let further = links.from(&leads_to);
            found.extend(further.map(|(from, to)| (from.to_string(), to.to_string())));
        }
    }
    found.into_iter().collect()
}

fn enforcer(slice: &Slice) -> Result<Enforcer, casbin::Error> {
    let mut model = model()?.clone();
    for rule in &slice.rules {
        model.add_policy("p", "p", rule.clone());
    }
    for (kind, pairs) in [("g", &slice.roles), ("g2", &slice.groups)] {
        for (from, to) in pairs {
            model.add_policy("g", kind, vec![from.clone(), to.clone()]);
        }
    }
    let mut enforcer = at_once(Enforcer::new_raw(model, NullAdapter))?;
    enforcer.build_role_links()?;
    enforcer.add_function("reaches", OperatorFunction::Arg3(reaches));
    enforcer.add_function("acts", OperatorFunction::Arg2(acts));
    enforcer.add_function("holds", OperatorFunction::Arg3(holds));
    Ok(enforcer)
}

fn model() -> Result<&'static DefaultModel, casbin::Error> {
    static MODEL: OnceLock<DefaultModel> = OnceLock::new();
    match MODEL.get() {
        Some(model) => Ok(model),
        None => {
            let model = at_once(DefaultModel::from_str(BundleText::MODEL))?;
            Ok(MODEL.get_or_init(|| model))
        }
    }
}

/// Casbin's constructors are async for the sake of files; ours is all in memory.
fn at_once<T>(future: impl Future<Output = Result<T, casbin::Error>>) -> Result<T, casbin::Error> {
    let mut context = task::Context::from_waker(task::Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(casbin::Error::IoError(std::io::Error::other(JudgeError::Waits))),
    }
}

fn columns(rule: &Rule) -> Vec<String> {
    vec![
        rule.who().to_string(),
        rule.on().to_string(),
        rule.path().to_string(),
        rule.acts().to_string(),
        rule.when().to_string(),
        rule.effect().to_string(),
    ]
}

/// What is asked for, and its other names.
#[derive(Clone)]
struct Asked {
    path: Path,
    aliases: Arc<[Path]>,
}

/// The arguments of one question, typed where they are more than text.
#[derive(Clone)]
pub(super) struct Ask(Vec<Dynamic>);

impl Ask {
    pub(super) fn of((question, aliases): (&Question, &[Path]), context: &Context) -> Self {
        let path = question.resource.path.clone();
        Self(vec![
            question.subject.to_string().into(),
            question.resource.device.to_string().into(),
            Dynamic::from(Asked { path, aliases: aliases.into() }),
            Dynamic::from(question.action),
            Dynamic::from(context.clone()),
        ])
    }
}

impl EnforceArgs for Ask {
    fn try_into_vec(self) -> casbin::Result<Vec<Dynamic>> {
        Ok(self.0)
    }

    /// For Casbin's cache, which is off: it trusts 64 bits.
    fn cache_key(&self) -> u64 {
        0
    }
}

// What the matcher calls. The rule's columns arrive as text and are read anew, so that this
// judge shares only the meaning of patterns and conditions with the compiled form. Whatever does
// not read (which no rule of a parsed bundle can be) reaches nothing if it would allow, and
// everything if it would deny.

fn reaches(asked: Dynamic, pattern: Dynamic, effect: Dynamic) -> Dynamic {
    let deny = is_deny(effect);
    let (Some(asked), Some(pattern)) = (asked.try_cast::<Asked>(), read::<Pattern>(pattern)) else {
        return deny.into();
    };
    let Asked { path, aliases } = asked;
    // A rule that allows must say it as it was asked for.
    let meets = || pattern.overlaps(&path) || aliases.iter().any(|alias| pattern.overlaps(alias));
    if deny { meets().into() } else { pattern.covers(&path).into() }
}

fn acts(asked: Dynamic, actions: Dynamic) -> Dynamic {
    let (Some(asked), Ok(actions)) = (asked.try_cast::<Action>(), actions.into_string()) else {
        return false.into();
    };
    (actions == "*" || actions.split('|').any(|one| one.trim() == asked.as_str())).into()
}

fn holds(context: Dynamic, when: Dynamic, effect: Dynamic) -> Dynamic {
    let deny = is_deny(effect);
    let (Some(context), Some(when)) = (context.try_cast::<Context>(), read::<When>(when)) else {
        return deny.into();
    };
    when.holds(&context).applies(if deny { Effect::Deny } else { Effect::Allow }).into()
}

fn is_deny(effect: Dynamic) -> bool {
    effect.into_string().is_ok_and(|effect| effect == Effect::Deny.as_str())
}

fn read<T: std::str::FromStr>(column: Dynamic) -> Option<T> {
    column.into_string().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    //! Casbin's open doors: what it does when left to itself, and what becomes of that here.

    use super::*;
    use crate::bundle::Bundle;
    use crate::judge::{Search, verdict_of};
    use crate::snapshot::Membership;
    use casbin::{MgmtApi as _, RbacApi as _};
    use doorward_model::Resource;

    fn bare(model: &str) -> Enforcer {
        let model = at_once(DefaultModel::from_str(model)).unwrap();
        at_once(Enforcer::new(model, NullAdapter)).unwrap()
    }

    const PLAIN: &str = "[request_definition]\nr = sub, obj\n[policy_definition]\np = sub, obj, eft\n\
        [policy_effect]\ne = some(where (p.eft == allow)) && !some(where (p.eft == deny))\n\
        [matchers]\nm = r.sub == p.sub && r.obj == p.obj\n";

    fn bundle(policy: &str, roles: &str, groups: &str) -> Result<Bundle, crate::BundleErrors> {
        Bundle::parse(BundleText {
            policy: policy.into(),
            roles: roles.into(),
            groups: groups.into(),
            ..BundleText::default()
        })
    }

    fn of<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> Membership<T> {
        Membership { of: text.parse().unwrap(), until: None }
    }

    fn ask(bundle: &Bundle, roles: &[&str], groups: &[&str], question: &str) -> bool {
        let [subject, action, device, path] = question.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{question}")
        };
        let question = Question {
            subject: subject.parse().unwrap(),
            resource: Resource {
                device: device.parse().unwrap(),
                path: Path::literal(path).unwrap(),
            },
            action: action.parse().unwrap(),
            source: None,
            proven: None,
        };
        let context = question.context("2026-06-01T00:00:00Z".parse().unwrap());
        let roles = bundle.roles_held(roles.iter().map(|one| of(one)).collect());
        let groups = bundle.groups_held(groups.iter().map(|one| of(one)).collect());
        let case = Case::new(bundle, (&question, &[]), context, &roles, &groups);
        let verdict = verdict_of(&case, Search::Few);
        let rules = case.rules(verdict.deciding.iter().chain(&verdict.waiting).copied());
        let casbin = permits(&case, &rules).unwrap();
        assert_eq!(casbin, verdict.refusal.is_none(), "the judges agree on {question:?}");
        casbin
    }

    #[test]
    fn a_disabled_enforcer_says_yes_and_none_is_ever_disabled() {
        let mut open = bare(PLAIN);
        open.enable_enforce(false);
        assert!(open.enforce(("mallory", "vault")).unwrap());
        // Ours are made and dropped inside `permits`; nobody else ever holds one.
        let bundle = bundle("p, user/alice, vault, door, connect, , allow", "", "").unwrap();
        assert!(!ask(&bundle, &[], &[], "user/mallory connect vault door"));
        assert!(ask(&bundle, &[], &[], "user/alice connect vault door"));
    }

    #[test]
    fn an_empty_policy_allows_blanks_and_none_is_ever_asked() {
        let open = bare(PLAIN);
        assert!(open.enforce(("", "")).unwrap());
        assert!(bundle("", "", "").is_err(), "a bundle without rules is refused");
        let bundle = bundle("p, user/alice, vault, door, connect, , allow", "", "").unwrap();
        assert!(!ask(&bundle, &[], &[], "user/bob connect vault door"), "no candidate, no leave");
    }

    #[test]
    fn an_unknown_effect_panics_at_the_first_decision_and_the_model_is_fixed() {
        let model = PLAIN.replace("some(where (p.eft == allow)) && ", "few(where) && ");
        let open = bare(&model);
        let panicked = catch_unwind(AssertUnwindSafe(|| open.enforce(("a", "b"))));
        assert!(panicked.is_err());
        let text = BundleText {
            model: BundleText::MODEL.replace("some(where (p.eft == allow)) && ", ""),
            ..BundleText::default()
        };
        assert!(Bundle::parse(text).is_err());
    }

    #[test]
    fn a_capital_deny_is_ignored_and_refused() {
        let mut open = bare(PLAIN);
        for effect in ["allow", "Deny"] {
            let rule = ["a", "b", effect].map(String::from).to_vec();
            at_once(open.add_policy(rule)).unwrap();
        }
        assert!(open.enforce(("a", "b")).unwrap());
        let text = "p, user/a, b, **, *, , allow\np, user/a, b, **, *, , Deny\n";
        assert!(bundle(text, "", "").is_err());
    }

    #[test]
    fn a_missing_attribute_under_negation_is_unknown_and_unknown_denies() {
        let text = "p, user/a, b, **, *, , allow\np, user/a, b, **, *, from=10.0.0.0/8, deny\n";
        let denied = bundle(text, "", "").unwrap();
        assert!(!ask(&denied, &[], &[], "user/a connect b door"), "where from is not known");
        let text = "p, user/a, b, **, *, from=10.0.0.0/8, allow\n";
        let allowed = bundle(text, "", "").unwrap();
        assert!(!ask(&allowed, &[], &[], "user/a connect b door"), "where from is not known");
    }

    #[test]
    fn no_rule_does_arithmetic_so_none_can_overflow() {
        let overflow = bare(&PLAIN.replace("r.obj == p.obj", "2147483647 + 1 > 0"));
        let outcome = catch_unwind(AssertUnwindSafe(|| overflow.enforce(("", ""))));
        assert!(!matches!(outcome, Ok(Ok(true))), "what Casbin makes of it is no yes");
        // Numbers in our rules are text to Casbin and u16 to us.
        let rule = |path: &str| bundle(&format!("p, user/a, b, {path}, *, , allow"), "", "");
        let big = rule("door/4294967296-4294967299").unwrap();
        assert!(!ask(&big, &[], &[], "user/a connect b door"));
    }

    #[test]
    fn one_bad_rule_cannot_end_the_evaluation_of_all() {
        let text = "p, user/a, b, **, *, , allow\np, user/a, b, x/**/y, *, , deny\n";
        assert!(bundle(text, "", "").is_err(), "refused whole, with its line");
    }

    #[test]
    fn a_group_link_cannot_stand_in_for_a_role_link() {
        // Casbin keeps g and g2 in one graph. Kinds in the names keep them apart.
        for (roles, groups) in [
            ("g, group/x, role/admin", ""),
            ("", "g2, role/guest, role/admin"),
            ("", "g2, user/a, role/admin"),
            ("g, role/guest, group/x", ""),
        ] {
            assert!(bundle("p, role/admin, b, **, *, , allow", roles, groups).is_err());
        }
    }

    #[test]
    fn a_chain_longer_than_casbin_follows_is_refused_and_the_longest_allowed_is_followed() {
        let mut open = bare(
            "[request_definition]\nr = sub\n[policy_definition]\np = sub, eft\n[role_definition]\n\
             g = _, _\n[policy_effect]\ne = some(where (p.eft == allow)) && !some(where (p.eft == deny))\n\
             [matchers]\nm = g(r.sub, p.sub)\n",
        );
        for n in 0..12 {
            at_once(open.add_role_for_user(&format!("r{n}"), &format!("r{}", n + 1), None))
                .unwrap();
        }
        for rule in [["r0", "allow"], ["r12", "deny"]] {
            at_once(open.add_named_policy("p", rule.map(String::from).to_vec())).unwrap();
        }
        assert!(open.enforce(("r0",)).unwrap(), "the deny at the far end is not seen");
        assert!(open.has_policy(vec!["r12".into(), "deny".into()]));

        let links =
            |n| (0..n).map(|i| format!("g, role/r{i}, role/r{}\n", i + 1)).collect::<String>();
        let text = "p, role/r0, b, **, *, , allow\np, role/r8, b, **, *, , deny\n";
        assert!(bundle(text, &links(9), "").is_err());
        let longest = bundle(text, &links(8), "").unwrap();
        assert!(!ask(&longest, &["role/r0"], &[], "user/a connect b door"), "the deny is seen");
    }

    #[test]
    fn an_unknown_subject_costs_no_walk_over_the_rules() {
        let rules: String =
            (0..20_000).map(|n| format!("p, user/u{n}, b, **, *, , allow\n")).collect();
        let bundle = bundle(&rules, "", "").unwrap();
        let question = "user/stranger connect b door";
        assert!(!ask(&bundle, &[], &[], question), "decided without one candidate");
    }

    #[test]
    fn a_bad_pattern_panics_casbins_key_match_and_never_gets_there() {
        let mut open = bare(&PLAIN.replace("r.obj == p.obj", "keyMatch2(r.obj, p.obj)"));
        at_once(open.add_policy(["a", "/b(", "allow"].map(String::from).to_vec())).unwrap();
        assert!(catch_unwind(AssertUnwindSafe(|| open.enforce(("a", "/b")))).is_err());
        let bundle = bundle("p, user/a, b, door(, *, , allow", "", "").unwrap();
        assert!(!ask(&bundle, &[], &[], "user/a connect b door"), "( is plain text to us");
    }

    #[test]
    fn a_panic_inside_casbin_is_a_refusal() {
        let mut open = bare(&PLAIN.replace("r.obj == p.obj", "regexMatch(r.obj, p.obj)"));
        at_once(open.add_policy(["a", "(", "allow"].map(String::from).to_vec())).unwrap();
        assert!(matches!(guarded(|| open.enforce(("a", "b"))), Err(JudgeError::Panic)));
        assert!(matches!(guarded(|| open.enforce(("a",))), Err(JudgeError::Casbin(_))));
    }

    #[test]
    fn deny_overrides_whatever_the_order() {
        let (allow, deny) = ("p, user/a, b, **, *, , allow\n", "p, user/a, b, door, *, , deny\n");
        for text in
            [format!("{allow}{deny}"), format!("{deny}{allow}"), format!("{allow}{deny}{allow}")]
        {
            let bundle = bundle(&text, "", "").unwrap();
            assert!(!ask(&bundle, &[], &[], "user/a connect b door"));
            assert!(ask(&bundle, &[], &[], "user/a connect b window"));
        }
    }
}
