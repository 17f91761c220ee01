//! Decides whether a subject may do anything at an interface.

mod closed;

use std::net::IpAddr;

use doorward_model::{Action, Device, Path, Protocol, Resource, Segment, Subject};
use jiff::Timestamp;

use crate::answer::identity;
use crate::compiled::{ALWAYS, Extent, Limit, RuleEntry, SearchControl};
use crate::decision::{Denial, Opinion};
use crate::judge::{Case, SearchEnd};
use crate::membership::ResolvedMemberships;
use crate::question::{Circumstances, Question};
use crate::request::Request;
use crate::resolved::ResolvedQuestion;
use crate::rule::Effect;
use crate::snapshot::Snapshot;

use closed::{Closed, Waiting, nearer};

impl Snapshot {
    /// Checks whether the subject of `request` might do anything at the interface that the path
    /// begins with; the request's own action does not matter. It is asked before the first
    /// operation is known, so that an interface where the subject may do nothing looks like one
    /// that does not exist. It makes no permit.
    ///
    /// # Errors
    /// When nothing that could be asked at the interface would be permitted.
    pub fn reaches(&self, request: &Request, now: Timestamp) -> Result<(), Denial> {
        let mut asked = request.clone();
        let resolved = self.resolve(&request.question);
        let protocol = resolved.protocol();
        let opening = protocol.and_then(Protocol::opening);
        // It asks the same questions whatever the protocol is, and if there is no such interface,
        // so that it always takes as long: the action that opens a flow, and then every action. An
        // action that the protocol does not have does not count.
        asked.question.action = Action::Connect;
        let opens = self.opens(&asked.question, &resolved, now);
        let mut found = if opening.is_some() { opens } else { Err(Closed::default()) };
        let name = match request.question.resource.path.segments() {
            [Segment::Text(name), ..] => name.parse().ok(),
            _ => None,
        };
        if let Some(name) = name {
            asked.question.resource.path = Path::everything(&name);
        }
        let without_opening = protocol.filter(|_| opening.is_none());
        for action in Action::ALL {
            asked.question.action = *action;
            let opens = self.opens(&asked.question, &resolved, now);
            if without_opening.is_some_and(|one| one.actions().contains(action)) {
                found = nearer(found, opens);
            }
        }
        let known = resolved.subject.map(|one| one.member.id);
        let standing = self.standing(&request.proof);
        let closed = match identity(request, known, standing, now).err().or_else(|| resolved.bar())
        {
            Some(refusal) => Closed::barred(refusal),
            None => match found {
                Ok(()) => return Ok(()),
                Err(closed) => closed,
            },
        };
        let Closed { refusal, rules, changes_at, .. } = closed;
        let (revision, epoch) = (self.revision(), self.epoch());
        let (refusal, ask_again_at) = (Some(refusal), changes_at);
        Err(Denial { opinion: Opinion { refusal, rules, revision, epoch, ask_again_at } })
    }

    /// Returns whether a subject may do anything in the gateway's administration, from that address
    /// and with a handshake at that time. It makes no permit.
    #[must_use]
    pub fn administers(
        &self,
        subject: &Subject,
        (source, proven): (IpAddr, Timestamp),
        now: Timestamp,
    ) -> bool {
        let mut question = Question {
            subject: subject.clone(),
            resource: Resource { device: Device::Gateway, path: Path::all() },
            action: Action::Read,
            circumstances: Circumstances { source: Some(source), proven: Some(proven) },
        };
        let actions = [Action::Read, Action::Update, Action::Create, Action::Delete];
        actions.into_iter().any(|action| {
            question.action = action;
            self.opens(&question, &self.resolve(&question), now).is_ok()
        })
    }

