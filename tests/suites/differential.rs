//! Every decision against plain casbin-rs: the whole bundle in one Enforcer, nothing found first,
//! nothing compiled, nothing kept.

use std::fmt::Write as _;

use casbin::function_map::OperatorFunction;
use casbin::rhai::Dynamic;
use casbin::{CoreApi, DefaultModel, EnforceArgs, Enforcer, Model, NullAdapter};
use doorward_model::{Action, Device, Kind, Path, Protocol, Subject};
use doorward_policies::{
    Bundle, BundleText, Cache, Certificate, Context, Decision, Effect, Member, Pattern, Question,
    Refusal, Request, Snapshot, When,
};
use jiff::Timestamp;
use proptest::prelude::*;

use crate::oracle::{self, Seg};
use crate::policy::{Case, cases, pattern, rule};

/// What plain casbin-rs says.
fn by_casbin(case: &Case, snapshot: &Snapshot, question: &Question) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut model = runtime.block_on(DefaultModel::from_str(BundleText::MODEL)).unwrap();
    let columns = |line: &str| -> Vec<String> {
        line.split(',').skip(1).map(|column| column.trim().to_owned()).collect()
    };
    for rule in &case.policy {
        model.add_policy("p", "p", columns(rule));
    }
    for (kind, text) in [("g", &case.roles), ("g2", &case.groups)] {
        for line in text.lines() {
            model.add_policy("g", kind, columns(line));
        }
    }
    let now = Case::now();
    let mut member = |kind: &str, member: &str, of: String, until: Option<Timestamp>| {
        if until.is_none_or(|until| now < until) {
            model.add_policy("g", kind, vec![member.to_owned(), of]);
        }
    };
    for (subject, Member { roles, groups, .. }) in snapshot.members() {
        for role in roles {
            member("g", &subject.to_string(), role.of.to_string(), role.until);
        }
        let everybody = match subject.kind() {
            Kind::User => "role/users",
            _ => "role/devices",
        };
        member("g", &subject.to_string(), everybody.to_owned(), None);
        if subject.kind() == Kind::Device {
            for group in groups {
                member("g2", subject.name().as_str(), group.of.to_string(), group.until);
            }
            member("g2", subject.name().as_str(), "group/devices".to_owned(), None);
        }
    }
    let mut enforcer = runtime.block_on(Enforcer::new_raw(model, NullAdapter)).unwrap();
    enforcer.build_role_links().unwrap();
    enforcer.add_function("reaches", OperatorFunction::Arg3(reaches));
    enforcer.add_function("acts", OperatorFunction::Arg2(acts));
    enforcer.add_function("holds", OperatorFunction::Arg3(holds));
    let circumstances = question.circumstances.clone();
    let context = Context { circumstances, ..Context::at(now) };
    enforcer
        .enforce(Ask(vec![
            question.subject.to_string().into(),
            question.resource.device.to_string().into(),
            Dynamic::from((question.resource.path.clone(), other_names(case))),
            Dynamic::from(question.action),
            Dynamic::from(context),
        ]))
        .unwrap()
}

/// What else the device may take the message for: as the oracle says, not as the product does.
fn other_names(case: &Case) -> Vec<Path> {
    let name = |asked: &oracle::Asked| match &asked.segments[..] {
        [Seg::Text(interface), Seg::Unit(unit), Seg::Text(table), Seg::Range(first, last)] => {
            let text = format!("{interface}/{unit}/{table}/{first}-{last}");
            Path::parse(Protocol::Modbus, Action::Read, &text).unwrap()
        }
        texts => {
            let text = |one: &Seg| match one {
                Seg::Text(text) => text.clone(),
                other => panic!("{other:?}"),
            };
            Path::literal(&texts.iter().map(text).collect::<Vec<_>>().join("/")).unwrap()
        }
    };
    case.other_names().iter().map(name).collect()
}

struct Ask(Vec<Dynamic>);

impl EnforceArgs for Ask {
    fn try_into_vec(self) -> casbin::Result<Vec<Dynamic>> {
        Ok(self.0)
    }

    fn cache_key(&self) -> u64 {
        0
    }
}

fn reaches(asked: Dynamic, pattern: Dynamic, effect: Dynamic) -> Dynamic {
    let (path, others): (Path, Vec<Path>) = asked.cast();
    let written = text(pattern);
    let pattern: Pattern = written.parse().unwrap();
    // Readings of HTTP paths are in lower case. No generated pattern has an escaped capital.
    let lower: Pattern = written.to_ascii_lowercase().parse().unwrap();
    match &*text(effect) {
        "deny" => {
            let meets = |name| pattern.overlaps(name) || lower.overlaps(name);
            (pattern.overlaps(&path) || others.iter().any(meets)).into()
        }
        _ => pattern.covers(&path).into(),
    }
}

