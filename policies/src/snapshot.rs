//! The immutable state from which decisions are made.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use doorward_model::{
    Action, CertificateId, Device, Domain, Epoch, Fingerprint, Group, InterfaceId, Kind, Name,
    Path, PathError, Posture, Protocol, Resource, Revision, Role, Subject, SubjectId, Target,
};
use jiff::Timestamp;

use crate::bundle::Bundle;
use crate::membership::{
    Member, ResolvedMemberships, built_in_group, built_in_role, with_built_in,
};
use crate::question::{Circumstances, Question};
use crate::shared::SharedMap;

/// The immutable state of one epoch, from which decisions are made.
///
/// A snapshot shares its parts with the one before, so a change copies only the parts that it
/// touches.
#[derive(Clone, Debug)]
pub struct Snapshot {
    domain: Domain,
    epoch: Epoch,
    revision: Revision,
    bundle: Arc<Bundle>,
    claimed: bool,
    members: SharedMap<Subject, Arc<KnownMember>>,
    interfaces: SharedMap<Name, Arc<[Interface]>>,
    certificates: SharedMap<CertificateId, Certificate>,
    /// The lines of `policy.csv` that permit nothing, because the judges differed about them.
    suspended: Arc<BTreeSet<usize>>,
    /// Those suspended lines that no change has stored yet. They belong to this copy of the state,
    /// and not to its number.
    held: Arc<BTreeSet<usize>>,
    /// The groups of a device that does not exist: those that every device is in. A question about
    /// such a device is judged with them, so that it takes as long as one about a device that
    /// exists.
    no_device: Arc<ResolvedMemberships<Group>>,
    stamp: Stamp,
}

/// Identifies a state: two snapshots with the same stamp are copies of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(u64);

impl Stamp {
    /// Returns a stamp that was never used before.
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// Two snapshots are equal if they are the same state: without the lines that are only
/// [held](Snapshot::holding), they give the same answers. Bundles are compared by their text.
impl PartialEq for Snapshot {
    fn eq(&self, other: &Self) -> bool {
        (&self.domain, self.epoch, self.revision, self.claimed)
            == (&other.domain, other.epoch, other.revision, other.claimed)
            && self.bundle.text() == other.bundle.text()
            && self.members == other.members
            && self.interfaces == other.interfaces
            && self.certificates == other.certificates
            && self.suspended.difference(&self.held).eq(other.suspended.difference(&other.held))
    }
}

/// A subject, with its memberships resolved under the bundle in force.
#[derive(Clone, Debug)]
pub(crate) struct KnownMember {
    pub(crate) member: Member,
    pub(crate) roles: ResolvedMemberships<Role>,
    pub(crate) groups: ResolvedMemberships<Group>,
    /// What it has last reported about itself, if it is a device.
    pub(crate) posture: Option<Arc<Posture>>,
}

impl KnownMember {
    fn new(subject: &Subject, member: Member, bundle: &Bundle) -> Self {
        let roles =
            bundle.resolve_roles(with_built_in(&member.roles, built_in_role(subject.kind())));
        let group = (subject.kind() == Kind::Device).then(built_in_group).flatten();
        let groups = bundle.resolve_groups(with_built_in(&member.groups, group));
        Self { member, roles, groups, posture: None }
    }
}

impl PartialEq for KnownMember {
    fn eq(&self, other: &Self) -> bool {
        self.member == other.member && self.posture == other.posture
    }
}

fn no_device(bundle: &Bundle) -> Arc<ResolvedMemberships<Group>> {
    Arc::new(bundle.resolve_groups(with_built_in(&[], built_in_group())))
}

/// An interface in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The number of this declaration.
    pub id: InterfaceId,
    /// Its name on its device.
    pub name: Name,
    /// Its target.
    pub target: Target,
    /// The name of the network that it was declared in. `None` if no network leads to it, or if it
    /// was declared before networks had names.
    pub network: Option<Name>,
    /// Whether it is enabled.
    pub enabled: bool,
}

/// A live issuance row, which a presented certificate must match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The number of its subject.
    pub subject: SubjectId,
    /// SHA-256 of its SubjectPublicKeyInfo.
    pub key: Fingerprint,
    /// The first instant at which it is valid.
    pub not_before: Timestamp,
    /// The last instant at which it is valid (RFC 5280 section 4.1.2.5).
    pub not_after: Timestamp,
}

impl Snapshot {
    /// Returns a snapshot under `bundle`, without subjects and interfaces.
    #[must_use]
    pub fn new(domain: Domain, revision: Revision, bundle: Arc<Bundle>) -> Self {
        Self {
            domain,
            epoch: Epoch::default(),
            revision,
            no_device: no_device(&bundle),
            bundle,
            claimed: false,
            members: SharedMap::new(),
            interfaces: SharedMap::new(),
            certificates: SharedMap::new(),
            suspended: Arc::default(),
            held: Arc::default(),
            stamp: Stamp::new(),
        }
    }

