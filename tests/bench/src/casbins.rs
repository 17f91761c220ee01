//! casbin-rs, with the whole bundle in one Enforcer: on Doorward's own model, and on the model of
//! Casbin's own examples.

use std::str::FromStr;

use casbin::function_map::OperatorFunction;
use casbin::rhai::Dynamic;
use casbin::{CoreApi, DefaultModel, EnforceArgs, Enforcer, Model, NullAdapter};
use doorward_model::{Action, Device, Kind, Path, Subject};
use doorward_policies::{BundleText, Context, Effect, Evidence, Pattern, Question, When};
use jiff::Timestamp;

use crate::{Asked, Failure, now};

/// Casbin's `keymatch2_model.conf`, with Doorward's devices and effects: a role, a group of
/// devices, keyMatch2 on the path, regexMatch on the action.
const KEY_MATCH: &str = "[request_definition]
r = sub, dev, path, act
[policy_definition]
p = sub, dev, path, act, eft
[role_definition]
g = _, _
g2 = _, _
[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))
[matchers]
m = g(r.sub, p.sub) && g2(r.dev, p.dev) && keyMatch2(r.path, p.path) && regexMatch(r.act, p.act)
";

/// The columns of the bundle's rules.
pub(crate) fn columns(asked: &Asked) -> impl Iterator<Item = [&str; 6]> {
    let text = asked.bench.snapshot().bundle().text();
    text.policy.lines().filter_map(|line| {
        let mut columns = line.split(',').skip(1).map(str::trim);
        let mut next = || columns.next();
        Some([next()?, next()?, next()?, next()?, next()?, next()?])
    })
}

/// Who is in which roles, or which devices in which groups, of those that questions name.
pub(crate) type Memberships = Vec<(String, String)>;

/// Memberships of subjects, then of devices, at present.
pub(crate) fn memberships(asked: &Asked) -> Result<(Memberships, Memberships), Failure> {
    let (now, snapshot) = (now()?, asked.bench.snapshot());
    let lives = |until: Option<Timestamp>| until.is_none_or(|until| now < until);
    let (mut roles, mut groups): (Memberships, Memberships) = (vec![], vec![]);
    for question in asked.questions() {
        let subject = question.subject.to_string();
        if let Some(member) = snapshot.member(&question.subject) {
            let of = member.roles.iter().filter(|role| lives(role.until));
            roles.extend(of.map(|role| (subject.clone(), role.of.to_string())));
        }
        let everybody = match question.subject.kind() {
            Kind::User => "role/users",
            _ => "role/devices",
        };
        roles.push((subject, everybody.to_owned()));
        if let Device::Named(name) = &question.resource.device {
            let device = name.to_string();
            if let Some(member) = snapshot.member(&Subject::new(Kind::Device, name.clone())) {
                let of = member.groups.iter().filter(|group| lives(group.until));
                groups.extend(of.map(|group| (device.clone(), group.of.to_string())));
            }
            groups.push((device, "group/devices".to_owned()));
        }
    }
    for all in [&mut roles, &mut groups] {
        all.sort();
        all.dedup();
    }
    Ok((roles, groups))
}

/// An Enforcer with its questions.
pub struct Casbin<Q> {
    enforcer: Enforcer,
    questions: Vec<Q>,
}

impl<Q: EnforceArgs + Clone> Casbin<Q> {
    fn new(
        asked: &Asked,
        model: &str,
        rule: impl Fn([&str; 6]) -> Vec<String>,
        question: impl Fn(&Question) -> Q,
    ) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let mut model = runtime.block_on(DefaultModel::from_str(model))?;
        // One by one: all at once are none if two are alike.
        for columns in columns(asked) {
            model.add_policy("p", "p", rule(columns));
        }
        let (roles, groups) = memberships(asked)?;
        for (kind, all) in [("g", roles), ("g2", groups)] {
            for (member, of) in all {
                model.add_policy("g", kind, vec![member, of]);
            }
        }
        let mut enforcer = runtime.block_on(Enforcer::new_raw(model, NullAdapter))?;
        enforcer.build_role_links()?;
        Ok(Self { enforcer, questions: asked.questions().map(question).collect() })
    }

    /// Whether Casbin permits the question at a place.
    ///
    /// # Errors
    /// When it fails.
    pub fn ask(&self, at: usize) -> Result<bool, Failure> {
        let question = self.questions.get(at % self.questions.len()).ok_or("no question")?;
        Ok(self.enforcer.enforce(question.clone())?)
    }
}

