//! Whether somebody has any business at an interface at all.

use doorward_model::{Name, Path, Protocol, Segment};
use jiff::Timestamp;

use crate::answer::{Standing, identity};
use crate::bundle::Effect;
use crate::compiled::{ALWAYS, Entry, Extent, Found, Limit};
use crate::decision::{Denial, Opinion, Refusal};
use crate::held::Held;
use crate::judge::{Case, Looked};
use crate::lines::Lines;
use crate::question::{Question, Request};
use crate::snapshot::Snapshot;

impl Snapshot {
    /// Whether whoever makes `request` might do anything at the interface that its path begins
    /// with, whatever the request's own action: asked at a door before the first operation is
    /// known, so that an interface that is none of somebody's business looks like one that is not
    /// there. It gives no leave to do anything.
    ///
    /// # Errors
    /// When nothing that could be asked there would be permitted.
    pub fn reaches(&self, request: &Request, now: Timestamp) -> Result<(), Denial> {
        let mut asked = request.clone();
        let question = &mut asked.question;
        let name = match question.resource.path.segments() {
            [Segment::Text(name), ..] => name.parse().ok(),
            _ => None,
        };
        // Where there is no interface, as much is asked as where there is one.
        let found = name
            .as_ref()
            .and_then(|name: &Name| self.protocol(&question.resource.device, name.as_str()));
        let protocol = found.unwrap_or(Protocol::Http);
        let opening = protocol.opening();
        let actions = opening.as_ref().map_or(protocol.actions(), std::slice::from_ref);
        if let Some(name) = name.filter(|_| opening.is_none()) {
            question.resource.path = Path::everything(&name);
        }
        // Each is asked, so that it takes as long for whoever has all rights.
        let mut open = false;
        for action in actions {
            asked.question.action = *action;
            open |= self.opens(&asked.question, &self.standing(&asked.question), now);
        }
        let standing = self.standing(&asked.question);
        let known = standing.subject.map(|one| one.member.id);
        let row = self.certificate(&asked.certificate);
        let refusal = identity(&asked, known, row, now).err().or_else(|| standing.refusal());
        match refusal.or((!open).then_some(Refusal::NoRule)) {
            None => Ok(()),
            refusal => {
                let (revision, epoch) = (self.revision(), self.epoch());
                let rules = Lines::default();
                let opinion = Opinion { refusal, rules, revision, epoch, ask_again_at: None };
                Err(Denial { opinion })
            }
        }
    }

