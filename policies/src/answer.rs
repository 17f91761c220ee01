//! Answers questions and requests from a snapshot.

use doorward_model::{Device, DeviceId, Group, Kind, Path, Role, Segment, Subject, SubjectId};
use jiff::Timestamp;

use crate::compiled::{Limit, SearchControl};
use crate::decision::{Decision, DeclaredInterface, Denial, Opinion, Permit, Refusal};
use crate::judge::{Case, RulesVerdict, Search, casbin_permits, verdict_of};
use crate::membership::ResolvedMemberships;
use crate::proof::Standing;
use crate::question::{Context, Question};
use crate::request::Request;
use crate::resolved::ResolvedQuestion;
use crate::rule::Effect;
use crate::snapshot::Snapshot;

/// Which judges decide.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judges {
    /// The compiled form and casbin-rs: both must permit.
    Both,
    /// The compiled form alone.
    Compiled,
}

impl Snapshot {
    /// Returns what this state says of `question`. It makes no permit: see [`Snapshot::decide`].
    #[must_use]
    pub fn opinion(&self, question: &Question, now: Timestamp) -> Opinion {
        let resolved = self.resolve(question);
        self.judge(Judges::Both, question, &resolved, resolved.refusal(), now)
    }

    /// Returns what the rules alone say of `question`, even if the subject or the interface does
    /// not exist.
    #[must_use]
    pub fn rules_say(&self, question: &Question, now: Timestamp) -> Opinion {
        self.judge(Judges::Both, question, &self.resolve(question), None, now)
    }

    /// Returns what the compiled form alone says of `question`, for callers that ask very many.
    pub(crate) fn outlook(&self, question: &Question, now: Timestamp) -> Opinion {
        let resolved = self.resolve(question);
        self.judge(Judges::Compiled, question, &resolved, resolved.refusal(), now)
    }

    /// Decides `request` at `now` by both judges, for an admission.
    pub fn decide(&self, request: &Request, now: Timestamp) -> Decision {
        self.decide_by(Judges::Both, request, now)
    }

    /// Decides `request` at `now` by the compiled form alone, for requests that both judges have
    /// admitted before.
    pub fn decide_again(&self, request: &Request, now: Timestamp) -> Decision {
        self.decide_by(Judges::Compiled, request, now)
    }

    fn decide_by(&self, judges: Judges, request: &Request, now: Timestamp) -> Decision {
        let resolved = self.resolve(&request.question);
        let standing = self.standing(&request.proof);
        let identity = identity(request, resolved.subject.map(|one| one.member.id), standing, now);
        let refusal = identity.err().or(resolved.refusal());
        let opinion = self.judge(judges, &request.question, &resolved, refusal, now);
        let device = resolved.device.map(|device| device.member.id.into());
        answer(request, device, resolved.declared(), identity.ok(), opinion)
    }

