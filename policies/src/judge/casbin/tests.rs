//! Known faults of Casbin, and how Doorward avoids each.

use super::*;
use crate::bundle::Bundle;
use crate::judge::{Search, verdict_of};
use crate::membership::Membership;
use crate::question::{Circumstances, Evidence, Question};
use casbin::{MgmtApi as _, RbacApi as _};
use doorward_model::{Path, Resource};

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
        resource: Resource { device: device.parse().unwrap(), path: Path::literal(path).unwrap() },
        action: action.parse().unwrap(),
        circumstances: Circumstances::default(),
    };
    let context = question.context("2026-06-01T00:00:00Z".parse().unwrap(), Evidence::default());
    let roles = bundle.resolve_roles(roles.iter().map(|one| of(one)).collect());
    let groups = bundle.resolve_groups(groups.iter().map(|one| of(one)).collect());
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
    // `permits` makes and drops its Enforcers; nobody else has one.
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
    // Casbin reads the numbers of our rules as text.
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
    // Casbin keeps g and g2 in one graph. The prefixes of the names keep them apart.
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
        at_once(open.add_role_for_user(&format!("r{n}"), &format!("r{}", n + 1), None)).unwrap();
    }
    for rule in [["r0", "allow"], ["r12", "deny"]] {
        at_once(open.add_named_policy("p", rule.map(String::from).to_vec())).unwrap();
    }
    assert!(open.enforce(("r0",)).unwrap(), "the deny at the far end is not seen");
    assert!(open.has_policy(vec!["r12".into(), "deny".into()]));

    let links = |n| (0..n).map(|i| format!("g, role/r{i}, role/r{}\n", i + 1)).collect::<String>();
    let text = "p, role/r0, b, **, *, , allow\np, role/r8, b, **, *, , deny\n";
    assert!(bundle(text, &links(9), "").is_err());
    let longest = bundle(text, &links(8), "").unwrap();
    assert!(!ask(&longest, &["role/r0"], &[], "user/a connect b door"), "the deny is seen");
}

#[test]
fn an_unknown_subject_costs_no_walk_over_the_rules() {
    let rules: String = (0..20_000).map(|n| format!("p, user/u{n}, b, **, *, , allow\n")).collect();
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