    /// Checks that a rule allows some of what the question's path names, and no rule denies all of
    /// it.
    fn opens(
        &self,
        question: &Question,
        resolved: &ResolvedQuestion<'_>,
        now: Timestamp,
    ) -> Result<(), Closed> {
        let none = (ResolvedMemberships::none(), ResolvedMemberships::none());
        let (roles, groups) = self.memberships(resolved, &none);
        let context = question.context(now, resolved.evidence());
        let case = Case::new(self.bundle(), (question, &[]), context, roles, groups);
        let compiled = self.bundle().compiled();
        let mut waiting = Waiting::default();
        // The rule that was found; `None` if the search ran out of steps.
        let first = |effect, extent, waiting: &mut Waiting| {
            let mut any = None;
            let found = &mut |rule, entry: &RuleEntry| {
                let when = compiled.when(entry.when).filter(|_| entry.when != ALWAYS);
                let applies = match when {
                    _ if entry.when == ALWAYS => true,
                    Some(when) => when.holds(&case.context).applies(effect),
                    None => effect == Effect::Deny,
                };
                let line = compiled.line(rule);
                let suspended =
                    effect == Effect::Allow && self.suspended().contains(&(line as usize));
                if applies && !suspended {
                    let changes_at = when.and_then(|when| when.changes_at(&case.context));
                    any = Some((line, changes_at));
                    return SearchControl::Stop;
                }
                if let Some(when) = when.filter(|_| effect == Effect::Allow && !suspended) {
                    waiting.add(line, when, &case.context);
                }
                // Another rule of the kind may not be suspended.
                if suspended { SearchControl::Next } else { SearchControl::SkipAlike }
            };
            let path = &question.resource.path;
            let looked = case.find_to((effect, extent), path, Limit::Few, found);
            (any.is_some() || looked != SearchEnd::OutOfSteps).then_some(any)
        };
        // A subject with too many rules to search is let in. Each operation is decided by itself.
        let allowed = first(Effect::Allow, Extent::Some, &mut waiting) != Some(None);
        let may_be = allowed || waiting.waits();
        let denied = may_be.then(|| first(Effect::Deny, Extent::All, &mut waiting));
        match denied.flatten().flatten() {
            Some((line, changes_at)) => Err(Closed::denied(line, changes_at)),
            None if allowed => Ok(()),
            None => Err(waiting.closed()),
        }
    }
}

#[cfg(test)]
mod tests {
    use doorward_model::SubjectId;
    use proptest::prelude::*;

    use super::*;
    use crate::decision::{Decision, Refusal};
    use crate::fixture::{self, certificate, now};

    fn under(policy: &str) -> Snapshot {
        let interfaces = [
            ("modbus", "modbus://h:1"),
            ("bus", "mqtt://h:1"),
            ("ssh", "tcp://h:1"),
            ("web", "http://h:1"),
            ("line", "serial:/dev/ttyS0"),
        ];
        fixture::snapshot(policy, &interfaces)
    }

    fn request(path: Path, action: Action) -> Request {
        let resource = Resource { device: Device::Named("plc".parse().unwrap()), path };
        let subject = "user/alice".parse().unwrap();
        let question =
            Question { subject, resource, action, circumstances: Circumstances::default() };
        Request { question, subject: SubjectId(1), proof: certificate().into() }
    }

    fn reaches(snapshot: &Snapshot, interface: &str) -> Result<(), Refusal> {
        let request = request(Path::literal(interface).unwrap(), Action::Connect);
        snapshot.reaches(&request, now()).map_err(|denial| denial.reason())
    }

