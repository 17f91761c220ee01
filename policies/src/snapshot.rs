use std::net::IpAddr;
use std::sync::Arc;

use doorward_model::{
    Action, CertificateId, Device, Domain, Epoch, Fingerprint, Group, InterfaceId, Kind, Name,
    Path, PathError, Protocol, Resource, Revision, Role, Segment, Subject, SubjectId, Target,
};
use jiff::Timestamp;
use rpds::HashTrieMapSync;

use crate::bundle::Bundle;
use crate::decision::{Decision, Denial, Opinion, Permit, Refusal};
use crate::judge::{Case, casbin_permits, native_verdict};
use crate::question::{Context, Question, Request};

/// The immutable state of one epoch, from which decisions are made.
///
/// A snapshot shares its parts with its predecessor, so a change copies only what it touches.
#[derive(Clone, Debug)]
pub struct Snapshot {
    domain: Domain,
    epoch: Epoch,
    revision: Revision,
    bundle: Arc<Bundle>,
    claimed: bool,
    members: HashTrieMapSync<Subject, Arc<Member>>,
    interfaces: HashTrieMapSync<Name, Arc<[Interface]>>,
    certificates: HashTrieMapSync<CertificateId, Certificate>,
}

/// Two snapshots are the same if they answer alike: bundles are compared by their text.
impl PartialEq for Snapshot {
    fn eq(&self, other: &Self) -> bool {
        (&self.domain, self.epoch, self.revision, self.claimed)
            == (&other.domain, other.epoch, other.revision, other.claimed)
            && self.bundle.text() == other.bundle.text()
            && self.members == other.members
            && self.interfaces == other.interfaces
            && self.certificates == other.certificates
    }
}

/// A subject as a snapshot knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The number behind its name.
    pub id: SubjectId,
    /// Whether it may act, and be acted on if it is a device.
    pub enabled: bool,
    /// The roles that it is a direct member of.
    pub roles: Vec<Membership<Role>>,
    /// The groups that it is a direct member of, if it is a device.
    pub groups: Vec<Membership<Group>>,
}

/// Membership in a role or group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership<T> {
    /// In what.
    pub of: T,
    /// Until when, excluded; `None` is until it is taken away.
    pub until: Option<Timestamp>,
}

/// An interface as a snapshot knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The number of this declaration.
    pub id: InterfaceId,
    /// Its name on its device.
    pub name: Name,
    /// Where it is reached.
    pub target: Target,
    /// Whether it is on.
    pub enabled: bool,
}

/// An issuance row that is live: what a presented certificate must match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Whose it is.
    pub subject: SubjectId,
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub key: Fingerprint,
    /// From when it is valid, included.
    pub not_before: Timestamp,
    /// Until when, included (RFC 5280 section 4.1.2.5).
    pub not_after: Timestamp,
}

impl Certificate {
    fn is_live(&self, now: Timestamp) -> bool {
        self.not_before <= now && now <= self.not_after
    }
}

/// Who judges.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judges {
    /// The native judge, and casbin-rs: both must permit.
    Both,
    /// The native judge alone.
    Native,
}

/// What somebody is a member of, and when time alone changes that.
type Held<T> = (Vec<T>, Option<Timestamp>);

impl Snapshot {
    /// A snapshot under `bundle` that knows nobody and nothing.
    #[must_use]
    pub fn new(domain: Domain, revision: Revision, bundle: Arc<Bundle>) -> Self {
        Self {
            domain,
            epoch: Epoch::default(),
            revision,
            bundle,
            claimed: false,
            members: HashTrieMapSync::new_sync(),
            interfaces: HashTrieMapSync::new_sync(),
            certificates: HashTrieMapSync::new_sync(),
        }
    }

    /// The same state under the number of a later change.
    #[must_use]
    pub fn at(mut self, epoch: Epoch) -> Self {
        self.epoch = epoch;
        self
    }

    /// The same state under another bundle.
    #[must_use]
    pub fn with_bundle(mut self, revision: Revision, bundle: Arc<Bundle>) -> Self {
        (self.revision, self.bundle) = (revision, bundle);
        self
    }

