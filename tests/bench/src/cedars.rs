//! Cedar, on a translation of the bundle.
//!
//! Who and which devices become entities with roles and groups as their parents; a rule becomes
//! one policy, its effect `permit` or `forbid`, its path and conditions a `when` clause. What a
//! clause needs comes with the question, in its context. So that Cedar has no more to do than it
//! must, these are approximations:
//!
//! - `*` is one segment in Doorward; in Cedar's `like` it crosses slashes.
//! - `time=` is a truth that comes with the question, and no calendar.
//! - `until=` is a comparison of whole seconds.
//! - A unit, a table and a range of registers come with the question as numbers and a text.
//! - Text that looks like a range is no range, and is not looked for.
//!
//! Where an answer differs for that, the question is counted and not timed.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::str::FromStr as _;

use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName, EntityUid,
    PolicySet, Request, RestrictedExpression,
};
use doorward_model::Segment;
use doorward_policies::{Question, Truth, When};
use jiff::Timestamp;

use crate::casbins::{columns, memberships};
use crate::{Asked, Failure, now};

/// Cedar with its policies, entities and questions.
pub struct Cedar {
    authorizer: Authorizer,
    policies: PolicySet,
    entities: Entities,
    requests: Vec<Request>,
}

impl Cedar {
    /// Cedar on the same bundle, state and questions.
    ///
    /// # Errors
    /// When the bundle says what was not foreseen here.
    pub fn new(asked: &Asked) -> Result<Self, Failure> {
        let (mut text, mut hours) = (String::new(), None);
        for columns in columns(asked) {
            policy(columns, &mut text, &mut hours)?;
        }
        let hours = hours.map_or(Ok(false), in_hours)?;
        let requests = asked.questions().map(|question| request(question, hours));
        Ok(Self {
            authorizer: Authorizer::new(),
            policies: PolicySet::from_str(&text)?,
            entities: entities(asked)?,
            requests: requests.collect::<Result<_, _>>()?,
        })
    }

    /// Whether Cedar permits the question at a place.
    ///
    /// # Errors
    /// When it fails.
    pub fn ask(&self, at: usize) -> Result<bool, Failure> {
        let request = self.requests.get(at % self.requests.len()).ok_or("no question")?;
        let answer = self.authorizer.is_authorized(request, &self.policies, &self.entities);
        if let Some(error) = answer.diagnostics().errors().next() {
            return Err(error.to_string().into());
        }
        Ok(answer.decision() == Decision::Allow)
    }
}

/// The entity behind a name of Doorward's: `role/r0`, `user/alice`, a device's own name.
fn entity(name: &str) -> Result<EntityUid, Failure> {
    let kind = match name.split_once('/') {
        Some(("role", _)) => "Role",
        Some(("group", _)) => "Group",
        Some(_) => "Subject",
        None => "Device",
    };
    uid(kind, name)
}

fn uid(kind: &str, name: &str) -> Result<EntityUid, Failure> {
    Ok(EntityUid::from_type_name_and_id(EntityTypeName::from_str(kind)?, EntityId::new(name)))
}

fn entities(asked: &Asked) -> Result<Entities, Failure> {
    let (roles, groups) = memberships(asked)?;
    let mut parents: HashMap<EntityUid, HashSet<EntityUid>> = HashMap::new();
    for (member, of) in roles.into_iter().chain(groups) {
        let of = entity(&of)?;
        parents.entry(of.clone()).or_default();
        parents.entry(entity(&member)?).or_default().insert(of);
    }
    let all = parents.into_iter().map(|(uid, parents)| Entity::new_no_attrs(uid, parents));
    Ok(Entities::from_entities(all, None)?)
}