    #[test]
    fn an_interface_is_reached_by_whoever_may_do_anything_there() {
        let modbus = [
            ("p, user/alice, plc, modbus/1/holding/0-9, read, , allow", Ok(())),
            ("p, user/alice, plc, modbus/*/coil/*, write, , allow", Ok(())),
            ("p, role/users, group/devices, **, *, , allow", Ok(())),
            ("p, user/alice, plc, */**, diagnose, , allow", Ok(())),
            ("p, user/bob, plc, **, *, , allow", Err(Refusal::NoRule)),
            ("p, user/alice, other, **, *, , allow", Err(Refusal::NoRule)),
            ("p, user/alice, plc, ssh, connect, , allow", Err(Refusal::NoRule)),
            ("p, user/alice, plc, bus/**, *, , allow", Err(Refusal::NoRule)),
            // Actions that the protocol does not have.
            ("p, user/alice, plc, modbus/**, get|connect, , allow", Err(Refusal::NoRule)),
            // Not at this time.
            (
                "p, user/alice, plc, modbus/**, read, until=2026-01-01T00:00:00Z, allow",
                Err(Refusal::OutsideTime),
            ),
            (
                "p, user/alice, plc, modbus/**, read, from=10.0.0.0/8, allow",
                Err(Refusal::Conditions),
            ),
            // What is nearest to being open is the reason: waiting is enough for the second rule.
            (
                "p, user/alice, plc, modbus/**, read, from=10.0.0.0/8, allow\np, user/alice, plc, modbus/**, write, after=2099-01-01T00:00:00Z, allow",
                Err(Refusal::OutsideTime),
            ),
            (
                "p, user/alice, plc, modbus/**, read, from=10.0.0.0/8, allow\np, user/alice, plc, **, read, , deny",
                Err(Refusal::DeniedByRule),
            ),
            // Another action, and another interface.
            (
                "p, user/alice, plc, modbus/**, get, from=10.0.0.0/8, allow\np, user/alice, plc, web/**, get, from=10.0.0.0/8, allow",
                Err(Refusal::NoRule),
            ),
            // Denied in part, and as a whole.
            (
                "p, user/alice, plc, modbus/**, read, , allow\np, user/alice, plc, modbus/1/**, *, , deny",
                Ok(()),
            ),
            (
                "p, user/alice, plc, modbus/**, read|write, , allow\np, user/alice, plc, **, read, , deny",
                Ok(()),
            ),
            (
                "p, user/alice, plc, modbus/**, read, , allow\np, role/users, plc, **, *, , deny",
                Err(Refusal::DeniedByRule),
            ),
            (
                "p, user/alice, plc, modbus/**, read, , allow\np, role/users, plc, **, *, from=10.0.0.0/8, deny",
                Err(Refusal::DeniedByRule),
            ),
        ];
        for (policy, expected) in modbus {
            assert_eq!(reaches(&under(policy), "modbus"), expected, "{policy}");
        }
        let all = under("p, user/alice, plc, **, *, , allow");
        assert_eq!(reaches(&all, "none"), Err(Refusal::UnknownInterface));
        assert_eq!(reaches(&all, "Not a name"), Err(Refusal::UnknownInterface));
        // Where an action opens a flow, that action decides.
        let topics = under("p, user/alice, plc, bus/a/**, publish, , allow");
        assert_eq!(reaches(&topics, "bus"), Err(Refusal::NoRule));
        assert_eq!(reaches(&under("p, user/alice, plc, bus, connect, , allow"), "bus"), Ok(()));
        assert_eq!(
            reaches(&under("p, user/alice, plc, bus, connect, from=10.0.0.0/8, allow"), "bus"),
            Err(Refusal::Conditions)
        );
        // A subject without a live certificate reaches nothing.
        let gone = all.with_certificate(certificate(), None);
        assert_eq!(reaches(&gone, "modbus"), Err(Refusal::CertificateNotLive));
    }

    #[test]
    fn a_refusal_names_the_rules_that_come_nearest_and_when_time_could_change_it() {
        let denial = |policy: &str| {
            let request = request(Path::literal("modbus").unwrap(), Action::Connect);
            let denial = under(policy).reaches(&request, now()).unwrap_err();
            let opinion = denial.opinion();
            (denial.reason(), opinion.rules.to_vec(), opinion.ask_again_at)
        };
        let later = "2099-01-01T00:00:00Z";
        let none = "p, user/bob, plc, **, *, , allow\n";
        let from = "p, user/alice, plc, modbus/**, *, from=10.0.0.0/8, allow\n";
        let until = "p, user/alice, plc, **, *, until=2099-01-01T00:00:00Z, deny\n";
        let after = "p, user/alice, plc, modbus/**, write, after=2099-01-01T00:00:00Z, allow\n";
        let at = Some(later.parse().unwrap());
        assert_eq!(denial(none), (Refusal::NoRule, vec![], None));
        assert_eq!(denial(from), (Refusal::Conditions, vec![1], None));
        assert_eq!(denial(&format!("{none}{from}{from}")), (Refusal::Conditions, vec![2], None));
        assert_eq!(denial(&format!("{from}{after}")), (Refusal::OutsideTime, vec![2], at));
        assert_eq!(denial(&format!("{from}{until}")), (Refusal::DeniedByRule, vec![2], at));
    }

    /// The time of a refusal does not tell what exists: the number of searches is the same at an
    /// interface of any protocol, and without an interface.
    #[test]
    fn as_much_is_asked_whether_or_not_there_is_an_interface() {
        let off = |snapshot: Snapshot| {
            let name = "plc".parse().unwrap();
            let mut interfaces = snapshot.interfaces(&name).to_vec();
            interfaces.iter_mut().for_each(|one| one.enabled = false);
            snapshot.with_interfaces(name, interfaces)
        };
        for policy in [
            "p, user/bob, plc, **, *, , allow",
            "p, user/bob, plc, **, *, , allow\np, role/users, group/devices, **, *, , deny",
            "p, role/users, group/devices, other/**, *, , allow",
        ] {
            let mut counts = vec![];
            for snapshot in [under(policy), off(under(policy))] {
                for (device, interface) in [
                    ("plc", "modbus"),
                    ("plc", "bus"),
                    ("plc", "ssh"),
                    ("plc", "web"),
                    ("plc", "line"),
                    ("plc", "none"),
                    ("ghost", "ssh"),
                ] {
                    let mut request = request(Path::literal(interface).unwrap(), Action::Connect);
                    request.question.resource.device = Device::Named(device.parse().unwrap());
                    let walks = |ask: &dyn Fn()| {
                        let before = crate::judge::searches();
                        ask();
                        crate::judge::searches() - before
                    };
                    let reaches = walks(&|| assert!(snapshot.reaches(&request, now()).is_err()));
                    let decides = walks(&|| {
                        assert!(matches!(snapshot.decide(&request, now()), Decision::Denial(_)));
                    });
                    counts.push((reaches, decides));
                }
            }
            let first = counts[0];
            assert!(first.0 > Action::ALL.len() && first.1 > 0, "{first:?}");
            assert!(counts.iter().all(|count| *count == first), "{policy}: {counts:?}");
        }
    }