/// A question on Doorward's own model, typed where it is more than text.
#[derive(Clone)]
pub struct Typed(Vec<Dynamic>);

impl EnforceArgs for Typed {
    fn try_into_vec(self) -> casbin::Result<Vec<Dynamic>> {
        Ok(self.0)
    }

    /// For Casbin's cache, which is off.
    fn cache_key(&self) -> u64 {
        0
    }
}

/// Plain casbin-rs on Doorward's model, with the functions that its matcher calls.
///
/// # Errors
/// When Casbin refuses the bundle.
pub fn plain(asked: &Asked) -> Result<Casbin<Typed>, Failure> {
    let now = now()?;
    let all = |columns: [&str; 6]| columns.map(str::to_owned).to_vec();
    let mut casbin = Casbin::new(asked, BundleText::MODEL, all, |question| {
        let context = question.context(now, Evidence::default());
        Typed(vec![
            question.subject.to_string().into(),
            question.resource.device.to_string().into(),
            Dynamic::from(question.resource.path.clone()),
            Dynamic::from(question.action),
            Dynamic::from(context),
        ])
    })?;
    casbin.enforcer.add_function("reaches", OperatorFunction::Arg3(reaches));
    casbin.enforcer.add_function("acts", OperatorFunction::Arg2(acts));
    casbin.enforcer.add_function("holds", OperatorFunction::Arg3(holds));
    Ok(casbin)
}

/// A question in words.
pub type Words = (String, String, String, String);

/// casbin-rs as its examples have it. It is asked less: conditions are left out, and a range of
/// registers is the text of that range. So its answers differ here and there.
///
/// # Errors
/// When Casbin refuses the bundle.
pub fn key_match(asked: &Asked) -> Result<Casbin<Words>, Failure> {
    let rule = |[who, on, path, acts, _, effect]: [&str; 6]| {
        let acts = match acts {
            "*" => ".*".to_owned(),
            some => some.split('|').map(|act| format!("({act})")).collect::<Vec<_>>().join("|"),
        };
        let path: Vec<&str> = path
            .split('/')
            .map(|segment| match segment {
                "**" => "*",
                "*" => ":one",
                text => text,
            })
            .collect();
        vec![who.into(), on.into(), format!("/{}", path.join("/")), acts, effect.into()]
    };
    Casbin::new(asked, KEY_MATCH, rule, |question| {
        (
            question.subject.to_string(),
            question.resource.device.to_string(),
            format!("/{}", question.resource.path.raw()),
            question.action.to_string(),
        )
    })
}

// What the matcher calls: as in the product, the rule's columns arrive as text and are read.

fn reaches(asked: Dynamic, pattern: Dynamic, effect: Dynamic) -> Dynamic {
    let deny = is_deny(effect);
    let (Some(path), Some(pattern)) = (asked.try_cast::<Path>(), read::<Pattern>(pattern)) else {
        return deny.into();
    };
    if deny { pattern.overlaps(&path).into() } else { pattern.covers(&path).into() }
}

fn acts(asked: Dynamic, actions: Dynamic) -> Dynamic {
    let (Some(asked), Ok(actions)) = (asked.try_cast::<Action>(), actions.into_string()) else {
        return false.into();
    };
    (actions == "*" || actions.split('|').any(|one| one == asked.as_str())).into()
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

fn read<T: FromStr>(column: Dynamic) -> Option<T> {
    column.into_string().ok()?.parse().ok()
}