/// Writes the policy of a rule.
fn policy<'a>(
    [who, on, path, acts, when, effect]: [&'a str; 6],
    out: &mut String,
    hours: &mut Option<&'a str>,
) -> Result<(), Failure> {
    let deny = effect == "deny";
    let principal = match who.starts_with("role/") {
        true => format!("principal in {}", entity(who)?),
        false => format!("principal == {}", entity(who)?),
    };
    let resource = match on.starts_with("group/") {
        true => format!("resource in {}", entity(on)?),
        false => format!("resource == {}", entity(on)?),
    };
    let named = |act: &str| uid("Action", act).map(|act| act.to_string());
    let action = match acts {
        "*" => "action".to_owned(),
        one if !one.contains('|') => format!("action == {}", named(one)?),
        many => {
            let many: Vec<String> = many.split('|').map(named).collect::<Result<_, _>>()?;
            format!("action in [{}]", many.join(", "))
        }
    };
    let mut clauses = vec![reached(path, deny)];
    for condition in when.split(';').map(str::trim).filter(|one| !one.is_empty()) {
        clauses.push(match condition.split_once('=') {
            Some(("from", networks)) => {
                let within = |network| format!("context.source.isInRange(ip(\"{network}\"))");
                let within: Vec<String> = networks.split('|').map(within).collect();
                let within = within.join(" || ");
                match deny {
                    true => format!("(!(context has source) || {within})"),
                    false => format!("context has source && ({within})"),
                }
            }
            Some(("until", instant)) => {
                let instant: Timestamp = instant.parse()?;
                format!("context.now < {}", instant.as_second())
            }
            Some(("time", _)) => {
                if hours.is_some_and(|known| known != condition) {
                    return Err(format!("more than one time: {condition}").into());
                }
                *hours = Some(condition);
                "context.hours".to_owned()
            }
            _ => return Err(format!("no translation of '{condition}'").into()),
        });
    }
    let effect = if deny { "forbid" } else { "permit" };
    let clauses = clauses.join(" && ");
    writeln!(out, "{effect}({principal}, {action}, {resource}) when {{ {clauses} }};")?;
    Ok(())
}

/// The clause for the path of a rule.
fn reached(path: &str, deny: bool) -> String {
    if let Some((interface, unit, table, first, last)) = registers(path) {
        let mut clause = format!("context.table == \"{interface}/{table}\"");
        // Unit 0 is every unit at once: a rule that allows must name it, any that denies meets it.
        clause += &match (unit, deny) {
            ("*", false) => " && context.unit != 0".to_owned(),
            ("*", true) => String::new(),
            (unit, false) => format!(" && context.unit == {unit}"),
            (unit, true) => format!(" && (context.unit == {unit} || context.unit == 0)"),
        };
        clause += &match deny {
            false => format!(" && context.first >= {first} && context.last <= {last}"),
            true => format!(" && context.first <= {last} && context.last >= {first}"),
        };
        return clause;
    }
    match path.strip_suffix("/**") {
        Some(above) if above.contains('*') => {
            format!("(context.path like \"{above}\" || context.path like \"{above}/*\")")
        }
        Some(above) => format!("(context.path == \"{above}\" || context.path like \"{above}/*\")"),
        None if path == "**" => "true".to_owned(),
        None if path.contains('*') => format!("context.path like \"{path}\""),
        None => format!("context.path == \"{path}\""),
    }
}

/// What `interface/unit/table/first-last` says, if a path is that.
fn registers(path: &str) -> Option<(&str, &str, &str, u16, u16)> {
    let mut parts = path.split('/');
    let (interface, unit, table) = (parts.next()?, parts.next()?, parts.next()?);
    let (first, last) = parts.next()?.split_once('-')?;
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    let is_unit = unit == "*" || unit.parse::<u8>().is_ok();
    (is_unit && parts.next().is_none()).then_some((interface, unit, table, first, last))
}

fn in_hours(condition: &str) -> Result<bool, Failure> {
    let context = doorward_policies::Context::at(now()?);
    Ok(When::from_str(condition)?.holds(&context) == Truth::True)
}

fn request(question: &Question, hours: bool) -> Result<Request, Failure> {
    let path = &question.resource.path;
    let registers = match path.segments() {
        [
            Segment::Text(interface),
            Segment::Unit(unit),
            Segment::Text(table),
            Segment::Range(first, last),
        ] => (format!("{interface}/{table}"), (*unit).into(), (*first).into(), (*last).into()),
        _ => (String::new(), -1, -1, -1),
    };
    let (table, unit, first, last): (String, i64, i64, i64) = registers;
    let mut context = vec![
        ("path", RestrictedExpression::new_string(path.raw())),
        ("table", RestrictedExpression::new_string(table)),
        ("unit", RestrictedExpression::new_long(unit)),
        ("first", RestrictedExpression::new_long(first)),
        ("last", RestrictedExpression::new_long(last)),
        ("now", RestrictedExpression::new_long(now()?.as_second())),
        ("hours", RestrictedExpression::new_bool(hours)),
    ];
    if let Some(source) = question.circumstances.source {
        let source = source.to_canonical().to_string();
        context.push(("source", RestrictedExpression::new_ip(source)));
    }
    let context = Context::from_pairs(context.into_iter().map(|(name, is)| (name.to_owned(), is)))?;
    Ok(Request::new(
        entity(&question.subject.to_string())?,
        uid("Action", question.action.as_str())?,
        entity(question.resource.device.as_str())?,
        context,
        None,
    )?)
}