    #[test]
    fn whoever_has_very_many_rules_there_gets_in_and_is_decided_there() {
        let rule = |n: usize| {
            format!(
                "p, user/alice, plc, modbus/1/holding/{n}, read, until=20{:02}-01-01T00:{:02}:{:02}Z, allow\n",
                n / 3600,
                n / 60 % 60,
                n % 60
            )
        };
        let policy = |count| (0..count).map(rule).collect::<String>();
        assert_eq!(reaches(&under(&policy(100)), "modbus"), Err(Refusal::OutsideTime));
        let many = under(&policy(5000));
        assert_eq!(reaches(&many, "modbus"), Ok(()));
        let name = "modbus".parse().unwrap();
        let path = Path::modbus(&name, 1, doorward_model::Table::Holding, 7, 7);
        let decision = many.decide_again(&request(path, Action::Read), now());
        assert!(matches!(decision, Decision::Denial(_)));
        // Rules of other subjects do not count.
        let others = under(&policy(5000).replace("user/alice", "user/bob"));
        assert_eq!(reaches(&others, "modbus"), Err(Refusal::NoRule));
    }

    #[test]
    fn what_is_suspended_opens_nothing() {
        let snapshot = under("p, user/alice, plc, modbus/**, read, , allow");
        assert_eq!(reaches(&snapshot.suspending(&[1]), "modbus"), Err(Refusal::NoRule));
    }

    #[test]
    fn whoever_may_do_something_in_the_administration_is_known_to() {
        let snapshot = under(
            "p, user/auditor, gateway, audit, read, , allow\n\
             p, user/guard, gateway, devices/**, update, from=192.0.2.0/24, allow\n\
             p, user/alice, plc, ssh, connect, , allow\n\
             p, user/gone, gateway, **, *, , allow\n\
             p, user/gone, gateway, **, *, , deny\n",
        );
        let from = |address: &str, name: &str| {
            let subject = name.parse().unwrap();
            snapshot.administers(&subject, (address.parse().unwrap(), now()), now())
        };
        assert!(!from("192.0.2.1", "user/alice") && !from("192.0.2.1", "user/gone"));
        assert!(!from("192.0.2.1", "user/nobody"));
        assert!(from("192.0.2.1", "user/auditor"));
        assert!(from("192.0.2.1", "user/guard") && !from("198.51.100.1", "user/guard"));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

        /// A subject that may do something at an interface reaches it.
        #[test]
        fn whatever_is_permitted_is_reached(
            rules in prop::collection::vec(
                ("user/alice|role/users|user/bob", "plc|group/devices|other", "modbus|\\*",
                 "/[12*]/(holding|\\*)/([0-9]|2-5|\\*)|/[12*]/\\*\\*|/\\*\\*|", "read|write|\\*", "allow|allow|deny"),
                1..8,
            ),
            (unit, first, count, write) in (1..3_u8, 0..9_u16, 0..4_u16, any::<bool>()),
        ) {
            let line = |(who, on, door, rest, acts, effect): &(String, String, String, String, String, String)| {
                format!("p, {who}, {on}, {door}{rest}, {acts}, , {effect}\n")
            };
            let policy: String = rules.iter().map(line).collect();
            let snapshot = under(&policy);
            let name = "modbus".parse().unwrap();
            let table = doorward_model::Table::Holding;
            let path = Path::modbus(&name, unit, table, first, first + count);
            let action = if write { Action::Write } else { Action::Read };
            if let Decision::Permit(_) = snapshot.decide_again(&request(path, action), now()) {
                prop_assert_eq!(reaches(&snapshot, "modbus"), Ok(()), "{}", policy);
            }
            if !policy.contains("allow") {
                prop_assert!(reaches(&snapshot, "modbus").is_err());
            }
        }
    }
}