    pub(crate) fn resolve(&self, question: &Question) -> ResolvedQuestion<'_> {
        let subject = self.known(&question.subject);
        let (device, among) = match &question.resource.device {
            Device::Gateway => (None, None),
            Device::Named(name) => {
                let device = self.known(&Subject::new(Kind::Device, name.clone()));
                (device, self.declared(name))
            }
        };
        let interface = match (among, question.resource.path.segments()) {
            (Some(among), [Segment::Text(name), ..]) => {
                among.iter().position(|interface| interface.name.as_str() == &**name)
            }
            _ => None,
        };
        let gateway = question.resource.device == Device::Gateway;
        ResolvedQuestion { action: question.action, gateway, subject, device, among, interface }
    }

    /// Judges by the rules, then applies `refusal`. It judges even if the refusal is already known,
    /// so that an unknown name takes as long as a forbidden one.
    pub(crate) fn judge(
        &self,
        judges: Judges,
        question: &Question,
        resolved: &ResolvedQuestion<'_>,
        refusal: Option<Refusal>,
        now: Timestamp,
    ) -> Opinion {
        let none = (ResolvedMemberships::none(), ResolvedMemberships::none());
        let (roles, groups) = self.memberships(resolved, &none);
        let aliases = resolved.aliases(question);
        let context = question.context(now, resolved.evidence());
        self.judge_among(judges, (question, &aliases), context, refusal, (roles, groups))
    }

    /// Returns the roles and groups that a question is judged with. A device that does not exist is
    /// in the groups that every device is in; the gateway is in none.
    pub(crate) fn memberships<'a>(
        &'a self,
        resolved: &ResolvedQuestion<'a>,
        none: &'a (ResolvedMemberships<Role>, ResolvedMemberships<Group>),
    ) -> (&'a ResolvedMemberships<Role>, &'a ResolvedMemberships<Group>) {
        let roles = resolved.subject.map_or(&none.0, |subject| &subject.roles);
        let groups = match resolved.device {
            Some(device) => &device.groups,
            None if resolved.gateway => &none.1,
            None => self.no_device(),
        };
        (roles, groups)
    }

    /// Judges a question with these other names, for a subject with these roles and a device in
    /// these groups.
    pub(crate) fn judge_among(
        &self,
        judges: Judges,
        (question, aliases): (&Question, &[Path]),
        context: Context,
        resolved: Option<Refusal>,
        (roles, groups): (&ResolvedMemberships<Role>, &ResolvedMemberships<Group>),
    ) -> Opinion {
        let now = context.now;
        let case = Case::new(self.bundle(), (question, aliases), context, roles, groups);
        let verdict = verdict_of(&case, Search::Few);
        let compiled = self.bundle().compiled();
        let (refusal, rules) = match (resolved, verdict.refusal) {
            (Some(resolved), _) => (Some(resolved), Default::default()),
            (None, found) => {
                let refusal = found
                    .or_else(|| self.is_suspended(&case).then_some(Refusal::Suspended))
                    .or_else(|| match judges {
                        Judges::Both => second_judge(&case, &verdict),
                        Judges::Compiled => None,
                    });
                (refusal, verdict.deciding.iter().map(|rule| compiled.line(*rule)).collect())
            }
        };
        let changes = [verdict.changes_at, roles.changes_at(now), groups.changes_at(now)];
        Opinion {
            refusal,
            rules,
            revision: self.revision(),
            epoch: self.epoch(),
            ask_again_at: changes.into_iter().flatten().min(),
        }
    }
}

impl Snapshot {
    /// Returns whether a suspended rule would allow the question. Its conditions do not matter, so
    /// time alone ends no suspension.
    fn is_suspended(&self, case: &Case<'_>) -> bool {
        if self.suspended().is_empty() {
            return false;
        }
        let mut found = false;
        let all = case.find(Effect::Allow, Limit::Few, &mut |rule, _| {
            found = self.suspended().contains(&(case.bundle.compiled().line(rule) as usize));
            if found { SearchControl::Stop } else { SearchControl::Next }
        });
        found || !all
    }
}

/// Asks Casbin about a permit, with the rules that bear on the case. Returns a refusal if Casbin
/// does not permit.
fn second_judge(case: &Case<'_>, verdict: &RulesVerdict) -> Option<Refusal> {
    // One allow rule is enough for a permit; every deny rule counts.
    let rules = verdict.deciding.iter().take(1).chain(&verdict.waiting).copied();
    let (rules, question) = (case.rules(rules), case.question);
    match casbin_permits(case, &rules) {
        Ok(true) => None,
        Ok(false) => {
            tracing::error!(
                ?question,
                "the judges disagree: the compiled form permits, Casbin denies; the question is refused"
            );
            Some(Refusal::Disagreement)
        }
        Err(error) => {
            tracing::error!(?question, %error, "casbin failed; the question is refused");
            Some(Refusal::Disagreement)
        }
    }
}

/// Returns the decision that follows from an opinion and from an identity that ends at `not_after`.
pub(crate) fn answer(
    request: &Request,
    device: Option<DeviceId>,
    interface: Option<DeclaredInterface>,
    not_after: Option<Timestamp>,
    mut opinion: Opinion,
) -> Decision {
    if let Some(not_after) = not_after {
        // The certificate is still valid at its last instant, so the question is asked again at the
        // next one. At the end of time there is no next one, and this check avoids making an error
        // each time.
        let ends = (not_after < Timestamp::MAX).then_some(not_after);
        let over = ends.and_then(|end| end.checked_add(jiff::SignedDuration::from_nanos(1)).ok());
        opinion.ask_again_at = [opinion.ask_again_at, over].into_iter().flatten().min();
    }
    if opinion.refusal.is_some() {
        return Decision::Denial(Denial { opinion });
    }
    Decision::Permit(Permit {
        subject: request.question.subject.clone(),
        subject_id: request.subject,
        resource: request.question.resource.clone(),
        action: request.question.action,
        device,
        interface,
        opinion,
    })
}