    /// The same state, with that subject as it is now; `None` if it is no more.
    #[must_use]
    pub fn with_member(mut self, subject: Subject, member: Option<Member>) -> Self {
        match member {
            Some(member) => self.members.insert_mut(subject, Arc::new(member)),
            None => {
                self.members.remove_mut(&subject);
            }
        }
        self
    }

    /// The same state, with that device's interfaces as they are now.
    #[must_use]
    pub fn with_interfaces(mut self, device: Name, interfaces: Vec<Interface>) -> Self {
        if interfaces.is_empty() {
            self.interfaces.remove_mut(&device);
        } else {
            self.interfaces.insert_mut(device, interfaces.into());
        }
        self
    }

    /// The same state, with that certificate as it is now; `None` if it is not live.
    #[must_use]
    pub fn with_certificate(mut self, id: CertificateId, certificate: Option<Certificate>) -> Self {
        match certificate {
            Some(certificate) => self.certificates.insert_mut(id, certificate),
            None => {
                self.certificates.remove_mut(&id);
            }
        }
        self
    }

    /// The same state, of a gateway that has had an owner or not.
    #[must_use]
    pub fn with_claimed(mut self, claimed: bool) -> Self {
        self.claimed = claimed;
        self
    }

    /// Whether an owner has claimed the gateway. Until then only the claim is answered.
    #[must_use]
    pub fn is_claimed(&self) -> bool {
        self.claimed
    }

    /// The gateway's domain.
    #[must_use]
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// The number of the last change in this state.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The number of the bundle in force.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The bundle in force.
    #[must_use]
    pub fn bundle(&self) -> &Arc<Bundle> {
        &self.bundle
    }

    /// The subject of that name, if there is one.
    #[must_use]
    pub fn member(&self, subject: &Subject) -> Option<&Member> {
        self.members.get(subject).map(|member| &**member)
    }

    /// Every subject, in no order.
    pub fn members(&self) -> impl Iterator<Item = (&Subject, &Member)> {
        self.members.iter().map(|(subject, member)| (subject, &**member))
    }

    /// The interfaces of a device, by name.
    #[must_use]
    pub fn interfaces(&self, device: &Name) -> &[Interface] {
        self.interfaces.get(device).map_or(&[], |interfaces| interfaces)
    }

    /// Every interface with its device, in no order.
    pub fn all_interfaces(&self) -> impl Iterator<Item = (&Name, &Interface)> {
        let of = |(device, interfaces): (_, _)| (device, interfaces);
        self.interfaces.iter().map(of).flat_map(|(device, interfaces)| {
            let interfaces: &Arc<[Interface]> = interfaces;
            interfaces.iter().map(move |interface| (device, interface))
        })
    }

    /// One interface of a device.
    #[must_use]
    pub fn interface(&self, device: &Name, name: &Name) -> Option<&Interface> {
        self.interfaces(device).iter().find(|interface| interface.name == *name)
    }

    /// A live issuance row. Whether it is live *now* is asked at each decision.
    #[must_use]
    pub fn certificate(&self, id: &CertificateId) -> Option<&Certificate> {
        self.certificates.get(id)
    }

    /// Reads a question from its words. The path is read as the protocol of the interface
    /// that it names types it; where there is none, it is literal, and the answer is no.
    ///
    /// # Errors
    /// When the path is not of the protocol's form.
    pub fn question(
        &self,
        subject: Subject,
        action: Action,
        device: Device,
        path: &str,
        source: Option<IpAddr>,
    ) -> Result<Question, PathError> {
        let protocol = self.protocol(&device, path);
        let path = match protocol {
            Some(protocol) if protocol.actions().contains(&action) => {
                Path::parse(protocol, action, path)?
            }
            _ => Path::literal(path)?,
        };
        Ok(Question { subject, resource: Resource { device, path }, action, source })
    }