fn acts(asked: Dynamic, acts: Dynamic) -> Dynamic {
    let (asked, acts): (Action, String) = (asked.cast(), text(acts));
    (acts == "*" || acts.split('|').any(|one| one == asked.as_str())).into()
}

fn holds(context: Dynamic, when: Dynamic, effect: Dynamic) -> Dynamic {
    let (context, when): (Context, When) = (context.cast(), text(when).parse().unwrap());
    let effect = if text(effect) == "deny" { Effect::Deny } else { Effect::Allow };
    when.holds(&context).applies(effect).into()
}

fn text(column: Dynamic) -> String {
    column.into_string().unwrap()
}

/// A bundle with many rules that meet in the same places, now and then, or with many that are alike
/// but for their paths.
fn crowded() -> impl Strategy<Value = Case> {
    let crowd = prop_oneof![
        7 => Just(vec![]),
        1 => prop::collection::vec((rule(), 0..6_usize), 30..120),
    ];
    let alike = prop_oneof![
        7 => Just(vec![]),
        1 => prop::collection::vec(pattern(), 30..120),
    ];
    (cases(), crowd, alike).prop_map(|(mut case, crowd, alike)| {
        for path in alike {
            let mut columns: Vec<&str> = case.policy[0].split(',').map(str::trim).collect();
            (columns[3], columns[6]) = (&path, "deny");
            case.policy.push(columns.join(", "));
        }
        let paths: Vec<String> = case.policy.iter().map(|rule| path_of(rule).to_owned()).collect();
        for (rule, number) in crowd {
            let path = match number {
                0 => "**",
                1 => "i/**",
                number => paths.get(number % paths.len()).map_or("**", String::as_str),
            };
            let mut columns: Vec<&str> = rule.split(',').map(str::trim).collect();
            columns[3] = path;
            case.policy.push(columns.join(", "));
        }
        case
    })
}

fn path_of(rule: &str) -> &str {
    rule.split(',').nth(3).unwrap().trim()
}

/// The same bundle, come to by edits: some lines are missing first, others too many.
fn edited(case: &Case, edits: &[(usize, String)]) -> Option<Bundle> {
    let mut former = case.policy.clone();
    for (at, more) in edits {
        let at = at % (former.len() + 1);
        match at % 2 {
            0 => former.insert(at, more.clone()),
            _ => drop(former.remove(at - 1)),
        }
    }
    former.push("# the end\n".to_owned());
    let text = BundleText { policy: former.join("\n"), ..case.text() };
    Bundle::parse(text).ok()?.revise(case.text()).ok()
}

/// Two steps of edits, each of which must leave nothing behind.
fn edited_twice(
    case: &Case,
    first: &[(usize, String)],
    then: &[(usize, String)],
) -> Option<Bundle> {
    let between = edited(case, first)?;
    let mut detour = case.policy.clone();
    detour.extend(then.iter().map(|(_, rule)| rule.clone()));
    let text = BundleText { policy: detour.join("\n"), ..case.text() };
    between.revise(text).ok()?.revise(case.text()).ok()
}

fn cases_asked_for() -> u32 {
    let asked = std::env::var("DIFFERENTIAL_CASES").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(20_000)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases_asked_for(),
        max_shrink_iters: 4000,
        ..ProptestConfig::default()
    })]

    /// The compiled form, Casbin on its slice, and plain casbin-rs give one answer, however the
    /// bundle came to be.
    #[test]
    fn every_decision_is_plain_casbins(
        case in crowded(),
        first in prop::collection::vec((any::<usize>(), rule()), 0..5),
        then in prop::collection::vec((any::<usize>(), rule()), 0..3),
    ) {
        let (now, question) = (Case::now(), case.question());
        let snapshot = case.state(Bundle::parse(case.text()).unwrap());
        let opinion = snapshot.rules_say(&question, now);
        prop_assert_ne!(opinion.refusal, Some(Refusal::Disagreement));
        prop_assert_eq!(opinion.permits(), by_casbin(&case, &snapshot, &question), "plain");
        for bundle in [edited(&case, &first), edited_twice(&case, &first, &then)].into_iter().flatten() {
            prop_assert_eq!(bundle.len(), snapshot.bundle().len());
            let lines = |bundle: &Bundle| bundle.rules().map(|rule| format!("{}{rule}", rule.line())).collect::<Vec<_>>();
            prop_assert_eq!(lines(&bundle), lines(snapshot.bundle()));
            let revised = case.state(bundle).rules_say(&question, now);
            prop_assert_eq!(revised.permits(), opinion.permits(), "edited");
            prop_assert_eq!(revised.ask_again_at, opinion.ask_again_at, "edited");
        }
    }
}

