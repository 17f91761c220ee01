//! Decisions for benchmarks.

use std::sync::Arc;

use doorward_model::{
    Action, CertificateId, Device, Domain, Fingerprint, InterfaceId, Kind, Name, Revision, Serial,
    Subject, SubjectId,
};
use jiff::{SignedDuration, Timestamp};

use crate::answer::Judges;
use crate::bundle::{Bundle, BundleText};
use crate::cache::Cache;
use crate::generate::Questions;
use crate::membership::{Member, Membership};
use crate::request::Request;
use crate::shape::Shape;
use crate::snapshot::{Certificate, Interface, Snapshot};

/// Decisions for benchmarks: a state with people and devices for the rules of a bundle, and their
/// requests. It measures no time; its caller does.
#[derive(Debug)]
pub struct Bench {
    snapshot: Snapshot,
    requests: Vec<Request>,
    cache: Cache,
    now: Timestamp,
}

impl Bench {
    /// Returns a state under `bundle`, with up to `count` requests about its rules. `None` if no
    /// request can be made.
    #[must_use]
    pub fn new(
        bundle: &Arc<Bundle>,
        shape: Option<Shape>,
        count: usize,
        now: Timestamp,
    ) -> Option<Self> {
        let domain: Domain = "bench.home.arpa".parse().ok()?;
        let mut snapshot = Snapshot::new(domain, Revision(1), Arc::clone(bundle));
        let (roles, groups) = shape.map(Shape::held).unwrap_or_default();
        let issuer = Fingerprint::new([7; 32]);
        let mut requests = Vec::with_capacity(count);
        let mut interfaces = Vec::new();
        for (number, mut supposed) in
            (1_u32..).zip(Questions::about(&bundle.text().policy, bundle, now, 1)?.take(count))
        {
            let id = SubjectId(number.into());
            let alike: Name = format!("bench-{number}").parse().ok()?;
            let question = &mut supposed.question;
            if !bundle.names_subject(&question.subject) {
                question.subject = Subject::new(Kind::User, alike.clone());
            }
            let of = |role| Membership { of: role, until: None };
            let member = Member {
                id,
                enabled: true,
                roles: roles.iter().cloned().chain(supposed.roles).map(of).collect(),
                groups: vec![],
            };
            snapshot = snapshot.with_member(question.subject.clone(), Some(member));
            if let Device::Named(name) = &mut question.resource.device {
                if supposed.groups.len() > 1 {
                    *name = alike;
                }
                let of = |group| Membership { of: group, until: None };
                let groups = groups.iter().cloned().chain(supposed.groups).map(of).collect();
                let member = Member { id, enabled: true, roles: vec![], groups };
                let device = Subject::new(Kind::Device, name.clone());
                snapshot = snapshot.with_member(device, Some(member));
                let target = "tcp://127.0.0.1:1".parse().ok()?;
                interfaces.clear();
                let first = question.resource.path.raw();
                let first = first.split('/').next().unwrap_or_default();
                if let Ok(interface) = first.parse() {
                    let id = InterfaceId(number.into());
                    let (name, network, enabled) = (interface, None, true);
                    interfaces.push(Interface { id, name, target, network, enabled });
                }
                snapshot = snapshot.with_interfaces(name.clone(), interfaces.clone());
            }
            let serial = Serial::new(&number.to_be_bytes())?;
            let certificate = CertificateId { issuer, serial };
            let row = Certificate {
                subject: id,
                key: issuer,
                not_before: Timestamp::MIN,
                not_after: now.checked_add(SignedDuration::from_hours(24)).ok()?,
            };
            snapshot = snapshot.with_certificate(certificate.clone(), Some(row));
            let proof = certificate.into();
            requests.push(Request { question: question.clone(), subject: id, proof });
        }
        let cache = Cache::new();
        (!requests.is_empty()).then_some(Self { snapshot, requests, cache, now })
    }

    /// Returns how many requests there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Returns whether there are no requests, which is never so.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// Returns the state.
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Returns a request. Numbers beyond the last one start again.
    #[must_use]
    pub fn request(&self, number: usize) -> Option<&Request> {
        self.requests.get(number % self.requests.len().max(1))
    }

    /// Decides a request by the compiled form alone. Returns whether the rules permit it.
    #[must_use]
    pub fn uncached(&self, number: usize) -> bool {
        self.by(Judges::Compiled, number)
    }

    /// Decides a request by both judges, as for an admission. Returns whether the rules permit it.
    #[must_use]
    pub fn admission(&self, number: usize) -> bool {
        self.by(Judges::Both, number)
    }

    fn by(&self, judges: Judges, number: usize) -> bool {
        self.request(number).is_some_and(|request| {
            let question = &request.question;
            let resolved = self.snapshot.resolve(question);
            let opinion = self.snapshot.judge(judges, question, &resolved, None, self.now);
            opinion.permits()
        })
    }

    /// Adds a rule in the middle of the bundle, or removes one, and decides a request under the
    /// edited bundle. It calls `mark` after it has found the difference, and again after the
    /// decision; the compiled form works in between. Returns whether the decision sees the edit, or
    /// `None` if the bundle was parsed anew.
    #[must_use]
    pub fn edit(&self, add: bool, mut mark: impl FnMut()) -> Option<bool> {
        const RULE: &str = "p, user/bench-edit, gateway, bench/edit, read, , allow\n";
        let bundle = self.snapshot.bundle();
        let mut text = BundleText::clone(bundle.text());
        let middle = text.policy.len() / 2;
        let at = text.policy.get(middle..)?.find('\n').map_or(0, |at| middle + at + 1);
        if add {
            text.policy.insert_str(at, RULE);
        } else {
            let line = text.policy.get(at..)?.find('\n')? + 1;
            text.policy.replace_range(at..at + line, "");
        }
        let subject: Subject = "user/bench-edit".parse().ok()?;
        let member = Member { id: SubjectId(0), enabled: true, roles: vec![], groups: vec![] };
        let before = self.snapshot.clone().with_member(subject.clone(), Some(member));
        let action = Action::Read;
        let question =
            before.question(subject, action, Device::Gateway, "bench/edit", None).ok()?;
        let text = Arc::new(text);
        let difference = bundle.difference(&text)?;
        mark();
        let edited = Arc::new(bundle.edited(&text, &difference).ok()??);
        let seen = edited.len() == if add { bundle.len() + 1 } else { bundle.len() - 1 };
        let after = before.with_bundle(Revision(2), edited);
        let permits = after.outlook(&question, self.now).permits();
        mark();
        Some(seen && permits == add)
    }

    /// Decides a request with a cache. Returns whether it is permitted. An action that a raw
    /// interface does not have is refused, whatever the rules say.
    pub fn cached(&mut self, number: usize) -> bool {
        let Self { snapshot, requests, cache, now } = self;
        let request = requests.get(number % requests.len().max(1));
        request.is_some_and(|request| {
            matches!(cache.decide_again(snapshot, request, *now), crate::Decision::Permit(_))
        })
    }
}