/// Returns until when the identity of a request holds: the name must still have that number, and
/// its proof must be valid.
pub(crate) fn identity(
    request: &Request,
    subject: Option<SubjectId>,
    standing: Option<Standing>,
    now: Timestamp,
) -> Result<Timestamp, Refusal> {
    if subject != Some(request.subject) {
        return Err(Refusal::UnknownSubject);
    }
    match standing {
        Some(one) if one.subject == request.subject && one.is_live(now) => Ok(one.not_after),
        Some(_) | None => Err(Refusal::CertificateNotLive),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use doorward_model::{Action, Fact, PeerText, Posture, Revision};

    use super::*;
    use crate::bundle::{Bundle, BundleText};
    use crate::cache::Cache;
    use crate::fixture::{self, certificate, now};
    use crate::question::Evidence;
    use crate::snapshot::Member;
    use crate::supposed::Supposed;

    const POLICY: &str = "p, user/alice, plc, *, connect, , allow\n\
                          p, user/alice, plc, modbus/**, *, , allow\n\
                          p, user/alice, plc, modbus/2/**, write, , deny\n\
                          p, user/alice, plc, modbus/*/holding/100-109, read, , deny\n";

    fn at(target: &str) -> Snapshot {
        fixture::snapshot(POLICY, &[("modbus", target)])
    }

    /// Returns the answer to a question, and checks that everything that decides, shows or tests an
    /// answer agrees.
    fn says(snapshot: &Snapshot, action: Action, path: &str) -> bool {
        let (alice, plc) = ("user/alice".parse().unwrap(), "plc".parse().unwrap());
        let question = snapshot.question(alice, action, plc, path, None).unwrap();
        let request = Request {
            question: question.clone(),
            subject: SubjectId(1),
            proof: certificate().into(),
        };
        let permits = |decision| matches!(decision, Decision::Permit(_));
        let asked = Supposed::of(question.clone(), snapshot, now());
        let test = |expect: &str| {
            format!(
                "[[test]]\nsubject = \"user/alice\"\naction = \"{action}\"\n\
                 resource = \"plc/{path}\"\nexpect = \"{expect}\"\n"
            )
        };
        let fails = |expect: &str| {
            let (policy, tests) = (POLICY.to_owned(), test(expect));
            let text = BundleText { policy, tests, ..BundleText::default() };
            let expectations = Bundle::parse(text).unwrap().tests().unwrap();
            !snapshot.failing(&expectations, now()).is_empty()
        };
        let mut cache = Cache::new();
        let explained = snapshot.explain(&question, None, now());
        let all = [
            permits(snapshot.decide(&request, now())),
            permits(snapshot.decide_again(&request, now())),
            permits(cache.decide_again(snapshot, &request, now())),
            permits(cache.decide_again(snapshot, &request, now())),
            snapshot.opinion(&question, now()).permits(),
            snapshot.outlook(&question, now()).permits(),
            explained.permit,
            fails("deny"),
            !fails("permit"),
        ];
        assert_eq!(all, [all[0]; 9], "{path}");
        let denies = explained.decided.iter().all(|rule| !rule.failed.contains(&"path"));
        assert!(denies, "the rule that decides is shown to meet the path: {explained:?}");
        assert_eq!(snapshot.bundle().referee(&asked, None), Some(Ok(())), "the judges agree");
        all[0]
    }

    #[test]
    fn a_rule_that_denies_meets_every_name_of_a_message() {
        let (read, write) = (Action::Read, Action::Write);
        let plain = at("modbus://plc:502");
        assert!(!says(&plain, write, "modbus/2/coil/7"));
        assert!(says(&plain, write, "modbus/1/coil/7"));
        assert!(says(&plain, read, "modbus/1/input/100"));
        // A queue is read from holding registers.
        assert!(!says(&plain, read, "modbus/1/fifo/100"));
        assert!(says(&plain, read, "modbus/1/fifo/110"));
        let any = at("modbus://plc:502?unit=any");
        assert!(!says(&any, write, "modbus/1/coil/7"));
        assert!(says(&any, read, "modbus/1/coil/7"));
        assert!(says(&any, read, "modbus/1/input/100"));
        let alias = at("modbus+agent:plc?tables=alias");
        assert!(says(&alias, write, "modbus/1/coil/7"));
        for denied in ["input/100", "coil/109", "coil/1600", "discrete/1759", "fifo/80"] {
            assert!(!says(&alias, read, &format!("modbus/1/{denied}")), "{denied}");
        }
        for free in ["input/110", "coil/99", "discrete/1760", "fifo/110", "file/100"] {
            assert!(says(&alias, read, &format!("modbus/1/{free}")), "{free}");
        }
        let both = at("modbus://plc:502?unit=any&tables=alias");
        assert!(!says(&both, write, "modbus/1/coil/7") && !says(&both, read, "modbus/9/coil/1600"));
        assert!(says(&both, read, "modbus/9/coil/99"));
    }

    #[test]
    fn a_rule_that_denies_meets_every_reading_of_a_path() {
        let policy = "p, user/alice, plc, web/**, get, , allow\n\
                      p, user/alice, plc, web/Admin/**, get, , deny\n\
                      p, user/alice, plc, web/a%20b, *, , deny\n\
                      p, user/alice, plc, web/c%2520d/*, *, , deny\n\
                      p, user/alice, plc, web/pub/*/1-9, *, , deny\n";
        let at = |url| fixture::snapshot(policy, &[("web", url)]);
        let (read, exact) = (at("http://h:80"), at("http://h:80?paths=exact"));
        for denied in ["Admin", "Admin/x", "c%20d/x", "c d/", "pub/x/1-9"] {
            let path = format!("web/{denied}");
            assert!(
                !says(&exact, Action::Get, &path) && !says(&read, Action::Get, &path),
                "{path}"
            );
        }
        let other = [
            "admin/x",
            "ADMIN;v=1/x",
            "admin./x",
            "admin+/",
            "admin%20.%20/x",
            "admin%3B/x",
            "%20/admin/x",
            "a b",
            "a+b",
            "A%20B.",
            "a%2Bb/",
            "a%20b;x",
            "C+D/x",
            "c%20d;/x",
            "pub/x/1-9.",
            "Pub/x/1-9;v/",
        ];
        for denied in other {
            let path = format!("web/{denied}");
            assert!(!says(&read, Action::Get, &path), "{path}");
            assert!(says(&exact, Action::Get, &path), "{path}");
        }
        for free in ["", "administrator", "ad/min", "a/b", "c%20d", "pub/1-9", "pub/x/5", "x/admin"]
        {
            let path = format!("web/{free}");
            assert!(says(&exact, Action::Get, &path) && says(&read, Action::Get, &path), "{path}");
        }
    }

    #[test]
    fn a_rule_that_allows_covers_a_path_as_it_is_written() {
        let policy = "p, user/alice, plc, web/Admin, get, , allow\n\
                      p, user/alice, plc, web/a%2520b, get, , allow\n";
        let snapshot = fixture::snapshot(policy, &[("web", "http://h:80")]);
        for (path, permitted) in [
            ("Admin", true),
            ("a%20b", true),
            ("a b", true),
            ("%41dmin", true),
            ("admin", false),
            ("Admin/", false),
            ("Admin;x", false),
            ("Admin.", false),
            ("a+b", false),
            ("A%20b", false),
        ] {
            assert_eq!(says(&snapshot, Action::Get, &format!("web/{path}")), permitted, "{path}");
        }
    }

    #[test]
    fn a_question_is_about_a_request_that_is_decided() {
        let interfaces = [("web", "http://h:80"), ("exact", "http://h:80?paths=exact")];
        let snapshot = fixture::snapshot(POLICY, &interfaces);
        let asked = |path: &str| {
            let (alice, plc) = ("user/alice".parse().unwrap(), "plc".parse().unwrap());
            let question = snapshot.question(alice, Action::Get, plc, path, None);
            question.map(|question| question.resource.path.raw()).map_err(|error| error.to_string())
        };
        for (path, read) in [
            ("web", "web/"),
            ("web/", "web/"),
            ("web/secret plans/x", "web/secret%20plans/x"),
            ("web/%7ea%3a", "web/~a%3A"),
            ("exact/...", "exact/..."),
        ] {
            assert_eq!(asked(path).as_deref(), Ok(read), "{path}");
        }
        for (path, why) in [
            ("web/a//b", "empty segment"),
            ("web/..", "dot segment"),
            ("web/...", "dot segment"),
            ("web/a%2Fb", "slash"),
            ("web/%2541", "escape in an escape"),
            ("web/a?b", "leave out the query"),
            ("web/%20/%20/%20/%20", "too many ways"),
        ] {
            assert!(asked(path).unwrap_err().contains(why), "{path}");
        }
    }

    #[test]
    fn the_context_has_the_last_report_of_both_devices_under_every_bundle() {
        let posture = |second, firmware: &str| {
            let at = Timestamp::from_second(second).unwrap();
            let fact = Fact::Text(PeerText::new(firmware));
            Posture::new(at, [("firmware".to_owned(), fact)]).unwrap()
        };
        let device = |name: &str| Subject::new(Kind::Device, name.parse().unwrap());
        let (plc, sensor) = (device("plc"), device("sensor"));
        let member = Member { id: SubjectId(9), enabled: true, roles: vec![], groups: vec![] };
        let snapshot = at("tcp://plc:22");
        let evidence = |snapshot: &Snapshot, asker: &Subject| {
            let plc = "plc".parse().unwrap();
            let asked = snapshot.question(asker.clone(), Action::Connect, plc, "modbus", None);
            snapshot.resolve(&asked.unwrap()).evidence()
        };
        assert_eq!(evidence(&snapshot, &sensor), Evidence::default());
        // A subject that does not exist has no report.
        let unknown = snapshot.clone().with_posture(&sensor, Some(posture(1, "1.0")));
        assert_eq!(evidence(&unknown, &sensor), Evidence::default());
        let snapshot = snapshot
            .with_member(sensor.clone(), Some(member.clone()))
            .with_posture(&sensor, Some(posture(1, "1.0")))
            .with_posture(&plc, Some(posture(2, "2.0")))
            .with_posture(&plc, Some(posture(3, "2.1")));
        let (target, asker) = (Arc::new(posture(3, "2.1")), Arc::new(posture(1, "1.0")));
        let both = Evidence { target: Some(target.clone()), asker: Some(asker) };
        assert_eq!(evidence(&snapshot, &sensor), both);
        let other = fixture::bundle("p, role/new, group/new, **, *, , allow\n");
        let under_other = snapshot.clone().with_bundle(Revision(2), other);
        assert_eq!(evidence(&under_other, &sensor), both);
        let alice: Subject = "user/alice".parse().unwrap();
        let asked = Evidence { target: Some(target.clone()), asker: None };
        assert_eq!(evidence(&snapshot, &alice), asked);
        // Somebody else under the same name has not reported.
        let renamed = snapshot.clone().with_member(sensor.clone(), Some(member));
        assert_ne!(renamed, snapshot);
        assert_eq!(evidence(&renamed, &sensor), asked);
    }

    #[test]
    fn a_rule_that_allows_has_to_name_what_was_asked_for() {
        let policy = "p, user/alice, plc, modbus/2/holding/0-9, read, , allow\n";
        let bundle = fixture::bundle(policy);
        let snapshot = at("modbus://plc:502?unit=any&tables=alias");
        let snapshot = snapshot.with_bundle(Revision(2), bundle);
        assert!(says(&snapshot, Action::Read, "modbus/2/holding/7"));
        for other in ["modbus/1/holding/7", "modbus/0/holding/7", "modbus/2/input/7"] {
            assert!(!says(&snapshot, Action::Read, other), "{other}");
        }
    }
}