    fn protocol(&self, device: &Device, path: &str) -> Option<Protocol> {
        match device {
            Device::Gateway => Some(Protocol::Administration),
            Device::Named(name) => {
                let interface = path.split('/').next()?.parse().ok()?;
                self.interface(name, &interface).map(|found| found.target.protocol())
            }
        }
    }

    /// What this state says of `question`. Gives no leave: see [`Snapshot::decide`].
    #[must_use]
    pub fn opinion(&self, question: &Question, now: Timestamp) -> Opinion {
        let standing = self.standing(question);
        self.judge(question, standing.refusal(), now)
    }

    /// What the rules alone say of `question`, whether or not what it names is there.
    #[must_use]
    pub fn rules_say(&self, question: &Question, now: Timestamp) -> Opinion {
        self.judge(question, None, now)
    }

    /// The answer to `request` at `now`, by both judges: for an admission.
    pub fn decide(&self, request: &Request, now: Timestamp) -> Decision {
        self.decide_by(Judges::Both, request, now)
    }

    /// The answer to `request` at `now`, by the native judge alone: for what both have admitted
    /// before, and is asked again.
    pub fn decide_again(&self, request: &Request, now: Timestamp) -> Decision {
        self.decide_by(Judges::Native, request, now)
    }

    fn decide_by(&self, judges: Judges, request: &Request, now: Timestamp) -> Decision {
        let standing = self.standing(&request.question);
        let identity = self.identity(request, now);
        let refusal = identity.err().or(standing.refusal());
        let mut opinion = self.judge_by(judges, &request.question, refusal, now);
        if let Ok(not_after) = identity {
            // The certificate's last instant is included, so the next one is the first to ask.
            let over = not_after.saturating_add(jiff::SignedDuration::from_nanos(1)).ok();
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
            device: standing.device.map(|member| member.id.into()),
            interface: standing.interface.map(|interface| interface.id),
            target: standing.interface.map(|interface| interface.target.clone()),
            opinion,
        })
    }

    /// Whether the identity behind a request still stands, and until when.
    fn identity(&self, request: &Request, now: Timestamp) -> Result<Timestamp, Refusal> {
        let member = self.member(&request.question.subject);
        if member.is_none_or(|member| member.id != request.subject) {
            return Err(Refusal::UnknownSubject);
        }
        match self.certificate(&request.certificate) {
            Some(row) if row.subject == request.subject && row.is_live(now) => Ok(row.not_after),
            _ => Err(Refusal::CertificateNotLive),
        }
    }

    fn standing(&self, question: &Question) -> Standing<'_> {
        let subject = self.member(&question.subject);
        let device = match &question.resource.device {
            Device::Gateway => None,
            Device::Named(name) => self.member(&Subject::new(Kind::Device, name.clone())),
        };
        let interface = match (&question.resource.device, question.resource.path.segments()) {
            (Device::Named(device), [Segment::Text(name), ..]) => {
                let interfaces = self.interfaces(device).iter();
                interfaces.clone().find(|interface| interface.name.as_str() == &**name)
            }
            _ => None,
        };
        let gateway = question.resource.device == Device::Gateway;
        Standing { action: question.action, gateway, subject, device, interface }
    }

    /// Judges by the rules, then lets `standing` refuse. The rules are judged even when the
    /// refusal is already known, so that an unknown name and a forbidden one cost the same.
    fn judge(&self, question: &Question, standing: Option<Refusal>, now: Timestamp) -> Opinion {
        self.judge_by(Judges::Both, question, standing, now)
    }

    fn judge_by(
        &self,
        judges: Judges,
        question: &Question,
        standing: Option<Refusal>,
        now: Timestamp,
    ) -> Opinion {
        let roles = self.roles(&question.subject, now);
        let groups = self.groups(&question.resource.device, now);
        self.judge_among(judges, question, standing, roles, groups, now)
    }

    /// Judges for a subject in those roles and a device in those groups.
    pub(crate) fn judge_among(
        &self,
        judges: Judges,
        question: &Question,
        standing: Option<Refusal>,
        (roles, roles_change): Held<Role>,
        (groups, groups_change): Held<Group>,
        now: Timestamp,
    ) -> Opinion {
        let context = Context { now, source: question.source.map(|source| source.to_canonical()) };
        let case = Case::new(&self.bundle, question, context, roles, groups);
        let candidates = case.candidates();
        let verdict = native_verdict(&case, &candidates);
        let mut refusal = verdict.refusal;
        if refusal.is_none() && judges == Judges::Both {
            refusal = match casbin_permits(&case, &candidates) {
                Ok(true) => None,
                Ok(false) => {
                    tracing::error!(
                        ?question,
                        "the judges disagree: native permits, casbin denies"
                    );
                    Some(Refusal::Disagreement)
                }
                Err(error) => {
                    tracing::error!(?question, %error, "casbin failed");
                    Some(Refusal::Disagreement)
                }
            };
        }
        let (refusal, rules) = match standing {
            Some(standing) => (Some(standing), vec![]),
            None => (refusal, verdict.rules),
        };
        let changes = [verdict.changes_at, roles_change, groups_change];
        Opinion {
            refusal,
            rules,
            revision: self.revision,
            epoch: self.epoch,
            ask_again_at: changes.into_iter().flatten().min(),
        }
    }

    /// The roles of a subject at `now`, built-in ones included, and when time changes them.
    pub(crate) fn roles(
        &self,
        subject: &Subject,
        now: Timestamp,
    ) -> (Vec<Role>, Option<Timestamp>) {
        let Some(member) = self.member(subject) else { return (vec![], None) };
        let (mut roles, change) = held(&member.roles, now);
        roles.extend(built_in_role(subject.kind()));
        (roles, change)
    }

    /// The groups of a device at `now`, built-in ones included, and when time changes them.
    pub(crate) fn groups(
        &self,
        device: &Device,
        now: Timestamp,
    ) -> (Vec<Group>, Option<Timestamp>) {
        let Device::Named(name) = device else { return (vec![], None) };
        let Some(member) = self.member(&Subject::new(Kind::Device, name.clone())) else {
            return (vec![], None);
        };
        let (mut groups, change) = held(&member.groups, now);
        groups.extend(built_in_group(device));
        (groups, change)
    }
}

