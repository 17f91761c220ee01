//! Finds out when a subject could first do something at an interface that refuses it now.

use doorward_model::{Action, Path, Protocol, Segment};
use jiff::Timestamp;

use crate::answer::identity;
use crate::compiled::{ALWAYS, Extent, Limit, RuleEntry, SearchControl};
use crate::judge::Case;
use crate::membership::ResolvedMemberships;
use crate::question::{Context, Question};
use crate::request::Request;
use crate::resolved::ResolvedQuestion;
use crate::rule::Effect;
use crate::snapshot::Snapshot;
use crate::when::When;

/// How many changes of one rule's conditions are looked at. After that, the last one counts, which
/// may be too early.
const CHANGES: usize = 16;

impl Snapshot {
    /// Returns the first later instant at which the subject of `request` could do something at the
    /// interface that the path begins with, if nothing but the time changes; `None` if no rule comes
    /// to allow it by waiting. The request's own action does not matter. The answer is no promise,
    /// and for a question that is permitted now it means nothing.
    ///
    /// As for [`Snapshot::reaches`], the number of searches does not depend on what exists.
    #[must_use]
    pub fn reaches_later(&self, request: &Request, now: Timestamp) -> Option<Timestamp> {
        let resolved = self.resolve(&request.question);
        let protocol = resolved.protocol();
        let opening = protocol.and_then(Protocol::opening);
        let mut question = request.question.clone();
        question.action = Action::Connect;
        let opens = self.opens_from(&question, &resolved, now);
        let mut first = opens.filter(|_| opening.is_some());
        if let [Segment::Text(name), ..] = request.question.resource.path.segments()
            && let Ok(name) = name.parse()
        {
            question.resource.path = Path::everything(&name);
        }
        let without_opening = protocol.filter(|_| opening.is_none());
        for action in Action::ALL {
            question.action = *action;
            let opens = self.opens_from(&question, &resolved, now);
            let counts = without_opening.is_some_and(|one| one.actions().contains(action));
            first = earliest(first, opens.filter(|_| counts));
        }
        let known = resolved.subject.map(|one| one.member.id);
        let identity = identity(request, known, self.standing(&request.proof), now);
        first.filter(|at| *at > now && identity.is_ok() && resolved.bar().is_none())
    }

    /// Returns the first instant from `now` on at which a rule allows some of what the question's
    /// path names, and no rule denies all of it.
    fn opens_from(
        &self,
        question: &Question,
        resolved: &ResolvedQuestion<'_>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let none = (ResolvedMemberships::none(), ResolvedMemberships::none());
        let (roles, groups) = self.memberships(resolved, &none);
        let context = question.context(now, resolved.evidence());
        let case = Case::new(self.bundle(), (question, &[]), context, roles, groups);
        let compiled = self.bundle().compiled();
        let path = &question.resource.path;
        let mut allowed = None;
        let found = &mut |rule, entry: &RuleEntry| {
            if self.suspended().contains(&(compiled.line(rule) as usize)) {
                return SearchControl::Next;
            }
            let from = match compiled.when(entry.when) {
                _ if entry.when == ALWAYS => Some(now),
                Some(when) => applies_from(when, &case.context),
                None => None,
            };
            allowed = earliest(allowed, from);
            SearchControl::SkipAlike
        };
        let _ = case.find_to((Effect::Allow, Extent::Some), path, Limit::Few, found);
        let mut free = Some(now);
        let found = &mut |_, entry: &RuleEntry| {
            let until = match compiled.when(entry.when) {
                Some(when) if entry.when != ALWAYS => denies_until(when, &case.context),
                Some(_) | None => None,
            };
            free = free.zip(until).map(|(one, other)| one.max(other));
            SearchControl::SkipAlike
        };
        let _ = case.find_to((Effect::Deny, Extent::All), path, Limit::Few, found);
        allowed.zip(free).map(|(from, free)| from.max(free))
    }
}

/// Returns the first instant at which the conditions of an allow rule hold; `None` if time alone
/// does not make them hold.
fn applies_from(when: &When, context: &Context) -> Option<Timestamp> {
    if when.fails_by_time_only(context) { turns(when, context, Effect::Allow, true) } else { None }
}