    /// Returns the state with the number of a later change.
    #[must_use]
    pub fn at(mut self, epoch: Epoch) -> Self {
        self.epoch = epoch;
        self.changed()
    }

    /// Returns the state under another bundle.
    #[must_use]
    pub fn with_bundle(mut self, revision: Revision, bundle: Arc<Bundle>) -> Self {
        if !bundle.numbers_like(&self.bundle) {
            let known = |(subject, known): (&Subject, &Arc<KnownMember>)| {
                let posture = known.posture.clone();
                let known = KnownMember::new(subject, known.member.clone(), &bundle);
                (subject.clone(), Arc::new(KnownMember { posture, ..known }))
            };
            self.members = self.members.iter().map(known).collect();
            self.no_device = no_device(&bundle);
        }
        (self.revision, self.bundle) = (revision, bundle);
        (self.suspended, self.held) = (Arc::default(), Arc::default());
        self.changed()
    }

    /// Returns the state with these lines of `policy.csv` suspended as well, because the judges
    /// differed about them. Whatever they would allow is denied, even if other rules allow it or
    /// their conditions do not hold. The next bundle ends the suspension.
    #[must_use]
    pub fn suspending(self, lines: &[usize]) -> Self {
        let stored = self.suspended.difference(&self.held).chain(lines).copied().collect();
        self.with_suspended(&stored)
    }

    /// Returns the state with exactly these lines suspended, besides those that are only held.
    #[must_use]
    pub fn with_suspended(mut self, lines: &BTreeSet<usize>) -> Self {
        let held: BTreeSet<usize> = self.held.difference(lines).copied().collect();
        let all = lines.union(&held).copied().collect();
        // Caches compare the suspended lines by their address.
        if *self.suspended != all {
            self.suspended = Arc::new(all);
        }
        self.held = Arc::new(held);
        self.changed()
    }

    /// Returns this copy of the state with more lines suspended, which no change has stored yet.
    #[must_use]
    pub fn holding(mut self, lines: &[usize]) -> Self {
        let new: BTreeSet<usize> =
            lines.iter().filter(|line| !self.suspended.contains(line)).copied().collect();
        self.held = Arc::new(self.held.union(&new).copied().collect());
        self.suspended = Arc::new(self.suspended.union(&new).copied().collect());
        self.changed()
    }

    /// Returns this copy of the state with the lines that `other` only holds, if both have the same
    /// bundle.
    #[must_use]
    pub fn holding_like(self, other: &Self) -> Self {
        if self.revision != other.revision {
            return self;
        }
        let lines: Vec<usize> = other.held.iter().copied().collect();
        self.holding(&lines)
    }

    /// Returns the suspended lines that no change has stored yet.
    #[must_use]
    pub fn held(&self) -> &BTreeSet<usize> {
        &self.held
    }

    /// Returns the suspended lines of `policy.csv`.
    #[must_use]
    pub fn suspended(&self) -> &Arc<BTreeSet<usize>> {
        &self.suspended
    }

    /// Returns the state with that subject, which has not reported about itself; `None` removes it.
    #[must_use]
    pub fn with_member(mut self, subject: Subject, member: Option<Member>) -> Self {
        match member {
            Some(member) => {
                let known = KnownMember::new(&subject, member, &self.bundle);
                self.members.insert(subject, Arc::new(known));
            }
            None => {
                self.members.remove(&subject);
            }
        }
        self.changed()
    }

    /// Returns the state in which a subject is like `member`. What a device has reported stays.
    #[must_use]
    pub fn with_changed_member(self, subject: &Subject, member: Member) -> Self {
        let posture = self.posture(subject).map(|posture| (**posture).clone());
        self.with_member(subject.clone(), Some(member)).with_posture(subject, posture)
    }

    /// Returns the state with what a present device has last reported about itself.
    #[must_use]
    pub fn with_posture(mut self, device: &Subject, posture: Option<Posture>) -> Self {
        if let Some(known) = self.members.get(device) {
            let posture = posture.map(Arc::new);
            let known = KnownMember { posture, ..KnownMember::clone(known) };
            self.members.insert(device.clone(), Arc::new(known));
        }
        self.changed()
    }

    /// Returns the state with these interfaces of a device.
    #[must_use]
    pub fn with_interfaces(mut self, device: Name, interfaces: Vec<Interface>) -> Self {
        if interfaces.is_empty() {
            self.interfaces.remove(&device);
        } else {
            self.interfaces.insert(device, interfaces.into());
        }
        self.changed()
    }

