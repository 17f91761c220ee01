use std::net::IpAddr;
use std::sync::Arc;

use doorward_model::{
    Action, CertificateId, Device, Domain, Epoch, Fingerprint, Group, InterfaceId, Name, Path,
    PathError, Protocol, Resource, Revision, Role, Subject, SubjectId, Target,
};
use jiff::Timestamp;
use rpds::HashTrieMapSync;

use crate::bundle::Bundle;
use crate::question::Question;

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
        let protocol = self.protocol(&device, path);
        let path = match protocol {
            Some(protocol) if protocol.actions().contains(&action) => {
                Path::parse(protocol, action, path)?
            }
            _ => Path::literal(path)?,
        };
        let resource = Resource { device, path };
        Ok(Question { subject, resource, action, source, proven: None })
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
}
