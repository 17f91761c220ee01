//! The immutable state from which decisions are made.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use doorward_model::{
    Action, CertificateId, Device, Domain, Epoch, Fingerprint, Group, InterfaceId, Kind, Name,
    Path, PathError, Protocol, Resource, Revision, Role, Subject, SubjectId, Target,
};
use jiff::Timestamp;

use crate::bundle::Bundle;
use crate::membership::{
    Membership, ResolvedMemberships, built_in_group, built_in_role, with_built_in,
};
use crate::question::Question;
use crate::shared::SharedMap;

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
    members: SharedMap<Subject, Arc<KnownMember>>,
    interfaces: SharedMap<Name, Arc<[Interface]>>,
    certificates: SharedMap<CertificateId, Certificate>,
    /// Lines of the bundle that permit nothing, since the judges differed about them.
    suspended: Arc<BTreeSet<usize>>,
    /// The groups of a device that is not there: those that every device is in. A question about
    /// it is judged with them, so that it takes as long as one about a device that is there.
    no_device: Arc<ResolvedMemberships<Group>>,
    stamp: Stamp,
}

/// Tells states apart: two with the same stamp are one and the same, and copies of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(u64);

impl Stamp {
    /// One that there was never before.
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
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

/// A subject, with what its memberships mean under the bundle in force.
#[derive(Clone, Debug)]
pub(crate) struct KnownMember {
    pub(crate) member: Member,
    pub(crate) roles: ResolvedMemberships<Role>,
    pub(crate) groups: ResolvedMemberships<Group>,
}

impl KnownMember {
    fn new(subject: &Subject, member: Member, bundle: &Bundle) -> Self {
        let roles =
            bundle.resolve_roles(with_built_in(&member.roles, built_in_role(subject.kind())));
        let group = (subject.kind() == Kind::Device).then(built_in_group).flatten();
        let groups = bundle.resolve_groups(with_built_in(&member.groups, group));
        Self { member, roles, groups }
    }
}

impl PartialEq for KnownMember {
    fn eq(&self, other: &Self) -> bool {
        self.member == other.member
    }
}

fn no_device(bundle: &Bundle) -> Arc<ResolvedMemberships<Group>> {
    Arc::new(bundle.resolve_groups(with_built_in(&[], built_in_group())))
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
    /// The network that it was declared in, by the name that the configuration gives it. `None`
    /// where it is reached by no network, and for what was declared before networks had names.
    pub network: Option<Name>,
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
    pub(crate) fn is_live(&self, now: Timestamp) -> bool {
        self.not_before <= now && now <= self.not_after
    }
}

impl Snapshot {
    /// A snapshot under `bundle` that knows nobody and nothing.
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
            stamp: Stamp::new(),
        }
    }

    /// The same state under the number of a later change.
    #[must_use]
    pub fn at(mut self, epoch: Epoch) -> Self {
        self.epoch = epoch;
        self.changed()
    }

    /// The same state under another bundle.
    #[must_use]
    pub fn with_bundle(mut self, revision: Revision, bundle: Arc<Bundle>) -> Self {
        if !bundle.numbers_like(&self.bundle) {
            let known = |(subject, known): (&Subject, &Arc<KnownMember>)| {
                let known = KnownMember::new(subject, known.member.clone(), &bundle);
                (subject.clone(), Arc::new(known))
            };
            self.members = self.members.iter().map(known).collect();
            self.no_device = no_device(&bundle);
        }
        (self.revision, self.bundle) = (revision, bundle);
        self.suspended = Arc::default();
        self.changed()
    }

    /// The same state, in which what these lines of `policy.csv` would allow is denied, whatever
    /// else allows it and whether or not their conditions hold: the judges have differed about
    /// them. The next bundle ends that.
    #[must_use]
    pub fn suspending(mut self, lines: &[usize]) -> Self {
        self.suspended = Arc::new(self.suspended.iter().chain(lines).copied().collect());
        self.changed()
    }

    /// The same state, with what is suspended in `other` if that is under the same bundle.
    #[must_use]
    pub fn suspended_like(mut self, other: &Self) -> Self {
        if self.revision == other.revision {
            self.suspended = Arc::clone(&other.suspended);
        }
        self.changed()
    }

    /// The lines of `policy.csv` that are suspended.
    #[must_use]
    pub fn suspended(&self) -> &Arc<BTreeSet<usize>> {
        &self.suspended
    }

    /// The same state, with that subject as it is now; `None` if it is no more.
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

    /// The same state, with that device's interfaces as they are now.
    #[must_use]
    pub fn with_interfaces(mut self, device: Name, interfaces: Vec<Interface>) -> Self {
        if interfaces.is_empty() {
            self.interfaces.remove(&device);
        } else {
            self.interfaces.insert(device, interfaces.into());
        }
        self.changed()
    }

    /// The same state, with that certificate as it is now; `None` if it is not live.
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

    /// The same state, of a gateway that has had an owner or not.
    #[must_use]
    pub fn with_claimed(mut self, claimed: bool) -> Self {
        self.claimed = claimed;
        self.changed()
    }

    /// The state, changed: it is another one from now on.
    fn changed(mut self) -> Self {
        self.stamp = Stamp::new();
        self
    }

    /// The groups of a device that is not there.
    pub(crate) fn no_device(&self) -> &ResolvedMemberships<Group> {
        &self.no_device
    }

    pub(crate) fn stamp(&self) -> Stamp {
        self.stamp
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
        self.known(subject).map(|known| &known.member)
    }

    pub(crate) fn known(&self, subject: &Subject) -> Option<&Arc<KnownMember>> {
        self.members.get(subject)
    }

    /// Every subject, in no order.
    pub fn members(&self) -> impl Iterator<Item = (&Subject, &Member)> {
        self.members.iter().map(|(subject, known)| (subject, &known.member))
    }

    /// The interfaces of a device, by name.
    #[must_use]
    pub fn interfaces(&self, device: &Name) -> &[Interface] {
        self.declared(device).map_or(&[], |interfaces| interfaces)
    }

    pub(crate) fn declared(&self, device: &Name) -> Option<&Arc<[Interface]>> {
        self.interfaces.get(device)
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
    /// that it names types it; where there is none, it is literal, and the answer is no. It says
    /// of no handshake.
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
        let path = read_path(self.protocol(&device, path), action, path)?;
        let resource = Resource { device, path };
        Ok(Question { subject, resource, action, source, proven: None })
    }

    /// What is spoken at the interface that a path names, if there is one.
    pub(crate) fn protocol(&self, device: &Device, path: &str) -> Option<Protocol> {
        match device {
            Device::Gateway => Some(Protocol::Administration),
            Device::Named(name) => {
                let interface = path.split('/').next()?.parse().ok()?;
                self.interface(name, &interface).map(|found| found.target.protocol())
            }
        }
    }
}

/// Reads a path as `protocol` types it; without one, or for an action that it does not have, the
/// path is literal.
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
