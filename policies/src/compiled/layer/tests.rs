//! Tests of a layer: its search finds the rules that a search through all of them finds.

use std::collections::BTreeSet;

use doorward_model::{Action, Protocol};
use proptest::prelude::*;

use super::*;
use crate::bundle::{Bundle, BundleText};
use crate::compiled::Ids;
use crate::compiled::Limit;

/// Patterns and wide paths of few words, so that they meet often.
fn words(level: &'static str, more: &'static str) -> impl Strategy<Value = String> {
    let path = |(levels, more): (Vec<String>, String)| {
        ["i".to_owned()].into_iter().chain(levels).collect::<Vec<_>>().join("/") + more.as_str()
    };
    (prop::collection::vec(level, 0..5), more).prop_map(path)
}

/// Deny rules with similar paths.
fn rules() -> impl Strategy<Value = Vec<(u32, u32, String, String, String)>> {
    let path = words("[aAbBc012*]|1-3|2-9|holding|\\$s", "(/\\*\\*)?");
    let when = prop_oneof![4 => Just(""), 1 => Just("until=2020-01-01T00:00:00Z")];
    let rule = (0..2_u32, 0..2_u32, path, "\\*|subscribe|write", when.prop_map(str::to_owned));
    let rule = rule.boxed();
    prop_oneof![
        2 => prop::collection::vec(rule.clone(), 1..40),
        1 => prop::collection::vec(rule, 100..300),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Searching kind by kind, node by node and rule by rule finds the same rules. Where one rule
    /// of each kind is enough, the search finds one.
    #[test]
    fn all_ways_lead_to_the_same_rules(
        rules in rules(),
        topic in words("[abc12+]|\\$s", "(/#)?"),
        http in words("[aAbB12]|a;v|b\\.|%20|1-3|2-9;", "/?"),
        unit in 0..3_u8,
        (who, on) in (prop::collection::vec(0..2_u32, 1..3), 0..2_u32),
    ) {
        let rule = |(who, on, path, acts, when): &(u32, u32, String, String, String)| {
            format!("p, role/r{who}, group/g{on}, {path}, {acts}, {when}, deny\n")
        };
        let policy = rules.iter().map(rule).collect();
        let bundle = Bundle::parse(BundleText { policy, ..BundleText::default() }).unwrap();
        let compiled = bundle.compiled();
        let mut whos: Vec<u32> =
            who.iter().filter_map(|who| compiled.who("role/", &format!("r{who}"))).collect();
        whos.sort_unstable();
        whos.dedup();
        let ons: Vec<u32> = compiled.group(&format!("g{on}")).into_iter().collect();
        let deny = &compiled.base.layer.deny;
        let registers = format!("i/{unit}/holding/2-3");
        let asked = [
            (Protocol::Mqtt, Action::Subscribe, topic),
            (Protocol::Modbus, Action::Write, registers),
        ];
        let asked = asked.into_iter().filter_map(|(protocol, action, path)| {
            Some((action, Path::parse(protocol, action, &path).ok()?))
        });
        let http = Path::parse(Protocol::Http, Action::Write, &http);
        let readings = http.ok().and_then(|path| path.http_readings().ok());
        let readings = readings.into_iter().flatten().map(|path| (Action::Write, path));
        for (action, path) in asked.chain(readings) {
            let ids = |of| Ids { of, own: None };
            let asked = (ids(&whos), ids(&ons), action);
            let (mut one, mut other) = (BTreeSet::new(), BTreeSet::new());
            let (mut one_by_one, mut all) = (Steps::of(Limit::All, &path), Steps::of(Limit::All, &path));
            let step = deny.kinds.find(
                (&deny.tree, &deny.cells),
                &path,
                asked,
                &mut one_by_one,
                &mut |number, entry| {
                    one.insert((entry.line, number));
                    SearchControl::Next
                },
            );
            prop_assert!(step.is_continue());
            let step =
                deny.find_by_node(Extent::Some, &path, asked, &mut all, &mut |number, entry| {
                    other.insert((entry.line, number));
                    SearchControl::Next
                });
            prop_assert!(step.is_continue());
            prop_assert_eq!(&one, &other, "{}", path);
            let meets = |rule: &crate::rule::Rule| {
                let who = who.iter().any(|who| rule.who().to_string() == format!("role/r{who}"));
                let on = rule.on().to_string() == format!("group/g{on}");
                who && on && rule.acts().include(action) && rule.path().overlaps(&path)
            };
            let meeting: Vec<_> = bundle.rules().filter(meets).collect();
            let lines: BTreeSet<usize> = meeting.iter().map(|rule| rule.line()).collect();
            let found: BTreeSet<usize> = one.iter().map(|(line, _)| *line as usize).collect();
            prop_assert_eq!(&found, &lines, "{}", path);
            // One rule of each condition is enough.
            let mut whens = BTreeSet::new();
            let mut steps = Steps::of(Limit::Few, &path);
            let step = deny.find(&path, asked, &mut steps, &mut |number, entry| {
                assert!(one.contains(&(entry.line, number)));
                whens.insert(entry.when);
                SearchControl::SkipAlike
            });
            if steps.ran_out() {
                prop_assert!(rules.len() > 100, "few rules take few steps");
                continue;
            }
            prop_assert!(step.is_continue());
            let conditions: BTreeSet<String> =
                meeting.iter().map(|rule| rule.when().to_string()).collect();
            prop_assert_eq!(whens.len(), conditions.len(), "{}", path);
        }
    }
}