/// Returns the first instant at which the conditions of a deny rule do not apply; `None` if time
/// alone does not end them.
fn denies_until(when: &When, context: &Context) -> Option<Timestamp> {
    turns(when, context, Effect::Deny, false)
}

/// Returns the first instant, from the context's own on, at which the conditions apply, or do not.
fn turns(when: &When, context: &Context, effect: Effect, applies: bool) -> Option<Timestamp> {
    let mut context = context.clone();
    for _ in 0..CHANGES {
        if when.holds(&context).applies(effect) == applies {
            break;
        }
        context.now = when.changes_at(&context)?;
    }
    Some(context.now)
}

fn earliest(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    [one, other].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use doorward_model::{Device, Resource, SubjectId};

    use super::*;
    use crate::fixture::{self, certificate, now};
    use crate::question::Circumstances;

    fn later(policy: &str, interface: &str) -> Option<String> {
        let interfaces = [
            ("ssh", "tcp://h:1"),
            ("modbus", "modbus://h:1"),
            ("bus", "mqtt://h:1"),
            ("line", "serial:/dev/ttyS0"),
        ];
        let snapshot = fixture::snapshot(policy, &interfaces);
        let path = Path::literal(interface).unwrap();
        let resource = Resource { device: Device::Named("plc".parse().unwrap()), path };
        let subject = "user/alice".parse().unwrap();
        let circumstances = Circumstances::default();
        let question = Question { subject, resource, action: Action::Connect, circumstances };
        let request = Request { question, subject: SubjectId(1), proof: certificate().into() };
        let found = snapshot.reaches_later(&request, now());
        let gone = snapshot.with_certificate(certificate(), None);
        assert_eq!(gone.reaches_later(&request, now()), None, "an identity that is over");
        found.map(|at| at.to_string())
    }

    #[test]
    fn waiting_helps_where_a_rule_comes_to_hold_by_time_alone() {
        let after = "after=2100-01-01T00:00:00Z";
        for (policy, interface) in [
            ("p, user/alice, plc, ssh, connect, WHEN, allow", "ssh"),
            ("p, role/users, plc, modbus/1/holding/0-9, read, WHEN, allow", "modbus"),
            ("p, user/alice, plc, bus, connect, WHEN, allow", "bus"),
            ("p, user/alice, plc, line, write, WHEN, allow", "line"),
            // The days after the instant, and a rule that begins still later.
            (
                "p, user/alice, plc, ssh, connect, WHEN; time=Mon-Sun 00:00-24:00 UTC, allow\n\
                 p, user/alice, plc, ssh, connect, after=2101-01-01T00:00:00Z, allow",
                "ssh",
            ),
            (
                "p, user/alice, plc, ssh, connect, , allow\n\
                 p, user/alice, plc, ssh, connect, until=2100-01-01T00:00:00Z, deny",
                "ssh",
            ),
        ] {
            let policy = policy.replace("WHEN", after);
            let expected = Some("2100-01-01T00:00:00Z".to_owned());
            assert_eq!(later(&policy, interface), expected, "{policy}");
            assert_eq!(later(&policy, "none"), None, "{policy}");
        }
    }

    #[test]
    fn waiting_does_not_help_where_something_else_is_missing() {
        for policy in [
            "p, user/bob, plc, ssh, connect, after=2100-01-01T00:00:00Z, allow",
            "p, user/alice, other, ssh, connect, after=2100-01-01T00:00:00Z, allow",
            "p, user/alice, plc, ssh, read, after=2100-01-01T00:00:00Z, allow",
            "p, user/alice, plc, ssh, connect, until=2020-01-01T00:00:00Z, allow",
            "p, user/alice, plc, ssh, connect, from=10.0.0.0/8, allow",
            "p, user/alice, plc, ssh, connect, from=10.0.0.0/8; after=2100-01-01T00:00:00Z, allow",
            "p, user/alice, plc, ssh, connect, after=2100-01-01T00:00:00Z, allow\n\
             p, user/alice, plc, ssh, connect, , deny",
        ] {
            assert_eq!(later(policy, "ssh"), None, "{policy}");
        }
    }
}