/// A request that somebody makes with a certificate, and the state in which they have it.
fn with_certificate(snapshot: Snapshot, question: Question) -> (Snapshot, Request) {
    let issuer = "ab".repeat(32).parse().unwrap();
    let certificate = doorward_model::CertificateId {
        issuer,
        serial: doorward_model::Serial::new(&[7]).unwrap(),
    };
    let subject = snapshot.member(&question.subject).unwrap().id;
    let row =
        Certificate { subject, key: issuer, not_before: Timestamp::MIN, not_after: Timestamp::MAX };
    let snapshot = snapshot.with_certificate(certificate.clone(), Some(row));
    (snapshot, Request { question, subject, proof: certificate.into() })
}

fn shown(decision: Decision) -> String {
    let mut out = String::new();
    match decision {
        // Which of several rules are named may change while the answer does not.
        Decision::Permit(permit) => write!(out, "permit {:?}", permit.target_ids()),
        Decision::Denial(_) => write!(out, "denial"),
    }
    .unwrap();
    out
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases_asked_for() / 10,
        max_shrink_iters: 2000,
        ..ProptestConfig::default()
    })]

    /// One cache, asked over and over while the clock goes and the state changes, says each time
    /// what plain evaluation says at that instant.
    #[test]
    fn what_is_kept_is_what_would_be_said(
        case in cases(),
        other in cases(),
        steps in prop::collection::vec((0..9_u8, -3..4_i64), 1..24),
    ) {
        // At a raw interface, so that what is permitted can be done.
        let case = case.at_a_raw_interface();
        let mut question = case.question();
        question.action = Action::Connect;
        question.resource.path = Path::literal("i").unwrap();
        let mut policy = case.policy.clone();
        policy.push(format!(
            "p, {}, {}, i, connect, until={}, allow",
            question.subject,
            question.resource.device,
            Case::now(),
        ));
        let text = BundleText { policy: policy.join("\n"), ..case.text() };
        let snapshot = case.state(Bundle::parse(text.clone()).unwrap());
        let (mut snapshot, mut request) = with_certificate(snapshot, question);
        let mut cache = Cache::new();
        let mut now = Case::now();
        for (step, seconds) in steps {
            let subject = request.question.subject.clone();
            let device = match &request.question.resource.device {
                Device::Named(name) => name.clone(),
                Device::Gateway => unreachable!(),
            };
            snapshot = match step {
                0 => snapshot.with_bundle(
                    doorward_model::Revision(2),
                    Bundle::parse(other.text()).unwrap().into(),
                ),
                1 => snapshot.with_bundle(
                    doorward_model::Revision(3),
                    Bundle::parse(text.clone()).unwrap().into(),
                ),
                2 | 3 => {
                    let mut member = snapshot.member(&subject).unwrap().clone();
                    member.enabled = step == 2;
                    snapshot.with_member(subject, Some(member))
                }
                4 => {
                    let of = Subject::new(Kind::Device, device.clone());
                    let mut member = snapshot.member(&of).unwrap().clone();
                    member.groups.clear();
                    snapshot.with_member(of, Some(member))
                }
                5 => {
                    let mut interfaces = snapshot.interfaces(&device).to_vec();
                    for interface in &mut interfaces {
                        interface.enabled = !interface.enabled;
                    }
                    snapshot.with_interfaces(device, interfaces)
                }
                6 => {
                    let id = request.proof.certificate().unwrap().clone();
                    let row = snapshot.certificate(&id).cloned();
                    let row = row.map(|row| Certificate { not_after: now, ..row });
                    snapshot.with_certificate(id, row)
                }
                7 => snapshot.suspending(&[policy.len()]),
                _ => {
                    request.question.circumstances.source = Some("10.0.0.1".parse().unwrap());
                    snapshot
                }
            };
            now = now.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap();
            for _ in 0..2 {
                let kept = shown(cache.decide_again(&snapshot, &request, now));
                prop_assert_eq!(kept, shown(snapshot.decide_again(&request, now)), "step {}", step);
            }
        }
    }
}