    /// Whether a rule allows some of what the question's path names, and none denies all of it.
    fn opens(&self, question: &Question, standing: &Standing<'_>, now: Timestamp) -> bool {
        let (no_roles, no_groups) = (Held::none(), Held::none());
        let roles = standing.subject.map_or(&no_roles, |subject| &subject.roles);
        let groups = standing.device.map_or(&no_groups, |device| &device.groups);
        let context = question.context(now);
        let case = Case::new(self.bundle(), (question, &[]), context, roles, groups);
        let compiled = self.bundle().compiled();
        // Whether there is one; `None` if that is not found out.
        let any = |effect, extent| {
            let mut any = false;
            let found = &mut |rule, entry: &Entry| {
                let applies = match compiled.when(entry.when) {
                    _ if entry.when == ALWAYS => true,
                    Some(when) => when.holds(&case.context).applies(effect),
                    None => effect == Effect::Deny,
                };
                let suspended = effect == Effect::Allow
                    && self.suspended().contains(&(compiled.line(rule) as usize));
                any |= applies && !suspended;
                match (any, suspended) {
                    (true, _) => Found::Enough,
                    // Another one may not be.
                    (false, true) => Found::On,
                    (false, false) => Found::Alike,
                }
            };
            let path = &question.resource.path;
            let looked = case.find_to((effect, extent), path, Limit::Few, found);
            (any || looked != Looked::NotAll).then_some(any)
        };
        // Whoever has so many rules there has business there. Each operation is decided by itself.
        any(Effect::Allow, Extent::Some) != Some(false)
            && any(Effect::Deny, Extent::All) != Some(true)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use doorward_model::{Action, Device, InterfaceId, Resource, Revision, SubjectId};
    use proptest::prelude::*;

    use super::*;
    use crate::bundle::{Bundle, BundleText};
    use crate::decision::Decision;
    use crate::snapshot::{Certificate, Interface, Member};

    fn now() -> Timestamp {
        "2027-01-01T12:00:00Z".parse().unwrap()
    }

    fn under(policy: &str) -> Snapshot {
        let text =
            BundleText { policy: policy.to_owned(), tests: String::new(), ..BundleText::default() };
        let bundle = Bundle::parse(text).unwrap();
        let member =
            |id| Member { id: SubjectId(id), enabled: true, roles: vec![], groups: vec![] };
        let interfaces = [("modbus", "modbus://h:1"), ("bus", "mqtt://h:1"), ("ssh", "tcp://h:1")];
        let interfaces = interfaces.into_iter().zip(1..).map(|((name, url), id)| Interface {
            id: InterfaceId(id),
            name: name.parse().unwrap(),
            target: url.parse().unwrap(),
            enabled: true,
        });
        let certificate = Certificate {
            subject: SubjectId(1),
            key: "00".repeat(32).parse().unwrap(),
            not_before: Timestamp::MIN,
            not_after: Timestamp::MAX,
        };
        Snapshot::new("a.b".parse().unwrap(), Revision(1), Arc::new(bundle))
            .with_member("user/alice".parse().unwrap(), Some(member(1)))
            .with_member("device/plc".parse().unwrap(), Some(member(2)))
            .with_interfaces("plc".parse().unwrap(), interfaces.collect())
            .with_certificate(id(), Some(certificate))
    }

    fn id() -> doorward_model::CertificateId {
        doorward_model::CertificateId {
            issuer: "00".repeat(32).parse().unwrap(),
            serial: "01".parse().unwrap(),
        }
    }

    fn request(path: Path, action: Action) -> Request {
        let resource = Resource { device: Device::Named("plc".parse().unwrap()), path };
        let subject = "user/alice".parse().unwrap();
        let question = Question { subject, resource, action, source: None, proven: None };
        Request { question, subject: SubjectId(1), certificate: id() }
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
            // None of the protocol's actions.
            ("p, user/alice, plc, modbus/**, get|connect, , allow", Err(Refusal::NoRule)),
            // Not now.
            (
                "p, user/alice, plc, modbus/**, read, until=2026-01-01T00:00:00Z, allow",
                Err(Refusal::NoRule),
            ),
            ("p, user/alice, plc, modbus/**, read, from=10.0.0.0/8, allow", Err(Refusal::NoRule)),
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
                Err(Refusal::NoRule),
            ),
            (
                "p, user/alice, plc, modbus/**, read, , allow\np, role/users, plc, **, *, from=10.0.0.0/8, deny",
                Err(Refusal::NoRule),
            ),
        ];
        for (policy, expected) in modbus {
            assert_eq!(reaches(&under(policy), "modbus"), expected, "{policy}");
        }
        let all = under("p, user/alice, plc, **, *, , allow");
        assert_eq!(reaches(&all, "none"), Err(Refusal::UnknownInterface));
        assert_eq!(reaches(&all, "Not a name"), Err(Refusal::UnknownInterface));
        // Where there is an opening question, it is that.
        let topics = under("p, user/alice, plc, bus/a/**, publish, , allow");
        assert_eq!(reaches(&topics, "bus"), Err(Refusal::NoRule));
        assert_eq!(reaches(&under("p, user/alice, plc, bus, connect, , allow"), "bus"), Ok(()));
        // Whoever does not stand reaches nothing.
        let gone = all.with_certificate(id(), None);
        assert_eq!(reaches(&gone, "modbus"), Err(Refusal::CertificateNotLive));
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
        assert_eq!(reaches(&under(&policy(100)), "modbus"), Err(Refusal::NoRule));
        let many = under(&policy(5000));
        assert_eq!(reaches(&many, "modbus"), Ok(()));
        let name = "modbus".parse().unwrap();
        let path = Path::modbus(&name, 1, doorward_model::Table::Holding, 7, 7);
        let decision = many.decide_again(&request(path, Action::Read), now());
        assert!(matches!(decision, Decision::Denial(_)));
        // Those of others are no business of theirs.
        let others = under(&policy(5000).replace("user/alice", "user/bob"));
        assert_eq!(reaches(&others, "modbus"), Err(Refusal::NoRule));
    }

    #[test]
    fn what_is_suspended_opens_nothing() {
        let snapshot = under("p, user/alice, plc, modbus/**, read, , allow");
        assert_eq!(reaches(&snapshot.suspending(&[1]), "modbus"), Err(Refusal::NoRule));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

        /// Whoever may do something gets in to do it.
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