/// The role that everybody of a kind has.
pub(crate) fn built_in_role(kind: Kind) -> Option<Role> {
    let name = match kind {
        Kind::User => "users",
        Kind::Device => "devices",
        Kind::Gateway => return None,
    };
    name.parse().ok().map(Role::new)
}

/// The group that every device but the gateway is in.
pub(crate) fn built_in_group(device: &Device) -> Option<Group> {
    match device {
        Device::Gateway => None,
        Device::Named(_) => "devices".parse().ok().map(Group::new),
    }
}

fn held<T: Clone>(memberships: &[Membership<T>], now: Timestamp) -> (Vec<T>, Option<Timestamp>) {
    let live = memberships.iter().filter(|one| one.until.is_none_or(|until| now < until));
    let change = live.clone().filter_map(|one| one.until).min();
    (live.map(|one| one.of.clone()).collect(), change)
}

/// Who and what a question names, as far as they are known.
struct Standing<'a> {
    action: Action,
    gateway: bool,
    subject: Option<&'a Member>,
    device: Option<&'a Member>,
    interface: Option<&'a Interface>,
}

impl Standing<'_> {
    /// What refuses the question before any rule is asked.
    fn refusal(&self) -> Option<Refusal> {
        let Some(subject) = self.subject else { return Some(Refusal::UnknownSubject) };
        if !subject.enabled {
            return Some(Refusal::SubjectDisabled);
        }
        let protocol = if self.gateway {
            Protocol::Administration
        } else {
            let Some(device) = self.device else { return Some(Refusal::UnknownDevice) };
            let Some(interface) = self.interface else { return Some(Refusal::UnknownInterface) };
            if !device.enabled {
                return Some(Refusal::DeviceDisabled);
            }
            if !interface.enabled {
                return Some(Refusal::InterfaceDisabled);
            }
            interface.target.protocol()
        };
        (!protocol.actions().contains(&self.action)).then_some(Refusal::NotAnAction)
    }
}