    /// Returns the state with that certificate; `None` removes it.
    #[must_use]
    pub fn with_certificate(mut self, id: CertificateId, certificate: Option<Certificate>) -> Self {
        match certificate {
            Some(certificate) => self.certificates.insert(id, certificate),
            None => {
                self.certificates.remove(&id);
            }
        }
        self.changed()
    }

    /// Returns the state with that flag: whether an owner has claimed the gateway.
    #[must_use]
    pub fn with_claimed(mut self, claimed: bool) -> Self {
        self.claimed = claimed;
        self.changed()
    }

    /// Gives a changed state a stamp of its own.
    fn changed(mut self) -> Self {
        self.stamp = Stamp::new();
        self
    }

    /// Returns the groups of a device that does not exist.
    pub(crate) fn no_device(&self) -> &ResolvedMemberships<Group> {
        &self.no_device
    }

    pub(crate) fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Returns whether an owner has claimed the gateway. Before that, the gateway answers only the
    /// claim.
    #[must_use]
    pub fn is_claimed(&self) -> bool {
        self.claimed
    }

    /// Returns the gateway's domain.
    #[must_use]
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// Returns the number of the last change.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Returns the number of the bundle in force.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Returns the bundle in force.
    #[must_use]
    pub fn bundle(&self) -> &Arc<Bundle> {
        &self.bundle
    }

    /// Returns the subject of that name.
    #[must_use]
    pub fn member(&self, subject: &Subject) -> Option<&Member> {
        self.known(subject).map(|known| &known.member)
    }

    /// Returns what a device has last reported about itself.
    #[must_use]
    pub fn posture(&self, device: &Subject) -> Option<&Arc<Posture>> {
        self.known(device)?.posture.as_ref()
    }

    pub(crate) fn known(&self, subject: &Subject) -> Option<&Arc<KnownMember>> {
        self.members.get(subject)
    }

    /// Yields every subject, in no order.
    pub fn members(&self) -> impl Iterator<Item = (&Subject, &Member)> {
        self.members.iter().map(|(subject, known)| (subject, &known.member))
    }

    /// Returns the interfaces of a device.
    #[must_use]
    pub fn interfaces(&self, device: &Name) -> &[Interface] {
        self.declared(device).map_or(&[], |interfaces| interfaces)
    }

    pub(crate) fn declared(&self, device: &Name) -> Option<&Arc<[Interface]>> {
        self.interfaces.get(device)
    }

    /// Yields every interface with its device, in no order.
    pub fn all_interfaces(&self) -> impl Iterator<Item = (&Name, &Interface)> {
        let of = |(device, interfaces): (_, _)| (device, interfaces);
        self.interfaces.iter().map(of).flat_map(|(device, interfaces)| {
            let interfaces: &Arc<[Interface]> = interfaces;
            interfaces.iter().map(move |interface| (device, interface))
        })
    }

    /// Returns one interface of a device.
    #[must_use]
    pub fn interface(&self, device: &Name, name: &Name) -> Option<&Interface> {
        self.interfaces(device).iter().find(|interface| interface.name == *name)
    }

    /// Returns a live issuance row. Each decision checks whether the row is live *now*.
    #[must_use]
    pub fn certificate(&self, id: &CertificateId) -> Option<&Certificate> {
        self.certificates.get(id)
    }

    /// Reads a question from its parts, without an instant of a handshake. The path is read by the
    /// protocol of the interface that it names. Without such an interface the path is literal, and
    /// the question is refused.
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
        let inspected = self.target(&device, path).and_then(Target::inspected);
        let path = read_path(self.protocol(&device, path), action, path)?;
        inspected.map_or(Ok(()), |inspected| inspected.decides(&path))?;
        let resource = Resource { device, path };
        let circumstances = Circumstances { source, proven: None };
        Ok(Question { subject, resource, action, circumstances })
    }

    /// Returns the protocol of the interface that a path names.
    pub(crate) fn protocol(&self, device: &Device, path: &str) -> Option<Protocol> {
        match device {
            Device::Gateway => Some(Protocol::Administration),
            Device::Named(_) => self.target(device, path).map(Target::protocol),
        }
    }

    /// Returns the target of the interface that a path names.
    fn target(&self, device: &Device, path: &str) -> Option<&Target> {
        let Device::Named(device) = device else { return None };
        let interface = path.split('/').next()?.parse().ok()?;
        self.interface(device, &interface).map(|found| &found.target)
    }
}

/// Reads a path by `protocol`. The path is literal if there is no protocol, or if the protocol does
/// not have the action.
pub(crate) fn read_path(
    protocol: Option<Protocol>,
    action: Action,
    path: &str,
) -> Result<Path, PathError> {
    match protocol {
        Some(protocol) if protocol.actions().contains(&action) => {
            Path::parse(protocol, action, path)
        }
        _ => Path::literal(path),
    }
}
